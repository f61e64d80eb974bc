"""A node of several processes: this one keeps the doors and supervises the workers, who do the rest.

The workers are started by the nursery and share the mail by destination (`queue.share`).  The node is ready when all of
them are.  A worker that dies is replaced, after a pause that grows while that goes on; what it had leased is worked on by the
next one, and the others do not notice.  SIGTERM, SIGINT and SIGHUP mean what they mean for a node of one process
(`cli.serve`), and so does the exit code.

What can go wrong: a worker that cannot begin makes the start fail with its reason, and where it is a later one, it is told in
the log.  Without its nursery the node cannot replace anybody, and ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from mailrider.children import Life, Pause, describe_end
from mailrider.cli.nursery import Event, Nursery
from mailrider.cli.serving_worker import FAILED, HURRY, READY, RELOAD, RELOADED, REOPEN, STOP
from mailrider.cli.systemd import notify_systemd, tell_reloading
from mailrider.cli.tlsrpt_rounds import ReportRounds
from mailrider.cli.workplace import CLOSING_SECONDS, Workplace, reopen_log, tell_start
from mailrider.errors import MailriderError, WrongConfiguration
from mailrider.exit_codes import EX_SOFTWARE
from mailrider.intake.configuration import Intake
from mailrider.machine import SystemClock
from mailrider.node_parts import find_fixed, spool_folder
from mailrider.observe.node_log import NodeLog
from mailrider.queue.team import Conversation, Hub, Word

RELOAD_SECONDS = 60.0
"""How long workers may take to read the settings again before it is not waited for them."""

PARTING_SECONDS = 10.0
"""What workers get at the end beyond `shutdown_grace_time`, to write down what has become of the mail."""


class Team:
    """The supervisor in its event loop."""

    def __init__(self, place: Workplace, log: NodeLog, doors: Intake, nursery: Nursery) -> None:
        self._place = place
        self._settings = place.settings
        self._log = log
        self._doors = doors
        self._nursery = nursery
        self._hub = Hub(self._heed)
        self._lives: dict[int, Life] = {}
        self._pauses: defaultdict[int, Pause] = defaultdict(Pause)
        self._ready: set[int] = set()
        self._reasons: list[str] = []  # what workers have told of the latest reload
        self._waited_for: set[int] = set()
        self._started = self._ending = False
        self._errands: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._reports: ReportRounds | None = None

    async def run(self) -> int:
        """Until it is told to stop, or cannot go on."""
        from mailrider.spool.sqlite import SqliteSpool

        loop = asyncio.get_running_loop()
        self._stopping: asyncio.Future[None] = loop.create_future()
        self._broken: asyncio.Future[str] = loop.create_future()
        folder = spool_folder(self._settings)
        spool = SqliteSpool(folder, SystemClock(), sweeps=True, report=self._log.warn, fellows=self._hub)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_reader(self._nursery.end, self._hear)
        try:
            async with spool:
                await self._begin()
                await self._doors.start(spool)
                tell_start(self._log, self._settings, self._doors, self._place.workers)
                self._reports = ReportRounds(self._settings, spool, self._log.tell, self._log.warn)
                self._reports.start()
                ends: list[asyncio.Future[Any]] = [self._stopping, self._broken]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                notify_systemd("STOPPING=1")
                await self._reports.close()
                await self._doors.close(CLOSING_SECONDS)
                await self._end()
        finally:
            loop.remove_reader(self._nursery.end)
            self._nursery.close()
        self._log.tell(f"fatal: {self._broken.result()}" if self._broken.done() else "stopping")
        return EX_SOFTWARE if self._broken.done() else 0

    async def _begin(self) -> None:
        """All workers are ready.  Raises `WrongConfiguration`."""
        for number in range(self._place.workers):
            self._start(number, is_first=True)
        while len(self._ready) < self._place.workers and not self._stopping.done():
            self._changed.clear()
            await self._changed.wait()
            if self._broken.done():
                self._doors.discard()
                raise WrongConfiguration(self._broken.result())
        self._started = True

    async def _end(self) -> None:
        """Let the workers complete what they have begun; those that take too long go with us."""
        self._ending = True
        if self._reloading is not None:
            await self._reloading
        self._hub.order(STOP)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_grace_time + PARTING_SECONDS):
                while self._hub.present if self._broken.done() else self._lives:  # without a nursery nobody tells of deaths
                    self._changed.clear()
                    await self._changed.wait()
        for process_id, life in self._lives.items():
            if life.number in self._hub.present:
                with suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)

    def _stop(self) -> None:
        if self._stopping.done():
            self._hub.order(HURRY)
        else:
            self._stopping.set_result(None)
            self._changed.set()

    # Workers

    def _start(self, number: int, *, is_first: bool = False) -> None:
        if self._ending:
            return
        try:
            end = self._nursery.order(number, is_first=is_first)
        except OSError as trouble:
            self._break(f"no worker can be started: {trouble.strerror}")
            return
        self._employ(self._converse(number, end))

    async def _converse(self, number: int, end: Any) -> None:
        await self._hub.serve(number, await Conversation.over(end))
        self._changed.set()

    def _employ(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _hear(self) -> None:
        """The nursery has something to say."""
        with suppress(BlockingIOError):
            event = self._nursery.hear()
            if event is None:
                asyncio.get_running_loop().remove_reader(self._nursery.end)
                self._break("the process that starts the workers is gone")
            elif event.what == "born":
                self._lives[event.process_id] = Life(event.number, asyncio.get_running_loop().time())
            else:
                self._bury(event)

    def _break(self, reason: str) -> None:
        if not self._broken.done():
            self._broken.set_result(reason)
        self._changed.set()

    def _bury(self, event: Event) -> None:
        number, loop = event.number, asyncio.get_running_loop()
        life = self._lives.pop(event.process_id)
        self._hub.bury(number)
        self._ready.discard(number)
        self._waited_for.discard(number)
        self._changed.set()
        if self._ending and not event.status:
            return
        pause = self._pauses[number].after(loop.time() - life.since_seconds)
        after = "" if self._ending else f"; another follows in {pause:g} seconds"
        self._log.tell(f"warning: worker process {event.process_id}: {describe_end(event.status)}{after}")
        loop.call_later(pause, self._start, number)

    def _heed(self, worker: int, word: Word) -> None:
        match word:
            case [told] if told == READY:
                self._ready.add(worker)
            case [told, str(reason)] if told == FAILED:
                if self._started:
                    self._log.tell(f"warning: a worker cannot begin: {reason}")
                else:
                    self._break(reason)
            case [told, str(reason)] if told == RELOADED:
                self._waited_for.discard(worker)
                if reason and reason not in self._reasons:
                    self._reasons.append(reason)
        self._changed.set()

    # New settings

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._put_into_effect())

    async def _put_into_effect(self) -> None:
        tell_reloading()
        reopen_log(self._place.outlet, self._log)
        self._reasons = []
        try:
            settings = self._place.read()
            open_to_new = self._doors.prepare(settings)
        except MailriderError as trouble:
            self._reasons.append(str(trouble))
            self._hub.order(REOPEN)  # the log may have been moved away all the same
        else:
            await self._reload_workers()
            if not self._reasons:
                open_to_new()
                if self._reports is not None:
                    self._reports.reload(settings)
                for sentence in find_fixed(self._place.settings, settings):
                    self._log.tell(f"warning: reload: {sentence}")
                self._settings = settings
                self._log.tell("reload: new settings in effect")
        for reason in self._reasons:
            self._log.tell(f"warning: reload: {reason}; the old settings stay in effect")
        notify_systemd("READY=1")

    async def _reload_workers(self) -> None:
        """Until all have told what came of it, or for so long."""
        self._waited_for = set(self._hub.present)
        self._hub.order(RELOAD)
        with suppress(TimeoutError):
            async with asyncio.timeout(RELOAD_SECONDS):
                while self._waited_for:
                    self._changed.clear()
                    await self._changed.wait()
