"""The life of one worker of an agent: the delivery core, the errands, and the loop that runs them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Final

from mailrider.cli.agent_plan import Plan
from mailrider.cli.event_loop import look_seldom_for_garbage, run_loop
from mailrider.cli.text_log import open_text_log
from mailrider.cli.tls_trial import try_tls
from mailrider.clock import Clock
from mailrider.delivery.agent import DeliveryAgent
from mailrider.errors import MailriderError
from mailrider.events import Observer, Warned
from mailrider.exit_codes import EX_CONFIG, EX_SOFTWARE
from mailrider.machine import SystemClock
from mailrider.model.printable import make_printable
from mailrider.postfix.cleanup import make_postmaster
from mailrider.postfix.errand import Errands
from mailrider.postfix.installation import PROXIES_FLAGS, Installation
from mailrider.postfix.mail_log import ERROR, FATAL, WARNING, MailLog
from mailrider.postfix.reports import Reports
from mailrider.postfix.scache import ConnectionCacheService
from mailrider.postfix.services import ServiceClients
from mailrider.postfix.supervisor import Slot
from mailrider.postfix.watchdog import Watchdog
from mailrider.postfix.worker import Worker, count_errands
from mailrider.settings import Settings
from mailrider.tables.match_list import open_domain_list
from mailrider.tables.premises import Premises, enter_premises
from mailrider.tables.proxymap import Proxymap
from mailrider.wiring import Engine

LOG_PAUSE_SECONDS: Final = 0.05
"""How soon a log that was slow is tried again."""


def run_worker(plan: Plan, lifeline: int, slot: Slot) -> int:
    """Serve until the lifeline ends; the exit code."""
    log = plan.log
    watchdog = Watchdog(plan.settings.daemon_timeout)
    watchdog.arm()
    try:
        run_loop(_work(plan, lifeline, slot, watchdog))
    except MailriderError as fault:
        log.write(FATAL + str(fault))
        return EX_CONFIG
    except Exception as fault:
        _tell_fault(log, fault)
        return EX_SOFTWARE
    return 0


async def _work(plan: Plan, lifeline: int, slot: Slot, watchdog: Watchdog) -> None:
    watchdog.attend()
    settings, installation = plan.settings, plan.installation
    write = _patient_writer(plan.log)
    observer = open_text_log(settings, write, verbose=bool(plan.verbose))
    enter_premises(make_premises(settings, installation, write))
    postmaster = make_postmaster(settings, installation, observer, SystemClock())
    observer = postmaster or observer
    shared = make_shared_cache(settings, installation, observer)
    engine = Engine(settings, observer, tell_dialogues=bool(plan.verbose), shared=shared)
    agent = engine.agent(plan.transport, plan.service)
    errands = _make_errands(plan, agent, engine.clock, observer, write)
    most_at_once = count_errands()
    plan.give_up_privileges()
    if not slot.number:
        try_tls(settings, lambda text: write(WARNING + text))
    engine.begin_self_test()
    look_seldom_for_garbage()
    worker = Worker(
        plan.listeners,
        lifeline,
        errands.begin,
        errands.greeting,
        most_at_once=min(most_at_once, plan.most_at_once or most_at_once),
        activity=slot,
    )
    try:
        await worker.run()
    finally:
        await engine.close()
        if shared is not None:
            shared.close()
        if postmaster is not None:
            await postmaster.finish()
        plan.log.flush()


def _make_errands(
    plan: Plan, agent: DeliveryAgent, clock: Clock, observer: Observer, write: Callable[[str], None]
) -> Errands:
    installation, settings = plan.installation, plan.settings
    clients = ServiceClients(announces=installation.announces, answer_seconds=installation.answer_seconds)
    reports = Reports(installation, clients, observer, _open_flush_domains(settings, installation.fast_flush_domains, write))
    return Errands(
        agent,
        plan.transport,
        plan.service,
        installation,
        reports,
        clock,
        observer,
        handling_limit_seconds=settings.daemon_timeout,
        tell_fault=lambda fault: _tell_fault(plan.log, fault),
    )


def make_premises(settings: Settings, installation: Installation, write: Callable[[str], None]) -> Premises:
    """How tables are opened in an installation.  `write` logs a line."""
    proxymap = Proxymap(
        f"private/{installation.proxymap_service}",
        announces=installation.announces,
        parts_flags=installation.release >= PROXIES_FLAGS,
        utf8=settings.smtputf8_enable,
    )

    def tell(reason: str) -> None:
        write(ERROR + reason)

    return Premises(proxymap.open_table, None if settings.daemon_table_open_error_is_fatal else tell)


def make_shared_cache(
    settings: Settings, installation: Installation, observer: Observer
) -> ConnectionCacheService | None:
    """The connection cache of all agents, where the settings want it."""
    if not settings.smtp_connection_cache_shared:
        return None
    return ConnectionCacheService(
        f"private/{settings.connection_cache_service_name}",
        installation.release,
        announces=installation.announces,
        limit_seconds=settings.connection_cache_protocol_timeout,
        warn=lambda text: observer(Warned(text)),
    )


def _patient_writer(log: MailLog) -> Callable[[str], None]:
    """Write lines; where the log is slow, try again until it has taken them."""
    loop = asyncio.get_running_loop()
    waiting = False

    def flush() -> None:
        nonlocal waiting
        log.flush()
        waiting = log.is_behind
        if waiting:
            loop.call_later(LOG_PAUSE_SECONDS, flush)

    def write(line: str) -> None:
        nonlocal waiting
        log.write(line)
        if not waiting and log.is_behind:
            waiting = True
            loop.call_later(LOG_PAUSE_SECONDS, flush)

    return write


def _open_flush_domains(settings: Settings, members: str, write: Callable[[str], None]) -> Callable[[str], bool]:
    """Whether mail for a domain is kept ready for ETRN (`fast_flush_domains`)."""
    if not members.strip():
        return lambda domain: False
    found = open_domain_list(
        "fast_flush_domains",
        members,
        parent_domains="fast_flush_domains" in settings.parent_domain_matches_subdomains,
        warn=lambda text: write(WARNING + text),
    )
    return found.matches


def _tell_fault(log: MailLog, fault: BaseException) -> None:
    """An exception that nobody has foreseen.  Its last lines say most, so they come first."""
    text = " | ".join(line.strip() for line in reversed(traceback.format_exception(fault)))
    log.write(f"{WARNING}a fault of the agent: {make_printable(text)}")
