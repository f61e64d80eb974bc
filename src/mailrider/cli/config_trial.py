"""What `mailrider config check` finds by trying: what a start would open is opened, and let go.

Tables and lists, bounce templates, certificates and keys, ciphers and protocols.  Nothing is listened at, nothing is
connected to, and no server of a table is asked before there is a key to ask for.

What keeps a command from starting is an error.  What only makes sessions fail, as smtp(8) would let them, is a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from mailrider.delivery.profile import make_profile
from mailrider.errors import MailriderError, WrongConfiguration, WrongUsage
from mailrider.intake.configuration import make_tls
from mailrider.model.request import Transport
from mailrider.model.tls import TlsLevel
from mailrider.node_parts import make_router, make_site
from mailrider.route.nexthop import parse_nexthop
from mailrider.settings import Settings
from mailrider.settings.kinds import Tables
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import open_host_list
from mailrider.tls.context import Unavailable, Unusable, make_context
from mailrider.trust.demands import Place, make_terms, read_demands

SOMEWHERE = Place("example.com", "example.com", "mail.example.com", "TLS")
"""A server to try the terms on, under a name that makes sense in a warning."""

HOST_LISTS = ("mynetworks", "smtpd_authorized_xforward_hosts")
"""Lists of clients, which only the doors of a node open."""

Warn = Callable[[str], None]


class Trial(NamedTuple):
    """What came of it: sentences."""

    errors: tuple[str, ...]
    doubts: tuple[str, ...]


def try_out(settings: Settings) -> Trial:
    """Try everything, for both protocols and every delivery agent of master.cf."""
    errors: list[str] = []
    doubts: list[str] = []

    for own, name, act in _steps(settings, doubts.append):
        try:
            act()
        except MailriderError as fault:
            told = str(fault)
            if not any(told in known for known in errors):
                errors.append(_with_place(own, name, told))
    return Trial(tuple(errors), tuple(dict.fromkeys(doubts)))


def _with_place(settings: Settings, name: str, told: str) -> str:
    """A sentence with file and line of the parameter in front, where it is one that was set; many begin with its name."""
    entry = settings.entries.get(name or told.partition(":")[0].partition(" ")[0])
    return f"{entry.place}: {told}" if entry is not None and entry.line and not told.startswith(entry.place) else told


def _steps(settings: Settings, warn: Warn) -> Iterator[tuple[Settings, str, Callable[[], object]]]:
    """What is to be tried: the settings, the parameter that is to blame where it is one, and the attempt.

    The tables come one by one first, so that each is told with its place and none hides another.
    """
    for name in settings.entries:
        parameter = Settings.find(name)
        if isinstance(parameter, Tables) and parameter.in_effect:
            yield settings, name, partial(_open_tables, settings, name, warn)
    for name in HOST_LISTS:
        if settings.is_set(name):
            yield settings, name, partial(open_host_list, name, settings.text(name), parent_domains=True, warn=warn)
    for service, transport in _services(settings):
        own = settings.for_service(service, transport)
        yield own, "", partial(make_profile, own, warn)
        yield own, "", partial(_try_tls, own, warn)
    yield settings, "relayhost", partial(_read_relayhost, settings)
    yield settings, "", partial(make_router, settings, warn)
    yield settings, "bounce_template_file", partial(make_site, settings, warn)
    yield settings, "", partial(make_tls, settings)


def _services(settings: Settings) -> dict[tuple[str, Transport], None]:
    """The delivery agents: those that are always there, and those of master.cf."""
    agents = {(transport.value, transport): None for transport in Transport}
    for service in settings.services.services.values():
        if service.transport is not None:
            agents[service.name, service.transport] = None
    return agents


def _open_tables(settings: Settings, name: str, warn: Warn) -> None:
    open_maps(name, settings.text(name), warn=warn, find_parameter=settings.find_text)


def _read_relayhost(settings: Settings) -> None:
    relayhost = settings.text("relayhost")
    if not relayhost or settings.default_transport.partition(":")[0] != Transport.SMTP.value:
        return
    try:
        parse_nexthop(
            relayhost,
            transport=Transport.SMTP,
            default_service=settings.smtp_tcp_port,
            known_ports=settings.known_tcp_ports,
        )
    except WrongUsage as fault:
        raise WrongConfiguration(f"relayhost: {fault}") from None


def _try_tls(settings: Settings, warn: Warn) -> None:
    """Make the terms of TLS, with certificate checks and without, where anything was said about TLS."""
    prefix = f"{settings.transport.value}_"
    if not any(name.startswith(prefix) and "tls" in name for name in settings.entries):
        return
    demands = read_demands(settings)
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(f"{settings.transport.value}: {text}")

    chosen = (demands.level,) if demands.level > TlsLevel.NONE else ()
    for level in dict.fromkeys((TlsLevel.MAY, TlsLevel.SECURE, *chosen)):
        terms: Any = make_terms(demands, level, None, SOMEWHERE, None, tell)
        if not hasattr(terms, "handshake"):
            continue  # what is wrong has been told
        context: Any = make_context(terms.handshake, terms.authorities, terms.identity, terms.depth)
        if isinstance(context, Unavailable):
            for warning in context.warnings:
                tell(warning)
        elif isinstance(context, Unusable):
            tell(context.warning)
