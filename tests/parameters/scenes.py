"""One parameter, one scene: what a server, a name service or a log sees of a setting."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delivery.scene import Scene, at, statuses
from mailrider.events import Event, Warned
from mailrider.model.outcome import Outcome
from mailrider.model.request import Recipient, Transport
from mailrider.route.exchangers import Found, NotFound, find_servers
from mailrider.route.nexthop import parse_nexthop
from mailrider.route.policy import route_policy
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.record import Session
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import Zone, ZoneResolver
from virtual_time import run

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"


@dataclass
class Talk:
    """What became of the messages, and what the server saw."""

    statuses: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def commands(self) -> list[str]:
        """All commands of all sessions."""
        return [command for session in self.sessions for command in session.commands]

    @property
    def contents(self) -> list[bytes]:
        """The messages as they arrived."""
        return [message.content for session in self.sessions for message in session.messages]

    @property
    def warnings(self) -> list[str]:
        """What was warned of."""
        return [event.text for event in self.events if isinstance(event, Warned)]

    @property
    def text(self) -> str:
        """The text of the first outcome."""
        return self.outcomes[0].text


def words_of(settings: Mapping[str, object]) -> list[str]:
    """The settings as options."""
    words = {True: "yes", False: "no"}
    return [f"{name}={words[value] if isinstance(value, bool) else value}" for name, value in settings.items()]


def settings_of(transport: Transport = Transport.SMTP, **settings: object) -> Settings:
    """Settings as a command line gives them."""
    return load_settings(None, words_of(settings), host=HostFacts("me.example.test"), transport=transport)


def talk(
    *recipients: str | Recipient,
    rules: Sequence[Rule] = (),
    keywords: Sequence[str] = DEFAULT_KEYWORDS,
    lmtp: bool = False,
    content: bytes = MESSAGE,
    times: int = 1,
    pause_seconds: float = 0.0,
    options: Mapping[str, Any] | None = None,
    **settings: object,
) -> Talk:
    """Deliver over one scripted server, on a clock that jumps; `times` in a row with a pause between."""
    said = Talk()

    async def main() -> None:
        server = ScriptedServer(*rules, keywords=tuple(keywords), lmtp=lmtp)
        async with server as peer, Scene(Transport.LMTP if lmtp else Transport.SMTP, **settings) as scene:
            began = scene.clock.monotonic_seconds()
            for number in range(times):
                if number:
                    await asyncio.sleep(pause_seconds)
                nexthop = f"inet:{at(peer)}" if lmtp else at(peer)
                report = await scene.deliver(nexthop, *recipients, content=MemoryMessage(content), **(options or {}))
                said.statuses += statuses(report)
                said.outcomes += [outcome for outcome in report.outcomes if outcome is not None]
            said.seconds = round(scene.clock.monotonic_seconds() - began, 3)
            said.sessions, said.events = peer.sessions, scene.events

    run(main())
    return said


@dataclass
class Way:
    """Where mail would go, and what was asked for it."""

    result: Found | NotFound
    asked: list[tuple[str, str]]
    events: list[Event]

    @property
    def relays(self) -> list[str]:
        """The servers in order."""
        assert isinstance(self.result, Found), self.result
        return [server.relay for server in self.result.servers]

    @property
    def status(self) -> str:
        """Why there are none."""
        assert isinstance(self.result, NotFound), self.result
        return self.result.status


def find_way(
    nexthop: str,
    *records: str,
    faults: Mapping[str, str] | None = None,
    hosts: Mapping[str, Any] | None = None,
    own: Sequence[str] = (),
    secure: bool = False,
    transport: Transport = Transport.SMTP,
    seed: int = 1,
    **settings: object,
) -> Way:
    """Look for the servers of a next hop in a zone."""
    read = settings_of(transport, **settings)
    policy = route_policy(read, own, chance=random.Random(seed))
    zone = Zone(records, faults=dict(faults or {}), secure=secure)
    destination = parse_nexthop(nexthop, transport, read.smtp_tcp_port, read.known_tcp_ports)[0]
    events: list[Event] = []
    result = asyncio.run(find_servers(destination, ZoneResolver(zone, hosts), policy, events.append))
    return Way(result, [(name, kind) for name, kind, _ in zone.asked], events)
