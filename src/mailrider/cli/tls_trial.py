"""Trying what sessions with TLS will need: files that cannot be read, ciphers and protocols that nobody knows.

None of that keeps a command from starting, as none keeps smtp(8); but nobody should have to wait for the first session to hear
of it.  Files are read by whoever asks: a node and an agent ask when they are what they will be, without the rights of root.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache

from mailrider.errors import MailriderError
from mailrider.model.request import Transport
from mailrider.model.tls import TlsLevel
from mailrider.settings import Settings
from mailrider.tls.context import Unavailable, Unusable, make_context
from mailrider.tls.terms import Authorities, Handshake, Identity
from mailrider.trust.demands import Place, find_doubts, find_obstacle, make_terms, read_demands
from mailrider.trust.mta_sts_fetch import find_missing_package
from mailrider.trust.policy import NoPolicy

SOMEWHERE = Place("example.com", "example.com", "mail.example.com", "TLS")
"""A server to try the terms on, under a name that makes sense in a warning."""

PLAIN_FILES = ("smtp_sasl_oauth_CAfile", "tls_mta_sts_CAfile", "tls_report_dkim_key_file")
"""Files that no terms of TLS name; they are read when they are needed."""

Warn = Callable[[str], None]
Attempt = Callable[[Handshake, Authorities, Identity, int], tuple[str, ...]]


def list_agents(settings: Settings) -> dict[tuple[str, Transport], None]:
    """The delivery agents, by service and transport: those that are always there, and those of master.cf."""
    agents = {(transport.value, transport): None for transport in Transport}
    for service in settings.services.services.values():
        if service.transport is not None:
            agents[service.name, service.transport] = None
    return agents


def says_something_of_tls(names: Iterable[str]) -> bool:
    """Whether one of these parameters can make sessions want TLS; what loads libraries early asks the same."""
    return any("_tls_" in name or name.endswith(("_use_tls", "_enforce_tls")) for name in names)


def find_tls_doubts(settings: Settings) -> tuple[str, ...]:
    """Everything that will make sessions of some delivery agent fail, each once: sentences."""
    doubts: list[str] = []
    attempt = cache(find_obstacles)  # most services want the same
    for service, transport in list_agents(settings):
        try:
            try_tls(settings.for_service(service, transport), doubts.append, f"{transport.value}: ", attempt)
        except MailriderError as fault:
            doubts.append(str(fault))
    return tuple(dict.fromkeys(doubts))


def find_obstacles(handshake: Handshake, authorities: Authorities, identity: Identity, depth: int) -> tuple[str, ...]:
    """Why there can be no context of these terms, or not the one that was wanted: sentences."""
    doubts: list[str] = []
    context: object = make_context(handshake, authorities, identity, depth, doubts.append)
    if isinstance(context, Unavailable):
        doubts += context.warnings
    elif isinstance(context, Unusable):
        doubts.append(context.warning)
    return tuple(doubts)


def try_tls(settings: Settings, warn: Warn, title: str = "", attempt: Attempt = find_obstacles) -> None:
    """The same for the one delivery agent whose settings these are.  Raises `WrongConfiguration`.

    `title` stands in front of sentences that name no parameter.
    """
    for name in PLAIN_FILES:
        _try_file(settings, name, warn)
    prefix = f"{settings.transport.value}_"
    if settings.smtp_tls_mta_sts and (missing := find_missing_package()):
        warn(f"{prefix}tls_mta_sts = yes: no policy can be fetched: {missing}")
    if says_something_of_tls(name for name in settings.entries if name.startswith(prefix)):
        _try_file(settings, "smtp_tls_CApath", warn)
        _try_contexts(settings, lambda text: warn(title + text), attempt)


def _try_file(settings: Settings, name: str, warn: Warn) -> None:
    path = getattr(settings, name)
    if not path:
        return
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))  # a folder can be opened as well
    except (OSError, ValueError) as trouble:
        own = f"{settings.transport.value}_{name.removeprefix('smtp_')}" if name.startswith("smtp_") else name
        warn(f"{own} = {path}: {getattr(trouble, 'strerror', None) or trouble}")


def _try_contexts(settings: Settings, warn: Warn, attempt: Attempt) -> None:
    """Make what handshakes need, with certificate checks and without."""
    demands = read_demands(settings)
    told = dict.fromkeys((*find_doubts(demands), *filter(None, [find_obstacle(demands)])))
    chosen = (demands.level,) if demands.level > TlsLevel.NONE else ()
    for level in dict.fromkeys((TlsLevel.MAY, TlsLevel.SECURE, *chosen)):
        terms = make_terms(demands, level, None, SOMEWHERE, None, told.setdefault)
        if isinstance(terms, NoPolicy):
            continue  # what is wrong has been told
        told |= dict.fromkeys(attempt(terms.handshake, terms.authorities, terms.identity, terms.depth))
    for text in told:
        warn(text)
