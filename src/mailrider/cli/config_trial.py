"""What `mailrider config check` finds by trying: what a start would open is opened, and let go.

Tables and lists, bounce templates, certificates and keys, ciphers and protocols; of a main.cf that says where a node listens,
also what a node would warn of.  Nothing is listened at, nothing is
connected to, and no server of a table is asked before there is a key to ask for.

What keeps a command from starting is an error.  What only makes sessions fail, as smtp(8) would let them, is a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from mailrider.cli.node_doubts import check_places, find_doubts, is_of_node
from mailrider.cli.tls_trial import Warn, list_agents, try_tls
from mailrider.delivery.profile import make_profile
from mailrider.errors import MailriderError, WrongConfiguration, WrongUsage
from mailrider.intake.configuration import make_tls
from mailrider.model.request import Transport
from mailrider.node_parts import make_router, make_site
from mailrider.route.nexthop import parse_nexthop
from mailrider.settings import Settings
from mailrider.settings.kinds import Tables
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import open_host_list

HOST_LISTS = ("mynetworks", "smtpd_authorized_xforward_hosts")
"""Lists of clients, which only the doors of a node open."""


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
    for service, transport in list_agents(settings):
        own = settings.for_service(service, transport)
        yield own, "", partial(make_profile, own, warn)
        yield own, "", partial(try_tls, own, warn, f"{transport.value}: ")
    yield settings, "relayhost", partial(_read_relayhost, settings)
    yield settings, "", partial(make_router, settings, warn)
    yield settings, "bounce_template_file", partial(make_site, settings, warn)
    yield settings, "", partial(make_tls, settings)
    if is_of_node(settings):
        yield settings, "", partial(check_places, settings)
        yield settings, "", partial(_tell_doubts, settings, warn)


def _tell_doubts(settings: Settings, warn: Warn) -> None:
    for doubt in find_doubts(settings):
        warn(doubt)


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
