"""The process that master(8) knows: it starts workers, replaces those that die, and leaves at once when it has to.

master(8) counts a process that has said so as available and starts a new one when that is gone.  So the process that it knows
must end the moment Postfix is reloaded, or its service stands still; the mail under way must not end with it.  Hence two
kinds of processes: the supervisor, which does nothing but wait, and workers, which learn of its end by their lifeline (a pipe)
and complete what they have begun beside the next generation.  All are in the process group of master(8), so that `postfix
stop` reaches them.

A supervisor ends with 0 when the status channel ends, when nothing was to do for `idle_seconds`, or after `uses_limit`
errands; master(8) starts another when there is work.  A worker that cannot begin for a fault of the configuration ends it
with 1.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from mailrider.children import Alarm, Death, Life, Pause, bear, bury, describe_end
from mailrider.exit_codes import EX_CONFIG
from mailrider.postfix import watchdog

PARTING_SECONDS: Final = 60.0
"""How long an agent on its own socket waits for its workers at the end."""

PARTING_PAUSE_SECONDS: Final = 0.02
"""Between two looks who is still there."""

BUSY_ERRANDS: Final = 8
"""Under so many errands a worker needs no help: mail that thin is better off with one connection cache."""

ABSENT: Final = -1
"""As a number of errands: there is no worker."""

STARTING: Final = -2
"""As a number of errands: there is a worker, which has not begun to accept."""

_SLOT = struct.Struct("=qqd")


class Slot:
    """What one worker does, in memory that it shares with its supervisor: a `worker.Activity`.

    `number` is the worker's, from 0.  `when_ready` is called in the worker when it begins to accept.
    """

    __slots__ = ("_memory", "_offset", "number", "when_ready")

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self._memory = memory
        self.number = number
        self._offset = number * _SLOT.size
        self.when_ready: Callable[[], None] | None = None

    def note(self, busy: int, served: int) -> None:
        """See `worker.Activity`."""
        _SLOT.pack_into(self._memory, self._offset, busy, served, time.monotonic())
        if self.when_ready is not None:
            when_ready, self.when_ready = self.when_ready, None
            when_ready()

    def is_needed(self) -> bool:
        """See `worker.Activity`: whether each of those before this one has enough to do, or is not there."""
        for offset in range(0, self._offset, _SLOT.size):
            busy: int = _SLOT.unpack_from(self._memory, offset)[0]
            if 0 <= busy < BUSY_ERRANDS:
                return False
        return True

    def read(self) -> tuple[int, int, float]:
        """Errands under way, errands taken, and when that was written (on the monotonic clock)."""
        busy, served, at_seconds = _SLOT.unpack_from(self._memory, self._offset)
        return busy, served, at_seconds


class Staff(NamedTuple):
    """What a supervisor is told to do.

    `run_worker` is the life of a worker: it gets its lifeline and its slot, and gives its exit code.  `status_channel` and
    `generation` are those of master(8), None and 0 where it is not there.  `prepare` is called in the supervisor when the
    first workers have been started, to give up privileges.  `tell_hung` hears of a worker that its watchdog has killed.
    """

    workers: int
    run_worker: Callable[[int, Slot], int]
    listeners: Sequence[socket.socket]
    warn: Callable[[str], None]
    prepare: Callable[[], None]
    tell_hung: Callable[[int], object] = lambda worker: None
    status_channel: int | None = None
    generation: int = 0
    idle_seconds: float = 0.0
    uses_limit: int = 0


class Supervisor:
    """Runs a staff of workers."""

    def __init__(self, staff: Staff) -> None:
        self._staff = staff
        self._memory = mmap.mmap(-1, max(staff.workers, 1) * _SLOT.size)
        self._slots = [Slot(self._memory, number) for number in range(staff.workers)]
        self._lifeline, self._own_end = os.pipe()
        self._living: dict[int, Life] = {}
        self._vacant: dict[int, float] = {}  # since a worker has died: when its place is filled again
        self._pause = Pause()
        self._stopping = False
        self._faulty = False
        self._pid = os.getpid()

    def run(self) -> int:
        """Supervise until there is a reason to end; the exit code."""
        alarm = Alarm()
        by_master = self._staff.status_channel is not None
        if not by_master:
            for wanted in (signal.SIGTERM, signal.SIGINT):
                signal.signal(wanted, self._stop)
        for number in range(self._staff.workers):
            self._start(number)
        self._staff.prepare()
        code = self._watch(alarm)
        os.close(self._own_end)
        if not by_master:
            self._wait_for_workers()
        return code

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    # -- workers ---------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        self._living[bear(partial(self._work, number))] = Life(number, time.monotonic())

    def _work(self, number: int) -> int:
        """The life of a worker; its exit code."""
        os.close(self._own_end)
        slot = self._slots[number]
        slot.note(STARTING, 0)
        if self._staff.status_channel is not None and number == 0:
            slot.when_ready = self._report
        elif self._staff.status_channel is not None:
            os.close(self._staff.status_channel)
        else:
            for signal_number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signal_number, signal.SIG_IGN)  # the supervisor says when it is time
        return self._staff.run_worker(self._lifeline, slot)

    def _lament(self, death: Death) -> None:
        """Say who has died, and when he is replaced."""
        child, status = death
        life = self._living.pop(child, None)
        if life is None:
            return
        if status == EX_CONFIG:
            self._faulty = True
            return
        if status == -watchdog.SIGNAL:
            self._staff.tell_hung(child)
        self._slots[life.number].note(ABSENT, 0)
        now = time.monotonic()
        pause = self._pause.after(now - life.since_seconds)
        self._staff.warn(f"worker process {child}: {describe_end(status)}; another follows in {pause:g} seconds")
        self._vacant[life.number] = now + pause

    def _fill(self) -> None:
        now = time.monotonic()
        for number, at_seconds in list(self._vacant.items()):
            if at_seconds <= now:
                del self._vacant[number]
                self._start(number)

    # -- master ----------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        """In the first worker, when it begins to accept: say for the supervisor that it was taken and is available.

        master(8) starts a process that ends badly anew only after a minute if it never said so.  That is right where no worker
        can begin, and wrong for what has been at work.
        """
        channel = self._staff.status_channel
        assert channel is not None
        for status in (0, 1):
            try:
                os.write(channel, struct.pack("=iIi", self._pid, self._staff.generation, status))
            except OSError:
                break  # master is gone, as the supervisor sees for itself
        os.close(channel)

    def _watch(self, alarm: Alarm) -> int:
        poll = select.poll()
        poll.register(alarm.descriptor, select.POLLIN)
        channel = self._staff.status_channel
        if channel is not None:
            poll.register(channel, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(self._patience_milliseconds()):
                if descriptor == channel:
                    return 0  # the end of the channel: there is never anything to read
                alarm.silence()
            for death in bury():
                self._lament(death)
            if self._faulty:
                return 1
            if self._stopping or self._has_nothing_to_do():
                return 0
            self._fill()

    def _patience_milliseconds(self) -> int | None:
        """Until somebody is to be started, or the time of idleness may be over."""
        now = time.monotonic()
        ends = list(self._vacant.values())
        if self._staff.idle_seconds:
            latest = max((slot.read()[2] for slot in self._slots), default=now)
            ends.append(max(latest + self._staff.idle_seconds, now + 1.0))
        if self._staff.uses_limit:
            ends.append(now + 1.0)
        return max(0, int((min(ends) - now) * 1000) + 1) if ends else None

    def _has_nothing_to_do(self) -> bool:
        if not self._staff.idle_seconds and not self._staff.uses_limit:
            return False
        notes = [slot.read() for slot in self._slots]
        if self._staff.uses_limit and sum(served for _, served, _ in notes) >= self._staff.uses_limit:
            return True
        if not self._staff.idle_seconds or any(busy for busy, _, _ in notes):
            return False
        return time.monotonic() - max(at_seconds for _, _, at_seconds in notes) >= self._staff.idle_seconds

    def _wait_for_workers(self) -> None:
        """Let the workers complete what they have begun; those that take too long go with us."""
        end = time.monotonic() + PARTING_SECONDS
        while True:
            for death in bury():
                self._living.pop(death.process_id, None)
            if not self._living or time.monotonic() >= end:
                break
            time.sleep(PARTING_PAUSE_SECONDS)
        for child in self._living:
            os.kill(child, signal.SIGKILL)
