"""A private Postfix with Mailrider for its delivery agent."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.postfix.private import PATIENCE_SECONDS, PrivatePostfix, why_no_postfix

PROGRAM = Path(sys.executable).parent / "mailrider"

OUR_SERVICES = """\
csmtp     unix - - n - - smtp
capture   unix - n n - 1 pipe flags=q user=nobody argv=/bin/sh {etc}/capture.sh ${sender} ${recipient}
"""

CAPTURE = """#!/bin/sh
f=$(mktemp %s/XXXXXX) || exit 75
cat > "$f" && mv "$f" "$f.eml"
"""

SETTINGS = {
    "mydestination": "",
    "smtp_host_lookup": "native",
    "minimal_backoff_time": "1000s",
    "queue_run_delay": "1000s",
    "authorized_flush_users": "static:anyone",
}

STATUS = re.compile(r"/(?:smtp|lmtp)\[\d+\]: (\w+): to=<(.*?)>, .*?relay=(.*?), .*?dsn=([\d.]+), status=([\w-]+) \((.*)\)$")


def why_not() -> str:
    """Why no Postfix can be run with our agent here, or nothing."""
    return why_no_postfix() or ("" if PROGRAM.exists() else f"{PROGRAM} is not installed")


def agent_line(name: str = "smtp", transport: str = "smtp", options: str = "", process_limit: int = 1) -> str:
    """A line of master.cf with our agent.  master(8) joins its own folder and the command, so a way out of it is needed."""
    command = f"{'../' * 8}{str(PROGRAM).lstrip('/')} agent --transport {transport} {options}"
    return f"{name} unix - - n - {process_limit} {command}\n"


class Postfix(PrivatePostfix):
    """`services` are more lines for master.cf, `transports` lines of transport_maps."""

    def __init__(
        self, transports: Mapping[str, str], services: Sequence[str] | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        captured = Path(tempfile.mkdtemp(prefix="mailrider-captured-"))
        lines = services if services is not None else [agent_line(), agent_line("lmtp", "lmtp")]
        super().__init__(
            {**SETTINGS, **(settings or {})},
            OUR_SERVICES + "".join(lines),
            {"origin.test": "capture:", **transports},
            {"capture.sh": CAPTURE % captured},
        )
        self.captured = captured
        self.captured.chmod(0o777)

    def __exit__(self, *rest: object) -> None:
        super().__exit__(*rest)
        shutil.rmtree(self.captured, ignore_errors=True)

    def results(self) -> list[tuple[str, str, str]]:
        """Recipient, status and enhanced code of every delivery line of the agent so far."""
        found = map(STATUS.search, self.log_text().splitlines())
        return [(match[2], match[5], match[4]) for match in found if match is not None]

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
