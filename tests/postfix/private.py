"""A private Postfix: own folders, own ports; nothing of the machine's own is used but the programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.ports import free_port

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
pickup    unix n - n 60 1 pickup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
showq     unix n - n - - showq
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN_CF = {
    "compatibility_level": "3.6",
    "myhostname": "client.origin.test",
    "mydomain": "origin.test",
    "myorigin": "origin.test",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_peername_lookup": "no",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_error_sleep_time": "0",
    "smtp_dns_support_level": "disabled",
    "in_flow_delay": "0",
    "message_size_limit": "0",
    "mailbox_size_limit": "0",
    "notify_classes": "",
    "biff": "no",
}

PATIENCE_SECONDS = 90.0
"""A machine that is busy takes its time; nothing here waits longer than it has to."""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


def why_no_postfix() -> str:
    """Why no Postfix can be run here, or nothing."""
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    if not shutil.which("postfix", path=ENVIRONMENT["PATH"]):
        return "Postfix is not installed (Debian's package postfix)"
    return ""


class PrivatePostfix:
    """`settings` go into main.cf beside those above, `services` are more lines for master.cf, `files` lie beside them.

    `transports`: recipient domain to a value of transport_maps.  `{etc}` in all of them is the folder with main.cf.
    """

    def __init__(
        self, settings: Mapping[str, str], services: str, transports: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-postfix-"))
        self.folder.chmod(0o755)
        self.etc, self.spool = self.folder / "etc", self.folder / "spool"
        for name in ("etc", "spool", "data", "log"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        self.port = free_port()
        parameters = {
            **MAIN_CF,
            "queue_directory": str(self.spool),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.folder / "log" / "maillog"),
            "maillog_file_prefixes": str(self.folder),
            "transport_maps": f"texthash:{self.etc}/transport",
            **settings,
        }
        written = {
            "main.cf": "".join(f"{name} = {value}\n" for name, value in parameters.items()),
            "master.cf": MASTER_CF.replace("{port}", str(self.port)) + services,
            "transport": "".join(f"{domain} {hop}\n" for domain, hop in transports.items()),
            **files,
        }
        for name, text in written.items():
            path = self.etc / name
            path.write_bytes(text.replace("{etc}", str(self.etc)).encode("utf-8", "surrogateescape"))
            os.utime(path, (1.6e9, 1.6e9))  # Postfix waits while a table looks freshly written

    def __enter__(self) -> Self:
        try:
            self.run("postfix", "start")
            self.wait_for(self._answers, "Postfix to start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def __exit__(self, *_: object) -> None:
        self.run("postfix", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program: str, *arguments: str, text: str = "", check: bool = True) -> str:
        """Run one of Postfix's commands with our configuration; its output."""
        flag = "-C" if program == "sendmail" else "-c"
        done = subprocess.run(
            [program, flag, str(self.etc), *arguments],
            env=ENVIRONMENT, input=text.encode(), capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{program} {arguments}: {done.stdout!r} {done.stderr!r}\n{self.log_text()}")
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def log_text(self) -> str:
        path = self.folder / "log" / "maillog"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain for {what}:\n{self.log_text()[-8000:]}")
            time.sleep(0.02)
