"""Where log lines go: standard error, a file that may be rotated, or syslog(3).

A log never holds up the work: see `observe.lines` for what happens where an outlet is full or gone.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from typing import Protocol

from mailrider.errors import WrongConfiguration
from mailrider.observe.lines import LineWriter

SYSLOG_SOCKET = "/dev/log"
FILE_MODE = 0o640
"""Logs name correspondents: not for everybody."""

DATAGRAM_LIMIT_OCTETS = 8192
"""What syslogd implementations take at least (RFC 5424 §6.1 asks for 2048)."""

INFORMATIONAL = 6
SEVERITIES = {"warning": 4, "error": 3, "fatal": 2, "panic": 2}
"""By the first word of a line, as Postfix has it (RFC 5424 §6.2.1)."""

FACILITIES = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8,
    "cron": 9, "authpriv": 10, "ftp": 11, **{f"local{number}": 16 + number for number in range(8)},
}  # fmt: skip


class Outlet(Protocol):
    """Takes whole lines."""

    def write(self, line: str) -> None:
        """Take one line."""

    def flush(self) -> None:
        """Write what has come together."""

    def reopen(self) -> str:
        """The file may have been moved away.  Where no new one can be opened, why: the old one goes on then."""


class StandardError:
    """Standard error."""

    def __init__(self) -> None:
        self._lines = LineWriter(2)
        self.write: Callable[[str], None] = self._lines.write
        self.flush: Callable[[], None] = self._lines.flush

    def reopen(self) -> str:
        """It stays what it is."""
        return ""


class LogFile:
    """A file that lines are added to (`maillog_file`); made where it is missing.  Raises `WrongConfiguration`.

    A pipe that nobody reads is refused, and one that is full waits as `observe.lines` says.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = self._open()
        self._lines = LineWriter(self._descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, FILE_MODE)
        except OSError as cause:
            raise WrongConfiguration(f"maillog_file = {self._path}: {cause.strerror or cause}") from None

    def write(self, line: str) -> None:
        """Take one line."""
        self._lines.write(line)

    def flush(self) -> None:
        """Write what has come together."""
        self._lines.flush()

    def give_to(self, user_id: int, group_id: int) -> None:
        """Let somebody else write it."""
        try:
            os.fchown(self._descriptor, user_id, group_id)
        except OSError:
            return  # a device, or not ours: it is open, and that will do until it is rotated

    def reopen(self) -> str:
        """Open it by its name again."""
        try:
            descriptor = self._open()
        except WrongConfiguration as trouble:
            return str(trouble)
        self._lines.flush()
        os.dup2(descriptor, self._descriptor)
        os.close(descriptor)
        return ""

    def find_doubts(self) -> list[str]:
        """What will be in the way when it is moved away, for who this process is now."""
        folder = os.path.dirname(self._path) or "."
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode) or os.access(folder, os.W_OK | os.X_OK):
            return []
        return [
            f"maillog_file = {self._path}: user {os.geteuid()} cannot make files in {folder}, so who rotates the log must make "
            "the new one for this user (logrotate: create, with this owner) or use copytruncate"
        ]


class Syslog:
    """The log daemon of this host, over its datagram socket (RFC 3164)."""

    def __init__(self, facility: str, stamp: Callable[[], str], path: str = SYSLOG_SOCKET) -> None:
        self._path = path
        self._facility = FACILITIES[facility]
        self._stamp = stamp
        self._socket: socket.socket | None = None
        self.lines_lost = 0

    def write(self, line: str) -> None:
        """Send one line; where nobody takes it, it is lost, and counted."""
        severity = SEVERITIES.get(line.partition("]: ")[2].partition(":")[0], INFORMATIONAL)
        text = f"<{self._facility * 8 + severity}>{self._stamp()}{line}"
        octets = text.encode("utf-8", "backslashreplace")[:DATAGRAM_LIMIT_OCTETS]
        for _ in range(2):  # the daemon may have been started anew
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    self._socket.connect(self._path)
                self._socket.send(octets)
                return
            except BlockingIOError:
                break
            except OSError:
                self.reopen()
        self.lines_lost += 1

    def flush(self) -> None:
        """Nothing is kept back."""

    def reopen(self) -> str:
        """Connect anew with the next line."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return ""
