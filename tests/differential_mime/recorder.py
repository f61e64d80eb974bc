"""An SMTP server that keeps what it is sent, octet for octet, dot stuffing included."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass, field


@dataclass
class Received:
    """One message.  `ended` is False where the connection broke off before the dot."""

    wire: bytes
    ended: bool


@dataclass
class Book:
    """What came in, by recipient; `arrived` is notified of everything new."""

    messages: dict[str, Received] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, recipient: str, received: Received) -> None:
        with self.arrived:
            self.messages[recipient] = received
            self.arrived.notify_all()

    def wait_for(self, recipients: set[str], seconds: float) -> set[str]:
        """Wait until all are there; returns those that are missing."""
        with self.arrived:
            self.arrived.wait_for(lambda: recipients <= self.messages.keys(), seconds)
            return recipients - self.messages.keys()


class _Handler(socketserver.StreamRequestHandler):
    server: Recorder

    def handle(self) -> None:
        recipients: list[str] = []
        self._say("220 recorder ESMTP")
        while line := self.rfile.readline(4096):
            verb = line[:4].upper()
            if verb == b"EHLO":
                words = ["recorder", "PIPELINING", *self.server.keywords]
                self._say(*[f"250{'-' if word is not words[-1] else ' '}{word}" for word in words])
            elif verb == b"RCPT":
                recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
                self._say("250 2.1.5 Ok")
            elif verb == b"DATA":
                self._say("354 Go on")
                received = self._read_content()
                for recipient in recipients:
                    self.server.book.enter(recipient, received)
                recipients.clear()
                if not received.ended:
                    return
                self._say("250 2.0.0 Ok")
            elif verb == b"QUIT":
                self._say("221 2.0.0 Bye")
                return
            else:
                self._say("250 2.0.0 Ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _read_content(self) -> Received:
        """Up to the line that is a dot; only CRLF ends a line."""
        content = bytearray()
        while line := self.rfile.readline():
            if line == b".\r\n" and (not content or content.endswith(b"\r\n")):
                return Received(bytes(content), True)
            content += line
        return Received(bytes(content), False)


class Recorder(socketserver.ThreadingTCPServer):
    """Serves on a free port of the loopback address until it is closed."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, book: Book, *keywords: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.book = book
        self.keywords = keywords
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
