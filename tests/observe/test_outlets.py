"""Where log lines go."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.observe.outlets import DATAGRAM_LIMIT_OCTETS, LogFile, StandardError, Syslog


def test_a_file_is_made_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = LogFile(str(path))
    log.write("after")
    log.flush()
    assert path.read_text() == "before\nafter\n"


def test_a_file_is_not_for_everybody(tmp_path: Path) -> None:
    LogFile(str(tmp_path / "log"))
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_after_rotation_lines_go_into_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path))
    log.write("one")
    path.rename(tmp_path / "log.1")
    assert log.reopen() == ""
    log.write("two")
    log.flush()
    assert ((tmp_path / "log.1").read_text(), path.read_text()) == ("one\n", "two\n")


def test_where_the_new_file_cannot_be_opened_the_old_one_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(str(folder / "log"))
    (folder / "log").rename(tmp_path / "moved")
    folder.rmdir()
    assert log.reopen() == f"maillog_file = {folder}/log: No such file or directory"
    log.write("on")
    log.flush()
    assert (tmp_path / "moved").read_text() == "on\n"


def test_a_folder_in_which_no_new_file_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile(str(tmp_path / "log"))
    assert log.find_doubts() == []
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(os, "access", lambda path, mode: bool(asked.append((path, mode))))
    (doubt,) = log.find_doubts()
    assert asked == [(str(tmp_path), os.W_OK | os.X_OK)]
    assert doubt.startswith(f"maillog_file = {tmp_path}/log: user {os.geteuid()} cannot make files in {tmp_path}, ")
    assert LogFile("/dev/null").find_doubts() == []  # it will not be moved


@pytest.mark.parametrize("name", ["", "nowhere/log"])
def test_what_cannot_be_opened_is_wrong_configuration(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongConfiguration, match=r"^maillog_file = "):
        LogFile(f"{tmp_path}/{name}")


def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(WrongConfiguration, match="No such device or address"):
        LogFile(str(path))


def test_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    log = StandardError()
    log.write("line")
    log.reopen()
    log.flush()
    assert capfd.readouterr().err == "line\n"


class Daemon:
    """The log daemon of a host."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def take(self) -> bytes:
        return self.socket.recv(65536)


def make_syslog(path: Path) -> Syslog:
    return Syslog("mail", lambda: "Nov 22 17:08:39 ", str(path))


@pytest.mark.parametrize(
    ("words", "severity"),
    [
        ("daemon started", 6),
        ("4jX: to=<a@b>, status=sent (250 warning: fatal: ]: error: x)", 6),
        ("warning: low on room", 4),
        ("error: no table", 3),
        ("fatal: no spool", 2),
    ],
)
def test_the_log_daemon_hears_how_bad_it_is(tmp_path: Path, words: str, severity: int) -> None:
    daemon = Daemon(tmp_path / "log")
    with daemon.socket:
        log = make_syslog(tmp_path / "log")
        log.write(f"postfix/smtp[7]: {words}")
        assert daemon.take() == f"<{2 * 8 + severity}>Nov 22 17:08:39 postfix/smtp[7]: {words}".encode()
        log.reopen()


def test_a_line_is_cut_to_what_a_daemon_takes(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "log")
    with daemon.socket:
        log = make_syslog(tmp_path / "log")
        log.write("x" * 20_000)
        assert len(daemon.take()) == DATAGRAM_LIMIT_OCTETS
        log.reopen()


def test_lines_that_nobody_takes_are_counted_and_a_new_daemon_is_found(tmp_path: Path) -> None:
    log = make_syslog(tmp_path / "log")
    log.write("lost")
    assert log.lines_lost == 1
    with Daemon(tmp_path / "log").socket:
        log.write("kept")
    (tmp_path / "log").unlink()
    daemon = Daemon(tmp_path / "log")
    with daemon.socket:
        log.write("again")
        assert daemon.take().endswith(b"again")
        log.reopen()
    assert log.lines_lost == 1
