"""A private Postfix: its own folders, its own ports, nothing of the machine's Postfix is used but the programs."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tests.ports import free_port

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
pickup    unix n - n 60 1 pickup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
tlsmgr    unix - - n 1000? 1 tlsmgr
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
showq     unix n - n - - showq
flush     unix n - n 1000? 0 flush
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_MAIN_CF = {
    "compatibility_level": "3.6",
    "myhostname": "client.origin.test",
    "mydomain": "origin.test",
    "myorigin": "origin.test",
    "mydestination": "local.test",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "local_header_rewrite_clients": "",  # headers are to come out as they went in
    "disable_mime_input_processing": "yes",
    "message_drop_headers": "received, bcc, content-length, resent-bcc, return-path",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_peername_lookup": "no",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_error_sleep_time": "0",
    "smtp_dns_support_level": "disabled",
    "smtputf8_enable": "no",
    "in_flow_delay": "0",
    "message_size_limit": "0",
    "mailbox_size_limit": "0",
    "notify_classes": "",
    "biff": "no",
    "enable_long_queue_ids": "yes",
    "maximal_queue_lifetime": "1d",
}

_START_SECONDS = 20.0
"""A machine that is busy starts slowly."""

_LOG_LINE = re.compile(r"postfix/([\w-]+)/smtp\[\d+\]: (?:(\w{10,}): )?(.*)")


def why_not() -> str:
    """Why no Postfix can be run here, or nothing."""
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    if not shutil.which("postfix", path="/usr/sbin:/usr/local/sbin:/usr/bin"):
        return "Postfix is not installed"
    version = subprocess.run(["postconf", "-h", "mail_version"], capture_output=True, text=True, check=False).stdout
    return "" if version >= "3.5" else f"Postfix {version.strip() or '?'} is too old"


class Postfix:
    """`services`: name of a delivery service and its command line, as in `{"qp": "smtp -o smtp_line_length_limit=0"}`.

    `transports`: recipient domain to `service:nexthop`.  Files of `files` are written before it starts; `{dir}` in settings
    and command lines stands for their folder.
    """

    def __init__(
        self,
        services: Mapping[str, str],
        transports: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-postfix-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        for name in ("etc", "spool", "data", "log"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        etc = self.folder / "etc"
        for name, text in (files or {}).items():
            (etc / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        (etc / "transport").write_text("".join(f"{domain} {hop}\n" for domain, hop in transports.items()))
        parameters = {
            **_MAIN_CF,
            **(settings or {}),
            "queue_directory": str(self.folder / "spool"),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.folder / "log" / "maillog"),
            "maillog_file_prefixes": str(self.folder),
            "transport_maps": f"texthash:{etc}/transport",
        }
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in parameters.items()).replace("{dir}", str(etc)))
        lines = [_MASTER_CF.format(port=self.port)]
        lines += [f"{name} unix - - n - - {command}\n" for name, command in services.items()]
        (etc / "master.cf").write_text("".join(lines).replace("{dir}", str(etc)))
        for path in etc.iterdir():
            os.utime(path, (1.6e9, 1.6e9))  # Postfix waits while a table looks freshly written

    def __enter__(self) -> Postfix:
        self._run("start")
        end = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return self
            if time.monotonic() > end:
                log = self.log_text()
                self.__exit__()
                raise RuntimeError(f"Postfix did not start:\n{log}")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._run("stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: str, *, check: bool = True) -> None:
        outcome = subprocess.run(
            ["postfix", "-c", str(self.folder / "etc"), command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if check and outcome.returncode:
            raise RuntimeError(f"postfix {command}: {outcome.stdout}{outcome.stderr}{self.log_text()}")

    def log_text(self) -> str:
        path = self.folder / "log" / "maillog"
        return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""

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
