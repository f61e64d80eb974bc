"""What the settings mean for one transport, computed once: the numbers and words that every delivery needs.

A `Profile` is made from `Settings` bound to the transport, so the `smtp_` names here read the `lmtp_` mirrors where the
protocol is LMTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mailrider.content.fit import Fitting
from mailrider.content.mime import Limits
from mailrider.delivery.login_policy import LoginPolicy, make_login_policy
from mailrider.delivery.lookups import Lookups, open_lookups
from mailrider.delivery.transcript import find_classes
from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.model.request import Transport
from mailrider.model.server import Family
from mailrider.net.dial import DialTerms
from mailrider.net.patience import Patience
from mailrider.route.nexthop import Destination, parse_destinations
from mailrider.settings import Settings
from mailrider.smtp.stage import STAGES

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """When connections are kept (postconf(5), `smtp_connection_cache_...`)."""

    on_demand: bool
    idle_seconds: float
    reuse_seconds: float
    reuse_count: int


@dataclass(frozen=True, slots=True)
class Profile:
    """How mail is delivered over one transport."""

    transport: Transport
    helo_name: str
    own_name: str
    patience: Patience
    dialling: DialTerms
    cache: CachePolicy
    discard_words: tuple[str, ...]
    fallbacks: tuple[Destination, ...]
    address_limit: int
    session_limit: int
    line_length_limit_octets: int
    reply_line_limit_octets: int
    always_send_ehlo: bool
    never_send_ehlo: bool
    skip_5xx_greeting: bool
    await_quit: bool
    quote_envelope: bool
    convert_to_7bit: bool
    utf8: bool
    soft_bounce: bool
    probe_target: str
    relayhost: str
    best_mx_transport: str
    idna2003: bool
    assume_final: bool
    flags: str
    send_xforward: bool
    chunking: bool
    streams: bool
    dsn_fallback: bool
    pix_workarounds: tuple[str, ...]
    pix_threshold_seconds: float
    pix_delay_seconds: float
    lookups: Lookups
    fitting: Fitting
    login: LoginPolicy | None
    transcript_classes: frozenset[str]
    settings: Settings

    @property
    def lmtp(self) -> bool:
        """LMTP rather than SMTP."""
        return self.transport is Transport.LMTP


def make_profile(settings: Settings, warn: Callable[[str], None]) -> Profile:
    """Read everything that a delivery needs, and open its tables.

    `warn` hears of doubtful lines in tables.  Raises `WrongConfiguration` for a value that makes no sense.
    """
    lookups = open_lookups(settings, warn)
    return Profile(
        transport=settings.transport,
        helo_name=read_helo_name(settings),
        own_name=settings.myhostname,
        patience=Patience(
            limits={stage: getattr(settings, stage.timeout) for stage in STAGES},
            per_request=settings.smtp_per_request_deadline,
            min_data_rate=settings.smtp_min_data_rate,
        ),
        dialling=make_dial_terms(settings),
        cache=CachePolicy(
            on_demand=settings.smtp_connection_cache_on_demand,
            idle_seconds=min(settings.smtp_connection_cache_time_limit, settings.connection_cache_ttl_limit),
            reuse_seconds=settings.smtp_connection_reuse_time_limit,
            reuse_count=settings.smtp_connection_reuse_count_limit,
        ),
        discard_words=settings.smtp_discard_ehlo_keywords,
        fallbacks=parse_fallbacks(settings),
        address_limit=settings.smtp_mx_address_limit,
        session_limit=settings.smtp_mx_session_limit,
        line_length_limit_octets=settings.smtp_line_length_limit,
        reply_line_limit_octets=settings.line_length_limit,
        always_send_ehlo=settings.smtp_always_send_ehlo,
        never_send_ehlo=settings.smtp_never_send_ehlo,
        skip_5xx_greeting=settings.smtp_skip_5xx_greeting,
        await_quit=not settings.smtp_skip_quit_response,
        quote_envelope=settings.smtp_quote_rfc821_envelope,
        convert_to_7bit=not settings.disable_mime_output_conversion,
        utf8=settings.smtputf8_enable,
        soft_bounce=settings.soft_bounce,
        probe_target=settings.smtp_address_verify_target,
        relayhost=settings.text("relayhost"),
        best_mx_transport=settings.best_mx_transport,
        idna2003=settings.enable_idna2003_compatibility,
        assume_final=settings.transport is Transport.LMTP and ("X" in settings.delivery_flags or settings.lmtp_assume_final),
        flags=settings.delivery_flags,
        send_xforward=settings.smtp_send_xforward_command,
        chunking=settings.smtp_chunking,
        streams=settings.smtp_pipelining_across_messages,
        dsn_fallback=settings.smtp_dsn_fallback,
        pix_workarounds=settings.smtp_pix_workarounds,
        pix_threshold_seconds=settings.smtp_pix_workaround_threshold_time,
        pix_delay_seconds=settings.smtp_pix_workaround_delay_time,
        lookups=lookups,
        fitting=make_fitting(settings, lookups),
        login=make_login_policy(settings, warn),
        transcript_classes=find_classes(settings),
        settings=settings,
    )


def read_helo_name(settings: Settings) -> str:
    """What we call ourselves.  A line end in it would begin a command of its own, so it is `WrongConfiguration`."""
    name = settings.smtp_helo_name
    if _CONTROL.search(name):
        parameter = "lmtp_lhlo_name" if settings.transport is Transport.LMTP else "smtp_helo_name"
        entry = settings.entries.get(parameter)
        place = f"{entry.place}: " if entry is not None else ""
        raise WrongConfiguration(f"{place}{parameter} = {name!r} contains a control character")
    return name


def make_dial_terms(settings: Settings) -> DialTerms:
    """How sockets are made and bound."""
    addresses = (
        (Family.IPV4, settings.smtp_bind_address.strip("[]")),
        (Family.IPV6, settings.smtp_bind_address6.strip("[]")),
    )
    return DialTerms(
        timeout_seconds=settings.smtp_connect_timeout,
        bind_addresses=tuple((family, address) for family, address in addresses if address),
        bind_enforce=settings.smtp_bind_address_enforce,
        window_octets=settings.tcp_windowsize,
    )


def parse_fallbacks(settings: Settings) -> tuple[Destination, ...]:
    """The fallback relays as destinations."""
    try:
        return parse_destinations(
            settings.smtp_fallback_relay,
            default_service=settings.smtp_tcp_port,
            known_ports=settings.known_tcp_ports,
        )
    except WrongUsage as fault:
        raise WrongConfiguration(f"{settings.transport.value}_fallback_relay: {fault}") from None


def make_fitting(settings: Settings, lookups: Lookups) -> Fitting:
    """What is done to every message of the transport; a server's limits and the listeners come with each delivery."""
    return Fitting(
        line_limit_octets=settings.smtp_line_length_limit,
        header_checks=lookups.header_checks,
        mime_header_checks=lookups.mime_header_checks,
        nested_header_checks=lookups.nested_header_checks,
        body_checks=lookups.body_checks,
        generic=lookups.generic,
        limits=Limits(
            mime_nesting_limit=settings.mime_nesting_limit,
            boundary_length_limit_octets=settings.mime_boundary_length_limit,
            header_size_limit_octets=settings.header_size_limit,
            record_limit_octets=settings.line_length_limit,
        ),
        prefix=settings.transport.value,
    )
