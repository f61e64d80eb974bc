"""The work of `mailrider serve`: from root to a running node and back."""

from __future__ import annotations

import importlib
import resource
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from mailrider.cli.early_loading import load_early
from mailrider.cli.event_loop import look_seldom_for_garbage
from mailrider.cli.node_doubts import find_doubts
from mailrider.cli.privileges import Owner, drop, find_owner, make_folder
from mailrider.cli.serving_single import Single
from mailrider.cli.tls_trial import find_tls_doubts, list_agents
from mailrider.cli.workplace import Service, Workplace, open_log, open_outlet, run_service
from mailrider.intake.configuration import Intake
from mailrider.machine import choose_configuration, read_settings
from mailrider.node_parts import spool_folder
from mailrider.observe.node_log import NodeLog
from mailrider.observe.outlets import LogFile
from mailrider.settings import Settings
from mailrider.settings.review import list_warnings
from mailrider.spool.tenure import Tenure

QUEUE_MODULES = ("concurrent.futures.thread", "mailrider.api", "mailrider.spool.sqlite")
"""What a node loads at its first use, beside what a delivery does."""

EVERY_SERVER = "0.0.0.0/0, [::]/0"
"""What `-v` makes of `debug_peer_list`: all conversations are told."""

Open = Callable[[NodeLog, Intake], Service]
"""Makes what runs in the event loop, when the doors are there."""


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
    tenure = Tenure(spool_folder(settings))
    try:
        make_folder(spool_folder(settings), owner)
        tenure.take()
        if settings.tls_report_directory:
            make_folder(Path(settings.tls_report_directory), owner, "tls_report_directory")
        if isinstance(outlet, LogFile) and owner is not None:
            outlet.give_to(owner.user_id, owner.group_id)
        _raise_descriptor_limit()
        _warn_of_settings(settings, log)
        _load_early(settings)
        place = Workplace(settings, read, outlet, workers)
        open_service = _prepare_team(place, owner, tenure) if workers > 1 else partial(Single, place)
        doors = Intake(settings, log.tell_of_client)  # while there are rights to the ports and the private keys
        drop(owner)
        _warn(log, find_tls_doubts(settings))  # by now as whoever will want the files
        if isinstance(outlet, LogFile):
            _warn(log, outlet.find_doubts())
        look_seldom_for_garbage()
        return run_service(open_service(log, doors))
    finally:
        tenure.give_up()
        outlet.flush()


def _prepare_team(place: Workplace, owner: Owner | None, tenure: Tenure) -> Open:
    """Fork the nursery, as long as there is nothing that must not be in it, and give what becomes the supervisor."""
    from mailrider.cli.nursery import Nursery
    from mailrider.cli.serving_team import Team
    from mailrider.cli.serving_worker import live

    def prepare() -> None:
        tenure.give_up()  # it is the supervisor's, and goes with him
        drop(owner)
        look_seldom_for_garbage()

    place.outlet.flush()
    nursery = Nursery(partial(live, place), prepare)
    return lambda log, doors: Team(place, log, doors, nursery)


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
    """Raises `WrongConfiguration` for what a delivery agent of master.cf makes of them."""
    readings = [settings]
    for service, transport in list_agents(settings):
        readings.append(settings.for_service(service, transport))
        readings[-1].check()
    _warn(log, [*list_warnings(readings), *find_doubts(settings)])


def _warn(log: NodeLog, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        log.tell(f"warning: {sentence}")
