"""A private Postfix with Mailrider for its delivery agent: own folders, own ports; nothing of the machine's own is used."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.ports import free_port

PROGRAM = Path(sys.executable).parent / "mailrider"

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
csmtp     unix - - n - - smtp
capture   unix - n n - 1 pipe flags=q user=nobody argv=/bin/sh {etc}/capture.sh ${{sender}} ${{recipient}}
"""

CAPTURE = """#!/bin/sh
f=$(mktemp %s/XXXXXX) || exit 75
cat > "$f" && mv "$f" "$f.eml"
"""

MAIN_CF = {
    "compatibility_level": "3.6",
    "myhostname": "client.origin.test",
    "mydomain": "origin.test",
    "myorigin": "origin.test",
    "mydestination": "",
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
    "smtp_host_lookup": "native",
    "in_flow_delay": "0",
    "message_size_limit": "0",
    "mailbox_size_limit": "0",
    "notify_classes": "",
    "biff": "no",
    "minimal_backoff_time": "1000s",
    "queue_run_delay": "1000s",
    "authorized_flush_users": "static:anyone",
}

PATIENCE_SECONDS = 90.0
"""A machine that is busy takes its time; nothing here waits longer than it has to."""

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}

STATUS = re.compile(r"/(?:smtp|lmtp)\[\d+\]: (\w+): to=<(.*?)>, .*?relay=(.*?), .*?dsn=([\d.]+), status=([\w-]+) \((.*)\)$")


def why_not() -> str:
    """Why no Postfix can be run here, or nothing."""
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    if not shutil.which("postfix", path=_ENVIRONMENT["PATH"]):
        return "Postfix is not installed (Debian's package postfix)"
    if not PROGRAM.exists():
        return f"{PROGRAM} is not installed"
    return ""


def agent_line(name: str = "smtp", transport: str = "smtp", options: str = "", process_limit: int = 1) -> str:
    """A line of master.cf with our agent.  master(8) joins its own folder and the command, so a way out of it is needed."""
    command = f"{'../' * 8}{str(PROGRAM).lstrip('/')} agent --transport {transport} {options}"
    return f"{name} unix - - n - {process_limit} {command}\n"


class Postfix:
    """`services` are more lines for master.cf, `transports` lines of transport_maps."""

    def __init__(
        self, transports: Mapping[str, str], services: Sequence[str] | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-agent-"))
        self.folder.chmod(0o755)
        self.etc, self.spool = self.folder / "etc", self.folder / "spool"
        self.captured = self.folder / "captured"
        for name in ("etc", "spool", "data", "log", "captured"):
            (self.folder / name).mkdir()
        self.captured.chmod(0o777)
        shutil.chown(self.folder / "data", "postfix")
        self.port = free_port()
        parameters = {
            **MAIN_CF,
            "queue_directory": str(self.spool),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.folder / "log" / "maillog"),
            "maillog_file_prefixes": str(self.folder),
            "transport_maps": f"texthash:{self.etc}/transport",
            **(settings or {}),
        }
        (self.etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in parameters.items()))
        hops = {"origin.test": "capture:", **transports}
        (self.etc / "transport").write_text("".join(f"{domain} {hop}\n" for domain, hop in hops.items()))
        (self.etc / "capture.sh").write_text(CAPTURE % self.captured)
        lines = services if services is not None else [agent_line(), agent_line("lmtp", "lmtp")]
        (self.etc / "master.cf").write_text(MASTER_CF.format(port=self.port, etc=self.etc) + "".join(lines))
        for path in self.etc.iterdir():
            os.utime(path, (1.6e9, 1.6e9))  # Postfix waits while a table looks freshly written

    def __enter__(self) -> Postfix:
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
            env=_ENVIRONMENT, input=text.encode(), capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{program} {arguments}: {done.stdout!r} {done.stderr!r}\n{self.log_text()}")
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def log_text(self) -> str:
        path = self.folder / "log" / "maillog"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def results(self) -> list[tuple[str, str, str]]:
        """Recipient, status and enhanced code of every delivery line of the agent so far."""
        found = map(STATUS.search, self.log_text().splitlines())
        return [(match[2], match[5], match[4]) for match in found if match is not None]

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain for {what}:\n{self.log_text()[-8000:]}")
            time.sleep(0.02)

    def wait_for_results(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[tuple[str, str, str]]:
        self.wait_for(lambda: len(self.results()) >= count, f"{count} results", seconds)
        return self.results()

    def wait_for_log(self, text: str, count: int = 1, seconds: float = PATIENCE_SECONDS) -> None:
        self.wait_for(lambda: self.log_text().count(text) >= count, f"{text!r} in the log", seconds)

    def queue_ids(self, *queues: str) -> list[str]:
        """The messages in some queues."""
        return [path.name for queue in queues for path in (self.spool / queue).rglob("*") if path.is_file()]

    def wait_until_empty(self, seconds: float = PATIENCE_SECONDS) -> None:
        queues = ("maildrop", "incoming", "active", "deferred")
        self.wait_for(lambda: not self.queue_ids(*queues), "the queue to be empty", seconds)

    def submit(
        self,
        recipients: Sequence[str],
        text: str = "Subject: a test\n\nHello.\n",
        *,
        sender: str = "me@origin.test",
        mail: str = "",
        rcpt: str = "",
    ) -> str:
        """Hand in a message by SMTP; `mail` and `rcpt` are parameters of those commands.  The queue id."""
        connection = socket.create_connection(("127.0.0.1", self.port), 60)
        file = connection.makefile("rwb", buffering=0)

        def hear() -> bytes:
            while (line := file.readline())[3:4] == b"-":
                pass
            return line

        def say(command: str) -> None:
            file.write(command.encode() + b"\r\n")
            reply = hear()
            assert reply[:1] in (b"2", b"3"), f"{command}: {reply!r}"

        with connection:
            hear()
            say("EHLO injector.origin.test")
            say(f"MAIL FROM:<{sender}>{mail}")
            for recipient in recipients:
                say(f"RCPT TO:<{recipient}>{rcpt}")
            say("DATA")
            lines = text.removesuffix("\n").split("\n")
            body = "".join(("." if line.startswith(".") else "") + line + "\r\n" for line in lines)
            connection.sendall(body.encode("utf-8", "surrogateescape") + b".\r\n")
            match = re.search(rb"queued as (\w+)", hear())
            assert match
            return match[1].decode()

    def notices(self) -> list[str]:
        """The notices that were sent to the sender's domain."""
        return [path.read_text("utf-8", "replace") for path in sorted(self.captured.glob("*.eml"))]

    def processes(self, pattern: str) -> list[int]:
        """Processes of this instance (its folder is in their environment) whose command line has `pattern`."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    if pattern in command and str(self.etc).encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return sorted(found)
