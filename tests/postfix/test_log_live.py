"""Log lines of an agent under master(8) that go to syslog: a socket of the test's own stands for it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.postfix.instance import PATIENCE_SECONDS, Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

LOCAL3 = 19
INFO, WARNING = 6, 4

LINE = re.compile(r"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d ([\w/]+)\[(\d+)\]: (.*)", re.DOTALL)


@contextmanager
def syslog(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def hear(listener: socket.socket, text: str) -> tuple[int, str, int]:
    """Priority, tag and process of the next line with this text."""
    while True:
        match = LINE.fullmatch(listener.recv(8192).decode())
        assert match is not None
        if text in match[4]:
            return int(match[1]), match[2], int(match[3])


@pytest.mark.parameter("syslog_facility", "maillog_file")
@pytest.mark.parametrize("chroot", ["n", "y"])
def test_lines_go_to_syslog_where_there_is_no_maillog_file(chroot: str) -> None:
    with Receiver() as receiver:
        postfix = Postfix({"sink.test": f"smtp:{receiver.hop}", "dead.test": "smtp:[127.0.0.1]:1"}, [])
        path = postfix.folder / "devlog"
        options = f"--syslog {path} -o maillog_file= -o syslog_facility=local3 -o smtp_skip_5xx_greeting=no"
        master = postfix.etc / "master.cf"
        master.write_text(master.read_text() + agent_line(options=options).replace(" n - 1 ", f" {chroot} - 1 "))
        with syslog(path) as listener, postfix:
            postfix.submit(["to@sink.test"])
            priority, tag, process = hear(listener, "to=<to@sink.test>")
            assert (priority, tag) == (LOCAL3 * 8 + INFO, "postfix/smtp")
            assert process in postfix.processes("agent --transport smtp")
            postfix.submit(["to@dead.test"])
            hear(listener, "connect to 127.0.0.1[127.0.0.1]:1: Connection refused")
            hear(listener, "status=deferred")
            assert "/smtp[" not in postfix.log_text()


def test_a_fault_of_the_configuration_is_told_there_too() -> None:
    with Receiver() as receiver:
        postfix = Postfix({"sink.test": f"smtp:{receiver.hop}"}, [])
        path = postfix.folder / "devlog"
        options = f"--syslog {path} -o maillog_file= -o smtp_generic_maps=texthash:/no/such/file"
        master = postfix.etc / "master.cf"
        master.write_text(master.read_text() + agent_line(options=options))
        with syslog(path) as listener, postfix:
            postfix.submit(["to@sink.test"])
            priority, _, _ = hear(listener, "error: texthash:/no/such/file: cannot read /no/such/file")
            assert priority == 2 * 8 + 3
            priority, _, _ = hear(listener, "texthash:/no/such/file is unavailable. ")
            assert priority == 2 * 8 + WARNING


def test_files_that_cannot_be_read_are_told_of_at_the_start() -> None:
    with Receiver() as receiver:
        postfix = Postfix({"sink.test": f"smtp:{receiver.hop}"}, [])
        master = postfix.etc / "master.cf"
        master.write_text(master.read_text() + agent_line(options="--workers 2 -o smtp_tls_CAfile=/nonexistent"))
        with postfix:
            postfix.submit(["to@sink.test"])
            postfix.wait_for_log("to=<to@sink.test>")
            warning = 'warning: cannot load Certification Authority data, CAfile="/nonexistent"'
            postfix.wait_for_log(warning)  # the supervisor's line; a worker may be quicker
            told = [line for line in postfix.log_text().splitlines() if warning in line]
            assert len(told) == 1, "not by every worker"
            assert "postfix/smtp[" in told[0]
