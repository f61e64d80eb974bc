"""Log lines where Postfix keeps its own: one datagram for each, to postlogd(8) or to syslog.

With `maillog_file` set the lines go to postlogd(8), which writes the file; they begin with the time and the host then.  Else
they go to syslog, which listens at /dev/log, with a priority.  The socket is connected before privileges are given up and
before a chroot, and sending never waits: a log that is slow has up to `WAITING_LIMIT_LINES` lines kept for it, and the oldest
are dropped.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Final

SYSLOG_PATH: Final = "/dev/log"

WAITING_LIMIT_LINES: Final = 20_000
"""A few megabytes."""

TEXT_LIMIT_OCTETS: Final = 2000
"""As much of a line as Postfix logs."""

WARNING: Final = "warning: "
ERROR: Final = "error: "
FATAL: Final = "fatal: "

_SEVERITIES = ((WARNING, 4), (ERROR, 3), (FATAL, 2), ("panic: ", 2))
_INFO = 6
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
)  # fmt: skip
_LOCAL = 16


def facility_number(name: str) -> int:
    """The number of a syslog facility (RFC 5424 §6.2.1)."""
    if name == "security":
        return _FACILITIES.index("auth")
    if name.startswith("local") and name[5:].isdigit():
        return _LOCAL + int(name[5:])
    return _FACILITIES.index(name)


class MailLog:
    """Writes lines; one object is shared by all that a process has to say.

    `tag` is `syslog_name/program`.  `postlog_path` is where postlogd(8) listens, or empty for syslog, which listens at
    `syslog_path`.  `stream`, a descriptor, gets the lines as well.
    """

    def __init__(
        self,
        tag: str,
        host_name: str,
        facility: str,
        *,
        postlog_path: str = "",
        syslog_path: str = "",
        stream: int | None = None,
    ) -> None:
        self.tag = tag
        self._host = host_name.partition(".")[0]
        self._priority = facility_number(facility) * 8
        self._path = postlog_path or syslog_path or SYSLOG_PATH
        self._with_host = bool(postlog_path)
        self._stream = stream
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque(maxlen=WAITING_LIMIT_LINES)
        self._second = 0
        self._stamp = ""
        self._name = ""
        self._pid = 0
        self.connect()

    def connect(self) -> None:
        """Open the socket, if somebody listens."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            return
        if self._socket is not None:
            self._socket.close()
        self._socket = connection

    def write(self, line: str, process: int = 0) -> None:
        """Log one line; it may begin with `warning: ` and the like.  `process`: what a process that is dead would have said."""
        now = int(time.time())
        if now != self._second:
            self._second, self._stamp = now, time.strftime("%b %d %H:%M:%S", time.localtime(now))
        pid = process or os.getpid()
        if pid != self._pid:
            self._pid, self._name = pid, f"{self.tag}[{pid}]: "
        text = line.encode("utf-8", "replace")
        if len(text) > TEXT_LIMIT_OCTETS:
            text = text[:TEXT_LIMIT_OCTETS].decode("utf-8", "ignore").encode()
        if self._with_host:
            head = f"{self._stamp} {self._host} {self._name}"
        else:
            severity = _INFO
            if line.startswith(("warning", "error", "fatal", "panic")):
                severity = next((number for word, number in _SEVERITIES if line.startswith(word)), _INFO)
            head = f"<{self._priority + severity}>{self._stamp} {self._name}"
        self._send(head.encode() + text)
        if self._stream is not None:
            with suppress(OSError):
                os.write(self._stream, self._name.encode() + text + b"\n")

    def _send(self, datagram: bytes) -> None:
        if self._waiting:
            self._waiting.append(datagram)
            self.flush()
            return
        if not self._try(datagram):
            self._waiting.append(datagram)

    def flush(self) -> None:
        """Send what waits, as far as the other side takes it."""
        while self._waiting and self._try(self._waiting[0]):
            self._waiting.popleft()

    def close(self) -> None:
        """Hang up; what waits is lost."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_behind(self) -> bool:
        """Whether lines wait: then `flush` should be called again soon."""
        return bool(self._waiting)

    def _try(self, datagram: bytes) -> bool:
        """Send one datagram; False if the other side is slow.  One that is gone is connected to anew, once."""
        for _ in range(2):
            if self._socket is None:
                self.connect()
                if self._socket is None:
                    return False
            try:
                self._socket.send(datagram)
                return True
            except BlockingIOError:
                return False
            except OSError:
                self._socket.close()
                self._socket = None
        return False
