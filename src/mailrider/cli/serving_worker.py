"""The life of one worker of a node: the queue and deliveries of its share.

It takes its orders from the supervisor (`serving_team`) and from nobody else; signals are the supervisor's.  Where the
supervisor is gone it ends at once, as if the whole node had been killed: the next supervisor does not know what this one's
workers hold.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Any

from mailrider.cli.workplace import Workplace, open_log, reopen_log, run_service
from mailrider.errors import MailriderError
from mailrider.exit_codes import EX_CONFIG, EX_SOFTWARE, EX_TEMPFAIL
from mailrider.machine import SystemClock
from mailrider.node import Node
from mailrider.node_parts import spool_folder
from mailrider.queue.share import Part
from mailrider.queue.team import Conversation, Member, Word
from mailrider.settings import Settings

EX_ORPHANED = EX_TEMPFAIL
"""The process with the doors is gone: nobody is left to answer to, and the mail is in the queue."""

READY = "ready"
FAILED = "failed"
RELOADED = "reloaded"
"""What a worker tells; the latter two with the reason, which is empty where the new settings are in effect."""

STOP = "stop"
HURRY = "hurry"
RELOAD = "reload"
REOPEN = "reopen"
"""What it is ordered.  `REOPEN`: the log alone."""


def live(place: Workplace, number: int, is_first: bool, end: socket.socket) -> int:
    """Work until it is told to stop, or cannot go on; the exit code."""
    settings = place.settings
    if not is_first:  # something may have changed since the node was started
        place.outlet.reopen()
        with suppress(MailriderError):  # those of the start will do
            settings = place.read()
    try:
        return run_service(Worker(place, settings, number, end))
    finally:
        place.outlet.flush()


class Worker:
    """A worker in its event loop."""

    def __init__(self, place: Workplace, settings: Settings, number: int, end: socket.socket) -> None:
        self._place = place
        self._settings = settings
        self._part = Part(number, place.workers)
        self._end = end
        self._log = open_log(settings, place.outlet)
        self._reloading: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """See `live`."""
        from mailrider.spool.sqlite import SqliteSpool

        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._member = Member(await Conversation.over(self._end))
        spool = SqliteSpool(
            spool_folder(self._settings), SystemClock(), fellows=self._member, report=self._log.warn
        )
        self._node = Node(self._settings, spool=spool, journal=self._log, observer=self._log, part=self._part)
        conversing = asyncio.get_running_loop().create_task(self._member.run(self._obey))
        conversing.add_done_callback(_end_as_orphan)
        try:
            code = await self._work(self._node)
        except MailriderError as trouble:
            self._member.tell(FAILED, str(trouble))
            code = EX_CONFIG
        conversing.remove_done_callback(_end_as_orphan)
        await self._member.close()
        return code

    async def _work(self, node: Node) -> int:
        async with node:
            assert node.failed is not None
            self._member.tell(READY)
            ends: list[asyncio.Future[Any]] = [self._stopping, node.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._reloading is not None:
                await self._reloading
        if self._stopping.done():
            return 0
        self._log.tell(f"fatal: {node.failed.result()!r}")
        return EX_SOFTWARE

    def _obey(self, order: Word) -> None:
        match order:
            case ["stop"]:
                if not self._stopping.done():
                    self._stopping.set_result(None)
            case ["hurry"]:
                self._node.hurry()
            case ["reopen"]:
                reopen_log(self._place.outlet, self._log)
            case ["reload"]:
                self._reloading = asyncio.get_running_loop().create_task(self._reload(self._reloading))

    async def _reload(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        reopen_log(self._place.outlet, self._log)
        reason = ""
        try:
            await self._node.reload(self._place.read())
        except MailriderError as trouble:
            reason = str(trouble)
        self._member.tell(RELOADED, reason)


def _end_as_orphan(conversing: asyncio.Task[None]) -> None:
    os._exit(EX_ORPHANED)
