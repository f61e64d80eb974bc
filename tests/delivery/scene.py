"""A delivery agent with scripted servers around it, on a clock that jumps.

`Scene` knows where every host is, so no name service is asked; `MX` and the like are lists of servers that a test writes down.
What the agent settles, tells and reports is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from mailrider.delivery.agent import DeliveryAgent
from mailrider.delivery.profile import Profile, make_profile
from mailrider.delivery.shared_cache import SharedCache
from mailrider.events import ConnectFailed, Event, Observer, RecipientSettled, ServerFailedSoftly, Warned
from mailrider.model.outcome import DeliveryReport, Outcome, Recorded
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.model.server import Family, Server
from mailrider.net.deadline import DeadlineWheel
from mailrider.route.directory import Directory, Roads
from mailrider.route.exchangers import Found, NotFound
from mailrider.route.nexthop import Destination
from mailrider.route.policy import RoutePolicy
from mailrider.settings import HostFacts
from mailrider.settings.loading import load_settings
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import ScriptedServer
from virtual_time import VirtualClock

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
NOWHERE = "[127.0.0.1]:1"
"""A next hop at which nobody listens (IANA: tcpmux)."""


def profile_of(transport: Transport = Transport.SMTP, **settings: object) -> Profile:
    """The profile of these settings; `True` is `yes`."""
    words = {True: "yes", False: "no"}
    overrides = [f"{name}={words[value] if isinstance(value, bool) else value}" for name, value in settings.items()]
    loaded = load_settings(None, overrides, host=HostFacts("me.example.test"))
    return make_profile(loaded.bind(transport), lambda text: None)


def server_of(peer: ScriptedServer, host: str = "mx.example.test", preference: int = 0) -> Server:
    """A scripted server as the directory knows it."""
    if peer.path is not None:
        return Server(host, str(peer.path), 0, Family.UNIX, preference)
    return Server(host, peer.address, peer.port, Family.IPV4, preference)


def nobody(host: str = "gone.example.test", preference: int = 0) -> Server:
    """A server that refuses connections."""
    return Server(host, "127.0.0.1", 1, Family.IPV4, preference)


class KnownDirectory(Directory):
    """Gives the servers that a test has written down for a host; a numeric host is itself."""

    def __init__(
        self, profile: Profile, routes: Mapping[str, Sequence[Server] | Found | NotFound], resolver: Any = None
    ) -> None:
        roads = Roads(
            default_service="25",
            known_ports={},
            fallbacks=profile.fallbacks,
            address_limit=profile.address_limit,
            session_limit=profile.session_limit,
        )
        super().__init__(resolver, RoutePolicy(transport=profile.transport), roads)
        self.routes = dict(routes)
        self.asked: list[str] = []

    async def find(self, destination: Destination, observer: Observer) -> Found | NotFound:
        self.asked.append(destination.text)
        if destination.path:
            return Found((Server("me.example.test", destination.path, 0, Family.UNIX),))
        found = self.routes.get(destination.host)
        if found is None:
            assert destination.host.startswith("127."), f"nobody knows {destination.host}"
            return Found((Server(destination.host, destination.host, destination.port, Family.IPV4),))
        return found if isinstance(found, Found | NotFound) else Found(tuple(found))


class Keeper:
    """Who keeps the mail."""

    def __init__(self) -> None:
        self.settled: list[tuple[str, Outcome]] = []
        self.fails_for: set[str] = set()

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        await asyncio.sleep(0)
        self.settled.append((recipient.address, outcome))
        return Recorded.NOT_RECORDED if recipient.address in self.fails_for else Recorded.RECORDED


class Scene:
    """An agent; use it as an asynchronous context manager, inside that of the servers."""

    def __init__(
        self,
        transport: Transport = Transport.SMTP,
        *,
        routes: Mapping[str, Sequence[Server] | Found | NotFound] | None = None,
        resolver: Any = None,
        flags: str = "",
        shared: SharedCache | None = None,
        **settings: object,
    ) -> None:
        self.profile = replace(profile_of(transport, **settings), flags=flags)
        self.directory = KnownDirectory(self.profile, routes or {}, resolver)
        self.events: list[Event] = []
        self.keeper = Keeper()
        self.clock = VirtualClock()
        loop = asyncio.get_running_loop()
        wheel = DeadlineWheel(loop)
        self.agent = DeliveryAgent(self.profile, self.directory, wheel, self.clock, self.events.append, shared)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.agent.close()

    def request(self, nexthop: str, *recipients: str | Recipient, content: Any = None, **options: Any) -> DeliveryRequest:
        """A request from `a@example.test` to recipients `b@example.test` or those named."""
        now = self.clock.wall_seconds()
        envelope = Envelope(
            options.pop("sender", "a@example.test"),
            tuple(
                name if isinstance(name, Recipient) else Recipient(f"{name}@example.test") for name in (recipients or ("b",))
            ),
            **{name: options.pop(name) for name in ("body", "smtputf8", "envid", "ret") if name in options},
        )
        given = {
            "queue_id": "QID",
            "transport": self.profile.transport,
            "service": self.profile.transport.value,
            "arrival_seconds": now,
            "active_seconds": now,
        } | options
        return DeliveryRequest(envelope, content or MemoryMessage(MESSAGE), nexthop, **given)

    async def deliver(self, nexthop: str, *recipients: str | Recipient, **options: Any) -> DeliveryReport:
        return await self.agent.deliver(self.request(nexthop, *recipients, **options), self.keeper)

    def told(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def soft_failures(self) -> list[str]:
        return [event.text for event in self.told(ServerFailedSoftly)]

    @property
    def failed_connections(self) -> list[str]:
        return [event.text for event in self.told(ConnectFailed)]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.told(Warned)]

    @property
    def settled(self) -> list[str]:
        """Who was settled, in order."""
        return [event.recipient.address for event in self.told(RecipientSettled)]


def at(*peers: ScriptedServer) -> str:
    """A next hop that lists these servers."""
    return ", ".join(f"[{peer.address}]:{peer.port}" for peer in peers)


def brief(report: DeliveryReport) -> list[str]:
    """Status, code and text of each outcome."""
    return [f"{o.status.value} {o.status_code} {o.text}" if o is not None else "handed over" for o in report.outcomes]


def statuses(report: DeliveryReport) -> list[str]:
    """Status and code of each outcome."""
    return [f"{o.status.value} {o.status_code}" if o is not None else "handed over" for o in report.outcomes]


class Pieces:
    """A content that comes in the pieces of a list; an exception in it is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.size_octets = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
        self.readings = 0

    def chunks(self) -> Iterator[bytes]:
        self.readings += 1
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece
