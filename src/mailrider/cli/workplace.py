"""What the processes of a node share: its settings and how they are read again, its log, and the way they run.

A node is one process (`serving_single`), or a supervisor with workers (`serving_team`, `serving_worker`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

from mailrider.cli.event_loop import run_loop
from mailrider.cli.systemd import notify_systemd
from mailrider.intake.configuration import Intake
from mailrider.node_parts import find_protocol
from mailrider.observe.node_log import NodeLog, Stamp
from mailrider.observe.outlets import LogFile, Outlet, StandardError, Syslog
from mailrider.settings import Settings

SWITCH_SECONDS = 0.0002
"""How long a thread may go on while another one waits for its turn (`sys.setswitchinterval`).

What was delivered is recorded by a thread of its own, with some ten such waits; with Python's 5 ms they made a busy node
hundreds of milliseconds late, and what is late is delivered again by the next node when this one is killed.
"""

CLOSING_SECONDS = 10.0
"""How long clients may take to hear that the node stops, once their mail is kept."""


class Workplace(NamedTuple):
    """What every process has to know.  `read` reads the settings anew and raises `WrongConfiguration`."""

    settings: Settings
    read: Callable[[], Settings]
    outlet: Outlet
    workers: int


class Service(Protocol):
    """What runs in the event loop of a process."""

    async def run(self) -> int:
        """Until it is told to stop, or cannot go on; the exit code."""


def run_service(service: Service) -> int:
    """The life of a process."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return run_loop(service.run())


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


def reopen_log(outlet: Outlet, log: NodeLog) -> None:
    """The log may have been rotated."""
    if trouble := outlet.reopen():
        log.tell(f"warning: {trouble}: the log goes on where it was")


def tell_start(log: NodeLog, settings: Settings, doors: Intake, workers: int = 1) -> None:
    """The node is ready."""
    where = ", ".join(doors.places) or "no listener"
    crew = f"{workers} workers, " if workers > 1 else ""
    log.tell(f"daemon started -- mailrider, {crew}queue {settings.queue_directory}, {where}")
    notify_systemd("READY=1", f"MAINPID={os.getpid()}")
