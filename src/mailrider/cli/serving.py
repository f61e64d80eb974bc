"""The work of `mailrider serve`: from root to a running node and back."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mailrider.cli.agent_loading import load_early
from mailrider.cli.delivering import GARBAGE_THRESHOLD
from mailrider.cli.privileges import Owner, drop, find_owner, make_folder
from mailrider.cli.systemd import notify_systemd, tell_reloading
from mailrider.cli.tlsrpt_rounds import ReportRounds
from mailrider.errors import MailriderError
from mailrider.intake.configuration import Intake
from mailrider.machine import choose_configuration, read_settings
from mailrider.model.request import Transport
from mailrider.node import Node
from mailrider.node_parts import find_doubts, find_protocol, spool_folder
from mailrider.observe.node_log import NodeLog, Stamp
from mailrider.observe.outlets import LogFile, Outlet, StandardError, Syslog
from mailrider.settings import Settings

if TYPE_CHECKING:
    from mailrider.cli.serving_team import Team

EX_SOFTWARE = 70

SWITCH_SECONDS = 0.0002
"""How long a thread may go on while another one waits for its turn (`sys.setswitchinterval`).

What was delivered is recorded by a thread of its own, with some ten such waits; with Python's 5 ms they made a busy node
hundreds of milliseconds late, and what is late is delivered again by the next node when this one is killed.
"""

CLOSING_SECONDS = 10.0
"""How long clients may take to hear that the node stops, once their mail is kept."""

QUEUE_MODULES = ("concurrent.futures.thread", "mailrider.api", "mailrider.spool.sqlite")
"""What a node loads at its first use, beside what a delivery does."""

EVERY_SERVER = "0.0.0.0/0, [::]/0"
"""What `-v` makes of `debug_peer_list`: all conversations are told."""

Reading = Callable[[], Settings]


def run_serve(directory: Path | None, overrides: Sequence[str], verbose: int, workers: int) -> int:
    """Run a node; the exit code comes back when it has ended."""
    chosen = choose_configuration(directory)
    if verbose:
        overrides = (*overrides, f"debug_peer_list={EVERY_SERVER}")

    def read() -> Settings:
        settings = read_settings(chosen, overrides)
        settings.check()
        return settings

    settings = read()
    owner = find_owner(settings.mail_owner)
    outlet = open_outlet(settings)
    log = open_log(settings, outlet)
    try:
        make_folder(spool_folder(settings), owner)
        if settings.tls_report_directory:
            make_folder(Path(settings.tls_report_directory), owner, "tls_report_directory")
        if isinstance(outlet, LogFile) and owner is not None:
            outlet.give_to(owner.user_id, owner.group_id)
        _raise_descriptor_limit()
        _warn_of_settings(settings, log)
        _load_early(settings)
        team = _prepare_team(settings, read, outlet, owner, workers) if workers > 1 else None
        doors = Intake(settings, log.tell_of_client)  # while there are rights to the ports and the private keys
        drop(owner)
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        return run_loop(team(log, doors) if team is not None else _Service(settings, read, log, outlet, doors))
    finally:
        outlet.flush()


def _prepare_team(
    settings: Settings, read: Reading, outlet: Outlet, owner: Owner | None, workers: int
) -> Callable[[NodeLog, Intake], Team]:
    """Fork the nursery, as long as there is nothing that must not be in it, and give what becomes the supervisor."""
    from mailrider.cli.nursery import Nursery
    from mailrider.cli.serving_team import Team
    from mailrider.cli.serving_worker import Workplace, live

    def prepare() -> None:
        drop(owner)
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)

    outlet.flush()
    place = Workplace(settings, read, outlet, workers)
    nursery = Nursery(partial(live, place), prepare)
    return lambda log, doors: Team(place, log, doors, nursery)


def open_outlet(settings: Settings) -> Outlet:
    """Where the log goes.  Raises `WrongConfiguration`."""
    if settings.maillog_file:
        return LogFile(settings.maillog_file)
    if settings.log_destination == "syslog":
        return Syslog(settings.syslog_facility, Stamp(""))
    return StandardError()


def open_log(settings: Settings, outlet: Outlet) -> NodeLog:
    """The log of a node, as the settings want it."""

    def tag_of(service: str, program: str) -> str:
        protocol = find_protocol(settings, service)
        own = settings.for_service(service, protocol) if protocol is not None else settings
        return f"{own.syslog_name}/{program}"

    stamp = (lambda: "") if isinstance(outlet, Syslog) else Stamp(settings.myhostname)
    return NodeLog(
        outlet.write,
        stamp,
        tag_of,
        os.getpid(),
        name=settings.syslog_name,
        resolution_digits=settings.delay_logging_resolution_limit,
        address_format=settings.info_log_address_format,
        helpful=settings.helpful_warnings,
    )


def _raise_descriptor_limit() -> None:
    """Each connection is a descriptor, and the limit of a login shell is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # a system that forbids it has its reasons
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _load_early(settings: Settings) -> None:
    """The owner of the mail may not be allowed to read what has not been loaded by now."""
    load_early(settings)
    for name in QUEUE_MODULES:
        importlib.import_module(name)


def _warn_of_settings(settings: Settings, log: NodeLog) -> None:
    warnings = [*settings.warnings, *settings.obsolete(), *find_doubts(settings)]
    for name in {service.name for service in settings.services.services.values() if service.transport is not None}:
        reading = settings.for_service(name, find_protocol(settings, name) or Transport.SMTP)
        reading.check()
        warnings += reading.warnings
    idle = settings.not_in_effect()
    if idle:
        warnings.append(f"set and not in effect yet: {', '.join(idle)}")
    for warning in dict.fromkeys(warnings):
        log.tell(f"warning: {warning}")


class Service(Protocol):
    """What runs in the event loop of a process."""

    async def run(self) -> int:
        """Until it is told to stop, or cannot go on; the exit code."""


def run_loop(service: Service) -> int:
    """The life of a process."""
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(service.run())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(service.run())


def tell_start(log: NodeLog, settings: Settings, doors: Intake, workers: int = 1) -> None:
    """The node is ready."""
    where = ", ".join(doors.places) or "no listener"
    crew = f"{workers} workers, " if workers > 1 else ""
    log.tell(f"daemon started -- mailrider, {crew}queue {settings.queue_directory}, {where}")
    notify_systemd("READY=1", f"MAINPID={os.getpid()}")


class _Service:
    """A node with its signals."""

    def __init__(self, settings: Settings, read: Reading, log: NodeLog, outlet: Outlet, doors: Intake) -> None:
        self._settings = settings
        self._doors = doors
        self._read = read
        self._log = log
        self._outlet = outlet
        self._reloading: asyncio.Task[None] | None = None
        self._reports: ReportRounds | None = None

    async def run(self) -> int:
        """Until it is told to stop, or cannot go on."""
        loop = asyncio.get_running_loop()
        stopping: asyncio.Future[None] = loop.create_future()
        node = Node(self._settings, journal=self._log, observer=self._log)

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
        self._outlet.reopen()
        try:
            settings = self._read()
            await node.reload(settings)
            self._doors.reload(settings)
            if self._reports is not None:
                self._reports.reload(settings)
            self._log.tell("reload: new settings in effect")
        except MailriderError as trouble:
            self._log.tell(f"warning: reload: {trouble}; the old settings stay in effect")
        notify_systemd("READY=1")
