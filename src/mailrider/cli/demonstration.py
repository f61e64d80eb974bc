"""The small world of `mailrider demo`, and what happens in it.

The world: a name server with one zone; `demo.example` with three MX hosts on one port, of which the best, on 127.0.0.2, is a
port where nobody listens; a mailbox server that speaks LMTP on a UNIX-domain socket.  All of it lives in this process and
on free ports, and ends with it.

Everything is deterministic but time: the messages, their sizes, and what must become of each.  Linux answers on all of
127.0.0.0/8; other systems need the addresses 127.0.0.2 to 127.0.0.4 on their loopback interface.
"""

from __future__ import annotations

import asyncio
import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from mailrider.api import Agent, DeliveryResult
from mailrider.errors import WrongUsage
from mailrider.events import ConnectFailed, Event
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import ZoneServer

DOMAIN: Final = "demo.example"
MAILBOXES: Final = "mailbox.example"

AT_ONCE: Final = 20
"""Deliveries at the same time: `default_destination_concurrency_limit`."""

BIND_ATTEMPTS: Final = 20
"""Ports that are tried until one is free on all addresses."""

SIZES_OCTETS: Final = (500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 8_000, 16_000, 64_000)
"""What messages are like: 4 kB in the middle and a few large ones."""

REFUSED: Final = f"refused@{DOMAIN}"
LATER: Final = f"later@{DOMAIN}"

_DEAD, _FIRST, _SECOND = "127.0.0.2", "127.0.0.3", "127.0.0.4"
_RULES = (
    Rule(match=f"^RCPT TO:<{REFUSED}>", reply="550 5.1.1 there is nobody of that name"),
    Rule(match=f"^RCPT TO:<{LATER}>", reply="450 4.2.2 the mailbox is full"),
)


class Job(NamedTuple):
    """One message to deliver, and what must become of it."""

    recipient: str
    message: bytes
    by_lmtp: bool
    expected: str


class Row(NamedTuple):
    """What several deliveries have in common."""

    destination: str
    server: str
    status: str
    status_code: str
    reason: str


@dataclass(slots=True)
class Report:
    """What happened.  `intact` counts the messages that arrived exactly once, octet for octet."""

    messages: int
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    counts: Counter[Row] = field(default_factory=Counter)
    failed_connections: int = 0
    connections: int = 0
    arrived: int = 0
    arrived_octets: int = 0
    intact: int = 0
    surprises: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Recipients whose message was accepted."""
        return self.statuses["sent"]

    @property
    def deferred(self) -> int:
        """Recipients that are to be tried again."""
        return self.statuses["deferred"]

    @property
    def bounced(self) -> int:
        """Recipients that were refused for good."""
        return self.statuses["bounced"]

    @property
    def recipients_per_second(self) -> float:
        """The rate, over all that were tried."""
        return self.messages / self.seconds if self.seconds else 0.0

    @property
    def as_expected(self) -> bool:
        """Whether everything went as it had to."""
        return not self.surprises

    @property
    def rows(self) -> list[tuple[Row, int]]:
        """What happened and how often, by destination, most frequent first."""
        return sorted(self.counts.items(), key=lambda item: (item[0].destination, -item[1], item[0]))

    def as_object(self) -> dict[str, object]:
        """The report for `--json`."""
        return {
            "messages": self.messages,
            "sent": self.sent,
            "deferred": self.deferred,
            "bounced": self.bounced,
            "seconds": round(self.seconds, 3),
            "per_second": round(self.recipients_per_second, 1),
            "failed_connections": self.failed_connections,
            "connections": self.connections,
            "arrived": self.arrived,
            "arrived_octets": self.arrived_octets,
            "intact": self.intact,
            "as_expected": self.as_expected,
            "surprises": self.surprises,
            "rows": [{**row._asdict(), "count": count} for row, count in self.rows],
        }


async def demonstrate(messages: int, progress: Callable[[], None] = lambda: None) -> Report:
    """Build the world, deliver `messages` messages in it, and say what happened; `progress` is called after each."""
    report = Report(messages)
    jobs = list(make_jobs(messages))
    async with AsyncExitStack() as stack:
        world = await _World.open(stack)
        agent = await stack.enter_async_context(Agent(world.settings(), observer=_Counting(report)))
        started_seconds = time.perf_counter()
        waiting = iter(jobs)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_work_off(waiting, agent, world, report, progress))
        report.seconds = time.perf_counter() - started_seconds
    _compare(jobs, world.servers, report)
    return report


def make_jobs(messages: int) -> Iterator[Job]:
    """The messages, the same ones every time."""
    chance = random.Random(messages)
    refused, later = messages // 2, messages // 2 + 1
    for number in range(messages):
        by_lmtp = number % 5 == 4 and number not in (refused, later)
        if number == refused:
            recipient, expected = REFUSED, "bounced"
        elif number == later:
            recipient, expected = LATER, "deferred"
        else:
            recipient, expected = f"user{number}@{MAILBOXES if by_lmtp else DOMAIN}", "sent"
        yield Job(recipient, _make_message(number, recipient, chance.choice(SIZES_OCTETS)), by_lmtp, expected)


def _make_message(number: int, recipient: str, size_octets: int) -> bytes:
    head = (
        f"From: Mailrider <demo@sender.example>\r\nTo: {recipient}\r\nSubject: message {number}\r\n"
        f"Message-ID: <{number}@sender.example>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n"
    )
    # Every eighth line begins with a dot, which must arrive as it is.
    lines = [f"{'.' if line % 8 == 0 else ''}This is line {line} of message {number}." for line in range(size_octets // 34)]
    return (head + "\r\n".join(lines) + "\r\n").encode()


class _World:
    """The servers, while they run."""

    def __init__(self, zone: ZoneServer, exchangers: list[ScriptedServer], mailbox: ScriptedServer) -> None:
        self._zone = zone
        self._port = exchangers[0].port
        self._socket = mailbox.address
        self.servers = [*exchangers, mailbox]

    @classmethod
    async def open(cls, stack: AsyncExitStack) -> _World:
        """Start everything; it ends with the stack."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailrider-demo-")))
        mailbox = ScriptedServer(lmtp=True, name=f"lmtp.{MAILBOXES}", path=folder / "lmtp")
        await stack.enter_async_context(mailbox)
        exchangers = await _open_exchangers(stack)
        zone = ZoneServer(
            [
                f"{DOMAIN} MX 10 mx1.{DOMAIN}",
                f"{DOMAIN} MX 20 mx2.{DOMAIN}",
                f"{DOMAIN} MX 30 mx3.{DOMAIN}",
                f"mx1.{DOMAIN} A {_DEAD}",
                f"mx2.{DOMAIN} A {_FIRST}",
                f"mx3.{DOMAIN} A {_SECOND}",
            ]
        )
        await stack.enter_async_context(zone)
        return cls(zone, exchangers, mailbox)

    def settings(self) -> dict[str, str]:
        """What the agent has to know of this world."""
        return {
            "dns_nameservers": f"{self._zone.address}:{self._zone.port}",
            "inet_protocols": "ipv4",
            "myhostname": "client.sender.example",
            "smtp_randomize_addresses": "no",
        }

    async def deliver(self, agent: Agent, job: Job) -> list[DeliveryResult]:
        """Deliver one message."""
        return await agent.deliver(
            job.message,
            sender="demo@sender.example",
            recipients=[job.recipient],
            nexthop=f"unix:{self._socket}" if job.by_lmtp else f"{DOMAIN}:{self._port}",
            transport="lmtp" if job.by_lmtp else "smtp",
        )


async def _open_exchangers(stack: AsyncExitStack) -> list[ScriptedServer]:
    """The two MX hosts that answer, on one port, which nobody has on the address of the third."""
    for _ in range(BIND_ATTEMPTS):
        async with AsyncExitStack() as attempt:
            try:
                first = await attempt.enter_async_context(ScriptedServer(*_RULES, name=f"mx2.{DOMAIN}", host=_FIRST))
                # Held while the others are opened, so that the port is free here too.
                with socket.create_server((_DEAD, first.port)):
                    second = ScriptedServer(*_RULES, name=f"mx3.{DOMAIN}", host=_SECOND, port=first.port)
                    await attempt.enter_async_context(second)
            except OSError as trouble:
                last = trouble
                continue
            stack.push_async_exit(attempt.pop_all())
            return [first, second]
    raise WrongUsage(f"the demo needs the loopback addresses {_DEAD} to {_SECOND}: {last.strerror or last}")


async def _work_off(waiting: Iterator[Job], agent: Agent, world: _World, report: Report, progress: Callable[[], None]) -> None:
    """Deliver what is waiting, one after the other."""
    for job in waiting:
        for result in await world.deliver(agent, job):
            report.statuses[result.status] += 1
            report.counts[_row(job, result)] += 1
            if result.status != job.expected:
                report.surprises.append(f"{job.recipient} is {result.status}: {result.text}")
        progress()


def _row(job: Job, result: DeliveryResult) -> Row:
    # The port and the path differ from run to run, and a queue id from message to message.
    server = "LMTP on a socket" if job.by_lmtp else result.relay.partition("[")[0]
    reason = "accepted" if result.status == "sent" else result.outcome.reply or result.text
    return Row(MAILBOXES if job.by_lmtp else DOMAIN, server, result.status, result.status_code, reason)


class _Counting:
    """An observer that counts connections that could not be made."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, event: Event) -> None:
        """Count the event, if it is one."""
        if isinstance(event, ConnectFailed):
            self._report.failed_connections += 1


def _compare(jobs: list[Job], servers: list[ScriptedServer], report: Report) -> None:
    """Hold what arrived against what was sent."""
    arrived: Counter[tuple[str, bytes]] = Counter()
    for server in servers:
        report.connections += len(server.sessions)
        for message in server.messages:
            report.arrived += 1
            report.arrived_octets += message.size_octets
            arrived[" ".join(message.recipients), message.content] += 1
    for job in jobs:
        if job.expected == "sent" and arrived[job.recipient, job.message] == 1:
            report.intact += 1
    expected = sum(job.expected == "sent" for job in jobs)
    if report.intact != expected or report.arrived != expected:
        report.surprises.append(f"{report.arrived} messages arrived and {report.intact} intact, where {expected} had to")
    if not report.failed_connections:
        report.surprises.append("nobody tried the best MX host, which does not answer")
