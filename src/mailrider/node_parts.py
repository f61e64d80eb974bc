"""The settings of a node as the terms of its parts; opens tables and lists, decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from mailrider.content.whole_address import make_completion
from mailrider.delivery.postmaster import Postmaster
from mailrider.delivery.transcript import find_classes
from mailrider.dsn.report import Site
from mailrider.dsn.site import read_site
from mailrider.dsn.template import FILE_LIMIT_OCTETS, Templates, expand_lines, parse_templates
from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.events import Observer, SessionBlamed
from mailrider.intake.submission import Submitter
from mailrider.machine import SystemClock
from mailrider.model.request import Transport
from mailrider.queue.destination import DestinationTerms
from mailrider.queue.dispatcher import ClogTerms, ServiceTerms
from mailrider.queue.portion import Way
from mailrider.queue.routing import ERROR, Route, Router, RoutingTerms
from mailrider.queue.runner import NO_TRANSPORT, RunnerTerms
from mailrider.queue.schedule import ScheduleTerms
from mailrider.queue.share import Part, WorkShare
from mailrider.queue.transcripts import send_transcript
from mailrider.queue.window import WindowTerms
from mailrider.settings import Settings
from mailrider.spool.spool import Spool
from mailrider.tables.maps import Maps, open_maps
from mailrider.tables.match_list import open_domain_list, open_string_list
from mailrider.wiring import Engine

Warn = Callable[[str], None]

CLOG_PART = 5
"""A destination with more than a fifth of what may be active fills the queue (qmgr(8))."""

WAYS_LIMIT = 20_000
"""Next hops that are remembered with everything about them; as many as messages in memory."""

FIXED_PARAMETERS = (
    "queue_directory", "intake_smtp_listen", "intake_lmtp_listen", "mail_owner", "maillog_file", "log_destination",
    "syslog_facility", "syslog_name", "delay_logging_resolution_limit", "info_log_address_format", "helpful_warnings",
)  # fmt: skip
"""What a node goes by from its start to its end: places that take the rights of root, and the shape of its log."""

INTERNAL_SERVICES = frozenset({"error", "retry", "discard"})
"""What the queue does by itself."""

LOCAL = "local"
"""The transport for mailboxes on this host."""

NO_MAILBOXES = "5.3.5 mail for this host has nowhere to go: this node has no mailboxes"
"""What becomes of such mail; waiting for a transport that never comes would only make it late."""

BUILT_IN_SERVICES = {"smtp": Transport.SMTP, "relay": Transport.SMTP, "lmtp": Transport.LMTP}
"""What there is without a master.cf."""


def make_schedule_terms(settings: Settings) -> ScheduleTerms:
    """When mail is tried again."""
    return ScheduleTerms(
        minimal_backoff_seconds=settings.minimal_backoff_time,
        maximal_backoff_seconds=settings.maximal_backoff_time,
        run_delay_seconds=settings.queue_run_delay,
        lifetime_seconds=settings.maximal_queue_lifetime,
        bounce_lifetime_seconds=settings.bounce_queue_lifetime,
        warning_seconds=settings.delay_warning_time,
        jitter_percent=settings.retry_jitter,
    )


def make_runner_terms(settings: Settings, workers: int = 1) -> RunnerTerms:
    """How much is in memory of one worker, and what waits in any case."""
    return RunnerTerms(
        defer_transports=frozenset(settings.defer_transports),
        messages_limit=_divide(settings.qmgr_message_active_limit, workers),
        recipients_limit=_divide(settings.qmgr_message_recipient_limit, workers),
        mailing_minimum=settings.qmgr_message_recipient_minimum,
        double_bounce_user=settings.double_bounce_sender.partition("@")[0],
    )


def make_clog_terms(settings: Settings, workers: int = 1) -> ClogTerms:
    """When it is told that one destination fills the queue (qmgr(8))."""
    if not settings.helpful_warnings or not settings.qmgr_clog_warn_time:
        return ClogTerms()
    return ClogTerms(_divide(settings.qmgr_message_active_limit, workers) // CLOG_PART, settings.qmgr_clog_warn_time)


def _divide(limit: int, workers: int) -> int:
    """The part of a limit that one worker has."""
    return -(-limit // workers)


def make_router(settings: Settings, warn: Warn) -> Router:
    """Open the routing tables.  Raises `WrongConfiguration`."""

    def domains(name: str, members: tuple[str, ...]) -> Callable[[str], bool]:
        parents = name in settings.parent_domain_matches_subdomains
        return open_domain_list(name, " ".join(members), parent_domains=parents, warn=warn).matches

    def maps(name: str, tables: tuple[str, ...]) -> Maps:
        return open_maps(name, " ".join(tables), warn=warn, find_parameter=settings.find_text)

    virtual = open_string_list("virtual_mailbox_domains", " ".join(settings.virtual_mailbox_domains), warn=warn)
    return Router(
        RoutingTerms(
            is_local=domains("mydestination", settings.mydestination),
            is_relay=domains("relay_domains", settings.relay_domains),
            is_virtual=virtual.matches,
            transport_maps=maps("transport_maps", settings.transport_maps),
            relayhost_maps=maps("sender_dependent_relayhost_maps", settings.sender_dependent_relayhost_maps),
            default_transport_maps=maps(
                "sender_dependent_default_transport_maps", settings.sender_dependent_default_transport_maps
            ),
            host_name=settings.myhostname,
            relayhost=settings.text("relayhost"),
            default_transport=settings.default_transport,
            relay_transport=settings.relay_transport,
            local_transport=settings.local_transport if has_mailboxes(settings) else f"{ERROR}:{NO_MAILBOXES}",
            virtual_transport=settings.virtual_transport,
            empty_relayhost_key=settings.empty_address_relayhost_maps_lookup_key,
            empty_default_transport_key=settings.empty_address_default_transport_maps_lookup_key,
            recipient_delimiter=settings.recipient_delimiter,
        )
    )


def has_mailboxes(settings: Settings) -> bool:
    """Whether mail for `mydestination` goes anywhere: local(8), the default, is Postfix's, and a node has nothing like it."""
    name = settings.local_transport.partition(":")[0]
    return name != LOCAL or find_protocol(settings, name) is not None


def find_fixed(before: Settings, now: Settings) -> list[str]:
    """What a reload cannot put into effect: sentences."""
    return [
        f"{name} has changed, which counts from the next start on"
        for name in FIXED_PARAMETERS
        if before.text(name) != now.text(name)
    ]


def make_site(settings: Settings, warn: Warn) -> Site:
    """Who writes notices, and in which words.  Raises `WrongConfiguration`."""
    site = replace(read_site(settings), templates=_read_templates(settings.bounce_template_file, warn))
    for template in (site.templates.failure, site.templates.delay, site.templates.success):
        expand_lines(template, site.lookup, site.seconds_of)  # an unknown name is to be found now
    return site


def make_postmaster(settings: Settings, observer: Observer, spool: Spool, site: Site) -> Postmaster | None:
    """Who sends transcripts of sessions that went wrong; None where nobody wants any (`notify_classes`)."""
    if not find_classes(settings):
        return None

    async def send(event: SessionBlamed) -> str:
        return await send_transcript(event, spool, site, SystemClock.wall_seconds)

    return Postmaster(observer, send)


def make_submitter(settings: Settings) -> Submitter:
    """What programs of this host get into the header of their mail."""
    return Submitter(settings.myhostname, settings.mail_name, make_completion(settings))


def _read_templates(path: str, warn: Warn) -> Templates:
    if not path:
        return Templates()
    try:
        with open(path, "rb") as file:
            octets = file.read(FILE_LIMIT_OCTETS + 1)
    except OSError as cause:
        raise WrongConfiguration(f"bounce_template_file = {path}: {cause.strerror or cause}") from None
    if len(octets) > FILE_LIMIT_OCTETS:
        raise WrongConfiguration(f"bounce_template_file = {path}: longer than {FILE_LIMIT_OCTETS} octets")
    templates = parse_templates(octets.decode("utf-8", "replace"), path)
    for warning in templates.warnings:
        warn(warning)
    return templates


def make_service_terms(settings: Settings, service: str, workers: int = 1) -> ServiceTerms:
    """Windows, paces and limits of a service (qmgr(8)), for one worker.

    With a rate delay deliveries go one at a time, whatever the limit says; a process limit counts only where master.cf
    gives it, since a delivery is no process here.
    """
    rates = cast(Any, settings)
    delay = settings.of_service(service, "destination_rate_delay")
    limit = settings.of_service(service, "destination_concurrency_limit")
    window = WindowTerms(
        initial=1 if delay else settings.of_service(service, "initial_destination_concurrency"),
        limit=1 if delay else limit,
        positive=settings.of_service(service, "destination_concurrency_positive_feedback").at,
        negative=settings.of_service(service, "destination_concurrency_negative_feedback").at,
        failed_cohort_limit=settings.of_service(service, "destination_concurrency_failed_cohort_limit"),
        dead_seconds=settings.minimal_backoff_time,
    )
    agent = settings.services.delivery_agent(service)
    processes = agent.process_limit if agent is not None else None
    return ServiceTerms(
        DestinationTerms(window, delay, rates.of_service(service, "destination_rate")),
        max(settings.of_service(service, "transport_rate_delay"), rates.of_service(service, "transport_rate")),
        processes or _divide(settings.deliveries_limit, workers),
        let_notices_pass(settings, service),
    )


def let_notices_pass(settings: Settings, service: str) -> bool:
    """Whether the rates of a service are not for mail of the null sender.  The pauses of qmgr(8) are for all."""
    delays = (settings.of_service(service, "destination_rate_delay"), settings.of_service(service, "transport_rate_delay"))
    return not settings.rates_count_null_sender and not any(delays)


def make_share(settings: Settings, router: Router, part: Part) -> WorkShare | None:
    """What belongs to one worker; None where it is alone.

    A transport with a rate, or with a process limit in master.cf, belongs to one worker as a whole: its limit counts over all
    destinations.  So does one whose destinations are grouped: who is in a group is not known before DNS has said so.
    """
    if part.workers == 1:
        return None
    known: dict[str, bool] = {}

    def is_whole(service: str) -> bool:
        if service not in known:
            agent = settings.services.delivery_agent(service)
            protocol = find_protocol(settings, service)
            known[service] = protocol is not None and bool(
                make_service_terms(settings, service).interval_seconds
                or (agent is not None and agent.process_limit)
                or (protocol is Transport.SMTP and settings.destination_group == "mx")
            )
        return known[service]

    return WorkShare(router, is_whole, part)


class Ways:
    """Finds the way of a route: the delivery agent of its service, and what else is found out once."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self._engine = engine
        self._observer = observer
        self._known: dict[tuple[str, str], Way | str] = {}

    def find(self, route: Route) -> Way | str:
        """The way, or the text of why there is none."""
        key = (route.transport, route.nexthop)
        way = self._known.get(key)
        if way is None:
            way = self._make(*key)
            if len(self._known) >= WAYS_LIMIT:
                del self._known[next(iter(self._known))]
            self._known[key] = way
        return way

    def _make(self, service: str, nexthop: str) -> Way | str:
        transport = find_protocol(self._engine.settings, service)
        if transport is None:
            return NO_TRANSPORT
        agent = self._engine.agent(transport, service)
        try:
            agent.check_nexthop(nexthop)
        except WrongUsage as wrong:
            return f"4.3.5 {wrong}"
        limit = self._engine.recipient_limit(service)
        is_grouped = self._engine.settings.destination_group == "mx" and transport is Transport.SMTP
        find_exchangers = agent.find_exchangers if is_grouped else None
        return Way(service, transport, nexthop, agent, limit, self._observer, find_exchangers)


def find_protocol(settings: Settings, service: str) -> Transport | None:
    """What a service speaks: by master.cf, or by its name where there is none; None for one that is no delivery agent."""
    known = settings.services
    if known.services:
        found = known.delivery_agent(service)
        return found.transport if found is not None else None
    return BUILT_IN_SERVICES.get(service)


def spool_folder(settings: Settings) -> Path:
    """Where the queue lies."""
    return Path(settings.queue_directory)
