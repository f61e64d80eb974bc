"""Log lines as datagrams, to somebody who is there, slow, or gone."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailrider.postfix.mail_log import TEXT_LIMIT_OCTETS, MailLog, facility_number


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.settimeout(5)
        yield listener


@pytest.fixture
def log(tmp_path: Path, logger: socket.socket) -> Iterator[MailLog]:
    log = MailLog("postfix/smtp", "host.origin.test", "mail", postlog_path=str(tmp_path / "log"))
    yield log
    log.close()


def test_a_line_for_postlogd(log: MailLog, logger: socket.socket) -> None:
    log.write("warning: something")
    line = logger.recv(4096).decode()
    assert re.fullmatch(rf"\w{{3}} \d\d \d\d:\d\d:\d\d host postfix/smtp\[{os.getpid()}\]: warning: something", line)


def test_last_words_of_a_process_that_has_none(log: MailLog, logger: socket.socket) -> None:
    for process in (4711, 0):
        log.write("fatal: watchdog timeout", process)
    assert f"postfix/smtp[{4711}]: fatal" in logger.recv(4096).decode()
    assert f"postfix/smtp[{os.getpid()}]: fatal" in logger.recv(4096).decode()


@pytest.mark.parametrize(("line", "priority"), [("fine", 22), ("warning: x", 20), ("fatal: x", 18), ("warningly", 22)])
def test_a_line_for_syslog(tmp_path: Path, logger: socket.socket, line: str, priority: int) -> None:
    with closing(MailLog("postfix/smtp", "host", "mail", syslog_path=str(tmp_path / "log"))) as log:
        log.write(line)
    heard = logger.recv(4096).decode()
    assert re.fullmatch(rf"<{priority}>\w{{3}} \d\d \d\d:\d\d:\d\d postfix/smtp\[\d+\]: {line}", heard)


def test_a_long_line_is_cut_between_characters(log: MailLog, logger: socket.socket) -> None:
    log.write("ä" * 3000)
    text = logger.recv(8192).decode().partition("]: ")[2]
    assert text == "ä" * (TEXT_LIMIT_OCTETS // 2)


def test_nothing_is_lost_while_the_other_side_is_slow(log: MailLog, logger: socket.socket) -> None:
    count = 0
    while not log.is_behind:
        log.write(f"line {count}")
        count += 1
    log.write("last")
    heard = []
    while log.is_behind:
        heard.append(logger.recv(4096))
        log.flush()
    logger.setblocking(False)
    while True:
        try:
            heard.append(logger.recv(4096))
        except BlockingIOError:
            break
    texts = [octets.decode().partition("]: ")[2] for octets in heard]
    assert texts == [*(f"line {number}" for number in range(count)), "last"]


def test_a_log_that_comes_back_is_found_again(tmp_path: Path, log: MailLog, logger: socket.socket) -> None:
    logger.close()
    (tmp_path / "log").unlink()
    log.write("one")
    assert log.is_behind
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "log"))
        log.write("two")
        assert [again.recv(4096).decode().partition("]: ")[2] for _ in range(2)] == ["one", "two"]
    assert not log.is_behind


@pytest.mark.parameter("syslog_facility")
def test_facilities() -> None:
    assert [facility_number(name) for name in ("kern", "mail", "security", "local7")] == [0, 2, 4, 23]
