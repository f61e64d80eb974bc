"""A receiving server in threads, whose answer depends on who is written to."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import NamedTuple

REPLIES = {"temp": "451 4.2.1 come back later", "perm": "550 5.1.1 nobody of that name"}


class Taken(NamedTuple):
    """A message that was taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Receiver:
    """Refuses recipients whose address begins with `temp` or `perm`.  `gate` is what the reply to the dot waits for."""

    def __init__(self, *, keywords: tuple[str, ...] = (), lmtp: bool = False) -> None:
        self.keywords = keywords
        self.lmtp = lmtp
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Semaphore(0)
        self.sessions = 0
        self.connections: list[socket.socket] = []
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                receiver.sessions += 1
                receiver.connections.append(self.connection)
                try:
                    _Session(receiver, self).run()
                except (OSError, ValueError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 500
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hang_up(self) -> None:
        """End every conversation."""
        while self.connections:
            try:
                self.connections.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def hop(self) -> str:
        """The next hop."""
        return f"[127.0.0.1]:{self.port}"

    def recipients(self) -> list[str]:
        """Everybody who has got a message, once for each."""
        return sorted(recipient for message in self.taken for recipient in message.recipients)


class _Session:
    def __init__(self, receiver: Receiver, handler: socketserver.StreamRequestHandler) -> None:
        self._receiver = receiver
        self._file = handler.rfile
        self._write = handler.wfile.write
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sender = ""
        self._recipients: list[str] = []

    def _say(self, *lines: str) -> None:
        self._write("".join(f"{line}\r\n" for line in lines).encode())

    def run(self) -> None:
        self._say("220 receiver.test ready")
        while line := self._file.readline().decode("utf-8", "replace").strip():
            self._receiver.commands.append(line)
            verb = line[:4].upper()
            if verb in ("EHLO", "LHLO"):
                words = ["receiver.test", "PIPELINING", "8BITMIME", *self._receiver.keywords]
                self._say(*[f"250{'-' if word is not words[-1] else ' '}{word}" for word in words])
            elif verb == "MAIL":
                self._sender, self._recipients = address_of(line), []
                self._say("250 2.1.0 fine")
            elif verb == "RCPT":
                self._recipient(address_of(line))
            elif verb == "DATA":
                self._data()
            elif verb == "QUIT":
                self._say("221 2.0.0 bye")
                return
            else:
                self._say("250 2.0.0 fine")

    def _recipient(self, address: str) -> None:
        reply = next((text for word, text in REPLIES.items() if address.startswith(word)), "")
        if not reply:
            self._recipients.append(address)
        self._say(reply or "250 2.1.5 fine")

    def _data(self) -> None:
        if not self._recipients:
            self._say("554 5.5.1 no valid recipients")
            return
        self._say("354 go on")
        lines = []
        while (line := self._file.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b".") else line)
        if not line:
            return
        self._receiver.reached.release()
        self._receiver.gate.wait(60)
        self._receiver.taken.append(Taken(self._sender, tuple(self._recipients), b"".join(lines)))
        for _ in self._recipients if self._receiver.lmtp else (0,):
            self._say("250 2.0.0 taken")


def address_of(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
