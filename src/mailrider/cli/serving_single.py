"""A node of one process, which keeps the doors, the queue and the deliveries."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from mailrider.cli.systemd import notify_systemd, tell_reloading
from mailrider.cli.tlsrpt_rounds import ReportRounds
from mailrider.cli.workplace import CLOSING_SECONDS, Workplace, reopen_log, tell_start
from mailrider.errors import MailriderError
from mailrider.exit_codes import EX_SOFTWARE
from mailrider.intake.configuration import Intake
from mailrider.node import Node, open_spool
from mailrider.node_parts import find_fixed
from mailrider.observe.node_log import NodeLog


class Single:
    """The node with its signals."""

    def __init__(self, place: Workplace, log: NodeLog, doors: Intake) -> None:
        self._place = place
        self._settings = place.settings
        self._log = log
        self._doors = doors
        self._reloading: asyncio.Task[None] | None = None
        self._reports: ReportRounds | None = None

    async def run(self) -> int:
        """Until it is told to stop, or cannot go on."""
        loop = asyncio.get_running_loop()
        stopping: asyncio.Future[None] = loop.create_future()
        spool = open_spool(self._settings, self._log)
        node = Node(self._settings, spool=spool, journal=self._log, observer=self._log)

        def stop() -> None:
            if stopping.done():
                node.hurry()
            else:
                stopping.set_result(None)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload, node)
        async with node:
            assert node.failed is not None
            await self._doors.start(node.spool)
            tell_start(self._log, self._settings, self._doors)
            self._reports = ReportRounds(self._settings, node.spool, self._log.tell, self._log.warn)
            self._reports.start()
            ends: list[asyncio.Future[Any]] = [stopping, node.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            notify_systemd("STOPPING=1")
            await self._reports.close()
            await self._doors.close(CLOSING_SECONDS)
            if self._reloading is not None:
                await self._reloading
            self._log.tell("stopping" if stopping.done() else f"fatal: {node.failed.result()!r}")
        return 0 if stopping.done() else EX_SOFTWARE

    def _reload(self, node: Node) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._put_into_effect(node))

    async def _put_into_effect(self, node: Node) -> None:
        tell_reloading()
        reopen_log(self._place.outlet, self._log)
        try:
            settings = self._place.read()
            open_to_new = self._doors.prepare(settings)
            await node.reload(settings)
            open_to_new()
            if self._reports is not None:
                self._reports.reload(settings)
            for sentence in find_fixed(self._settings, settings):
                self._log.tell(f"warning: reload: {sentence}")
            self._log.tell("reload: new settings in effect")
        except MailriderError as trouble:
            self._log.tell(f"warning: reload: {trouble}; the old settings stay in effect")
        notify_systemd("READY=1")
