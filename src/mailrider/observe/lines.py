"""Writes lines so that logging costs a busy event loop almost nothing: many lines, one system call.

`write` only keeps the line.  What has come together is written when the running event loop has finished the round it is
in; where no loop runs, at once.  A log that cannot be written never disturbs the work: an output that is full for the
moment is tried again, one that is closed for good is given up, lines that a full disk does not take are dropped, and
`lines_lost` counts what was lost.

`flush` at the end of a program writes what is left; it waits `PATIENCE_SECONDS` at most for a reader that is slow.
A regular file that blocks (a network disk that hangs) blocks the caller too: there is no thread here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
from typing import BinaryIO

BUFFER_LIMIT_CHARACTERS = 256 * 1024
"""Once so much is waiting it is written at once: memory stays bounded in a loop that never comes to an end."""

BACKLOG_LIMIT_OCTETS = 4 * 1024 * 1024
"""What is kept for a reader that is slow; older lines than these are dropped whole."""

RETRY_SECONDS = 0.05
"""How soon a full output is tried again."""

PATIENCE_SECONDS = 1.0
"""How long `flush` waits for a full output before it gives up."""

_CLOSED_FOR_GOOD = frozenset({errno.EPIPE, errno.EBADF, errno.ECONNRESET, errno.ENXIO})


class LineWriter:
    """Collects lines of text and writes them, UTF-8 with line feeds, to a file descriptor or an open binary file.

    Of a file that has a descriptor only the descriptor is used, so its own buffer must stay empty.  `write` may be
    called from one thread only.  The output is not closed by this class.
    """

    __slots__ = ("_backlog", "_lines", "_loop", "_output", "_waiting_characters", "closed", "lines_lost")

    def __init__(self, output: int | BinaryIO) -> None:
        self._output = _descriptor_of(output)
        self._lines: list[str] = []
        self._waiting_characters = 0
        self._backlog = b""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self.lines_lost = 0

    def write(self, line: str) -> None:
        """Take one line, which must hold no line end of its own."""
        if self.closed:
            self.lines_lost += 1
            return
        self._lines.append(line)
        self._waiting_characters += len(line) + 1
        if self._loop is not None and self._loop.is_running() and self._waiting_characters <= BUFFER_LIMIT_CHARACTERS:
            return  # the end of the round is being waited for already
        # The public get_running_loop() raises where there is none, at ten times the price.
        loop = asyncio._get_running_loop()
        if loop is None or self._waiting_characters > BUFFER_LIMIT_CHARACTERS:
            self._write_out()
        elif loop is not self._loop:
            self._loop = loop
            loop.call_soon(self._round_is_over)

    def flush(self) -> None:
        """Write everything that was taken; what a full output does not take within `PATIENCE_SECONDS` stays waiting."""
        self._write_out()
        if self._backlog and self._wait_for_room():
            self._write_out()

    def _round_is_over(self) -> None:
        loop, self._loop = self._loop, None
        self._write_out()
        if self._backlog and loop is not None:
            self._loop = loop
            loop.call_later(RETRY_SECONDS, self._round_is_over)

    def _write_out(self) -> None:
        """Write as much as the output takes now and keep the rest."""
        if self._lines:
            self._lines.append("")
            text = "\n".join(self._lines)
            self._lines.clear()
            self._waiting_characters = 0
            self._backlog += text.encode("utf-8", "backslashreplace")
        while self._backlog:
            try:
                written = self._write_some(self._backlog)
            except BlockingIOError:
                self._bound_backlog()
                return
            except (OSError, ValueError) as trouble:
                self._drop_backlog()
                self.closed = not isinstance(trouble, OSError) or trouble.errno in _CLOSED_FOR_GOOD
                return
            self._backlog = self._backlog[written:]

    def _write_some(self, octets: bytes) -> int:
        """Write the beginning of `octets`; how much was taken.  Raises `BlockingIOError` where nothing was."""
        if isinstance(self._output, int):
            return os.write(self._output, octets)
        return self._output.write(octets)

    def _bound_backlog(self) -> None:
        """Drop the oldest whole lines where too much is waiting for a slow reader."""
        excess = len(self._backlog) - BACKLOG_LIMIT_OCTETS
        if excess <= 0:
            return
        # The first line may be half written already: its rest goes out, or two lines would become one.
        first = self._backlog.find(b"\n") + 1
        cut = self._backlog.find(b"\n", first + excess) + 1 or len(self._backlog)
        self.lines_lost += self._backlog.count(b"\n", first, cut)
        self._backlog = self._backlog[:first] + self._backlog[cut:]

    def _drop_backlog(self) -> None:
        self.lines_lost += self._backlog.count(b"\n")
        self._backlog = b""

    def _wait_for_room(self) -> bool:
        """True once the output can take more, False where it cannot within `PATIENCE_SECONDS`."""
        if not isinstance(self._output, int):
            return False
        poll = select.poll()
        poll.register(self._output, select.POLLOUT)
        return bool(poll.poll(PATIENCE_SECONDS * 1000))


def _descriptor_of(output: int | BinaryIO) -> int | BinaryIO:
    """The file descriptor under `output`; `output` itself where there is none, as in memory."""
    if isinstance(output, int):
        return output
    try:
        output.flush()
        return output.fileno()
    except (OSError, ValueError):
        return output
