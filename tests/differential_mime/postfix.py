"""A private Postfix: its own folders, its own ports, nothing of the machine's Postfix is used but the programs."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from tests.postfix.private import PrivatePostfix, why_no_postfix

_SETTINGS = {
    "mydestination": "local.test",
    "local_header_rewrite_clients": "",  # headers are to come out as they went in
    "disable_mime_input_processing": "yes",
    "message_drop_headers": "received, bcc, content-length, resent-bcc, return-path",
    "smtputf8_enable": "no",
    "enable_long_queue_ids": "yes",
    "maximal_queue_lifetime": "1d",
}

_LOG_LINE = re.compile(r"postfix/([\w-]+)/smtp\[\d+\]: (?:(\w{10,}): )?(.*)")


def why_not() -> str:
    """Why no Postfix can be run here, or nothing."""
    if obstacle := why_no_postfix():
        return obstacle
    version = subprocess.run(["postconf", "-h", "mail_version"], capture_output=True, text=True, check=False).stdout
    return "" if version >= "3.5" else f"Postfix {version.strip() or '?'} is too old"


class Postfix(PrivatePostfix):
    """`services`: name of a delivery service and its command line, as in `{"qp": "smtp -o smtp_line_length_limit=0"}`.

    `transports`: recipient domain to `service:nexthop`.  Files of `files` are written before it starts; `{etc}` in settings
    and command lines stands for their folder.
    """

    def __init__(
        self,
        services: Mapping[str, str],
        transports: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        lines = "".join(f"{name} unix - - n - - {command}\n" for name, command in services.items())
        super().__init__({**_SETTINGS, **(settings or {})}, lines, transports, files or {})

    def log_entries(self) -> Iterator[tuple[str, str, str]]:
        """What the delivery services logged: the last word of their `syslog_name`, the queue ID or nothing, the text."""
        for line in self.log_text().split("\n"):
            if match := _LOG_LINE.search(line):
                yield match[1], match[2] or "", match[3]

    def submit(self, sender: str, messages: Iterable[tuple[list[str], bytes]]) -> None:
        """Hand over messages, each with its recipients, through smtpd(8)."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection, connection.makefile("rb") as replies:

            def expect(code: bytes) -> None:
                while (line := replies.readline())[3:4] == b"-":
                    pass
                if not line.startswith(code):
                    raise RuntimeError(f"smtpd said {line!r}\n{self.log_text()}")

            expect(b"220")
            connection.sendall(b"EHLO test\r\n")
            expect(b"250")
            for recipients, content in messages:
                connection.sendall(f"MAIL FROM:<{sender}> BODY=8BITMIME\r\n".encode())
                expect(b"250")
                for recipient in recipients:
                    connection.sendall(f"RCPT TO:<{recipient}>\r\n".encode())
                    expect(b"250")
                connection.sendall(b"DATA\r\n")
                expect(b"354")
                connection.sendall((b"\n" + content).replace(b"\n.", b"\n..")[1:] + b".\r\n")
                expect(b"250")
            connection.sendall(b"QUIT\r\n")
