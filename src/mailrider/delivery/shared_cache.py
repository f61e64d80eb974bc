"""Connections that agents in several processes share: the interface of a cache outside of this process.

Only connections in clear text, without a login, go there, since neither a TLS session nor an identity can be handed to another
process; with nothing unanswered and nothing unread on them.  Whoever finds one takes it out, and proves with RSET, in front of
his envelope, that it is alive.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple, Protocol

from mailrider.delivery.opening import begin_session
from mailrider.delivery.profile import Profile
from mailrider.delivery.session import Session
from mailrider.events import Observer
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.model.tls import TlsLevel
from mailrider.net.deadline import DeadlineWheel
from mailrider.smtp.capabilities import Capabilities


class Place(NamedTuple):
    """What a connection is kept under.

    `nexthop` is the first element of the request's next hop as it was written, empty where a connection shall not be found
    by it; `element` the one that led to the server.  `sender` counts where logins go by sender, and is empty elsewhere;
    `logs_in`: there are passwords at all, though none for this connection.
    """

    service: str
    nexthop: str
    element: str = ""
    host: str = ""
    address: str = ""
    port: int = 0
    level: TlsLevel = TlsLevel.NONE
    sender: str | None = None
    logs_in: bool = False
    smtputf8: bool = False


class Facts(NamedTuple):
    """What is known of a kept connection.

    `host`, `address` and `port` are empty and 0 where they were not asked for or are not kept.  `reuses` counts the messages
    after the first, `expires_seconds` is the time of day (since 1970) from which on it takes no more.
    """

    level: TlsLevel
    reuses: int
    expires_seconds: float
    offered: Capabilities
    delays_dot: bool = False
    host: str = ""
    address: str = ""
    port: int = 0
    is_best_exchanger: bool = False


class Found(NamedTuple):
    """A connection that was found; whoever gets it closes the descriptor."""

    descriptor: int
    facts: Facts


class SharedCache(Protocol):
    """A cache outside of this process.  It never raises: what it does not have, or cannot take, is not kept."""

    @property
    def is_available(self) -> bool:
        """It was not found wanting a moment ago."""

    async def save(self, descriptor: int, place: Place, facts: Facts, idle_seconds: float) -> None:
        """Keep a connection for so long; the descriptor stays the caller's."""

    async def find_destination(self, place: Place) -> Found | None:
        """A connection that was kept for a next hop."""

    async def find_endpoint(self, place: Place) -> Found | None:
        """A connection to an address."""


def describe_session(session: Session, wall_seconds: float) -> Facts:
    """What another process has to know of a session, which is at rest."""
    left_seconds = session.opened_seconds + session.profile.cache.reuse_seconds - session.connection.now_seconds
    server = session.server
    return Facts(
        level=session.policy.level,
        reuses=max(0, session.uses - 1),
        expires_seconds=wall_seconds + left_seconds,
        offered=session.offered,
        delays_dot=session.delays_dot,
        host=server.host,
        address=server.address,
        port=server.port,
        is_best_exchanger=session.is_best_exchanger,
    )


def restore_session(
    found: Found,
    server: Server,
    profile: Profile,
    request: DeliveryRequest,
    wheel: DeadlineWheel,
    observer: Observer,
    wall_seconds: float,
) -> Session | None:
    """The session over a connection that was found; None where the descriptor is none of a connection."""
    connected = take_socket(found.descriptor)
    if connected is None:
        return None
    facts = found.facts
    session = begin_session(connected, server, profile, request, wheel, observer, profile.patience)
    session.offered = facts.offered
    session.connection.pipelining = facts.offered.pipelining
    session.uses = facts.reuses + 1
    session.opened_seconds += facts.expires_seconds - wall_seconds - profile.cache.reuse_seconds
    session.is_best_exchanger = facts.is_best_exchanger
    session.delays_dot = facts.delays_dot
    session.admitted = True
    return session


def take_socket(descriptor: int) -> socket.socket | None:
    """The socket of a descriptor that came from another process, if it is one over which SMTP can be spoken."""
    try:
        connected = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if connected.type != socket.SOCK_STREAM:
        connected.close()
        return None
    connected.setblocking(False)
    return connected
