"""Mailrider for programs: deliver mail now, over one engine, without a queue.

For one message::

    import mailrider

    results = await mailrider.deliver(message, sender="a@example.com", recipients=["b@dest.example"])
    for result in results:
        print(result.recipient, result.status, result.text)

For many, keep an `Agent`: it keeps connections, DNS answers and policies between deliveries, and any number of
deliveries may run at once::

    async with mailrider.Agent({"smtp_helo_name": "mail.example.com"}) as agent:
        async with asyncio.TaskGroup() as group:
            for message, recipient in outbox:
                group.create_task(agent.deliver(message, sender="a@example.com", recipients=[recipient]))

What a server says is in the results; an exception means that the call itself was wrong (`errors.WrongUsage`,
`errors.WrongConfiguration`, `errors.MissingInput`).  Who keeps the mail is the caller: a result that is `deferred`
is to be tried again later.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from mailrider.delivery.portions import group_by_domain, split_recipients
from mailrider.errors import MissingInput, WrongUsage
from mailrider.events import Observer, ignore_event
from mailrider.machine import read_settings
from mailrider.model.address import parse_address, quote_local_part
from mailrider.model.outcome import DeliveryReport, Outcome, Recorded, defer_for_transport
from mailrider.model.request import BodyType, Content, DeliveryRequest, Envelope, Recipient, Transport
from mailrider.model.texts import check_text, show
from mailrider.settings import Settings
from mailrider.spool.message import MemoryMessage, read_message
from mailrider.wiring import Engine

if TYPE_CHECKING:
    from email.message import EmailMessage

    AnyMessage = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO | EmailMessage
    """Message bytes, a path, a binary file, or an `EmailMessage`."""

AnySettings = Settings | Mapping[str, str] | str | os.PathLike[str] | None
"""`Settings`, parameters by name, a directory with a main.cf, or None for the built-in defaults."""


class DeliveryResult(NamedTuple):
    """What became of one recipient.

    `status` is `"sent"`, `"deferred"` or `"bounced"`; `status_code` the enhanced code (RFC 3463); `text` the server's words or
    ours; `relay` the server as `host[address]:port`, or `"none"`.  `outcome` has the rest: delays, the reply verbatim,
    whether the message is in doubt.
    """

    recipient: str
    status: str
    status_code: str
    text: str
    relay: str
    outcome: Outcome


class Agent:
    """Delivers messages, and keeps what can be kept between them.  Use it as an asynchronous context manager.

    `settings`: see `AnySettings`.  `observer` is called with every event (`mailrider.events`); it must be quick and must not
    raise.  Raises `WrongConfiguration` on entry for a setting that makes no sense.
    """

    def __init__(self, settings: AnySettings = None, *, observer: Observer = ignore_event) -> None:
        self._given = settings
        self._observer = observer
        self._engine: Engine | None = None

    async def __aenter__(self) -> Agent:
        engine = Engine(make_settings(self._given), self._observer)
        engine.check()
        self._engine = engine
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    async def deliver(
        self,
        message: AnyMessage,
        *,
        sender: str,
        recipients: Sequence[str],
        nexthop: str | None = None,
        transport: str = "smtp",
        queue_id: str = "NOQUEUE",
        envid: str = "",
        ret: str = "",
        smtputf8: bool = False,
    ) -> list[DeliveryResult]:
        """Deliver one message; a result for every recipient, in the order given.

        `sender` may be empty (the null sender).  `nexthop` is a destination in the syntax of Postfix's transport table
        (`example.org`, `[host]:port`, `unix:/path` for LMTP, or a list); by default it is the domain of each recipient.
        `queue_id` is what log lines and events call the message, `ret` is `"full"` or `"hdrs"`.  Raises `WrongUsage` for
        an address, a next hop or another argument that makes no sense and `MissingInput` for a file that cannot be read,
        before anything is sent.
        """
        if self._engine is None:
            raise WrongUsage("an Agent delivers between `async with` and its end")
        parsed = _parse_recipients(recipients)
        groups = _group(parsed) if nexthop is None else {check_text("nexthop", nexthop): parsed}
        content = make_content(message)
        envelope = Envelope(
            sender=read_address("sender", sender),
            recipients=(),
            envid=check_text("envid", envid),
            ret=choose("ret", ret, ("", "full", "hdrs")),
            body=BodyType.EIGHT_BIT if getattr(content, "labelled_8bit", False) else BodyType.UNKNOWN,
            smtputf8=smtputf8,
        )
        protocol = Transport(choose("transport", transport, ("smtp", "lmtp")))
        call = _Call(self._engine, envelope, content, protocol, check_text("queue_id", queue_id))
        outcomes = await call.deliver(groups)
        return [_result(recipient, outcomes[position]) for position, recipient in enumerate(parsed)]


class _Call:
    """One call of `Agent.deliver`: a request for every destination and portion, all at once."""

    def __init__(
        self, engine: Engine, envelope: Envelope, content: Content, transport: Transport, queue_id: str
    ) -> None:
        self._engine = engine
        self._envelope = envelope
        self._content = content
        self._transport = transport
        self._queue_id = queue_id

    async def deliver(self, groups: Mapping[str, Sequence[Recipient]]) -> dict[int, Outcome]:
        """Outcomes by the recipients' tokens."""
        service = self._transport.value
        agent = self._engine.agent(self._transport, service)
        requests = []
        for nexthop, recipients in groups.items():
            agent.check_nexthop(nexthop)
            for portion in split_recipients(recipients, self._engine.recipient_limit(service)):
                requests.append(self._request(nexthop, portion))
        if len(requests) == 1:
            reports = [await agent.deliver(requests[0], self)]
        else:
            reports = await asyncio.gather(*(agent.deliver(request, self) for request in requests))
        outcomes: dict[int, Outcome] = {}
        for request, report in zip(requests, reports, strict=True):
            _collect(request, report, outcomes)
        return outcomes

    def _request(self, nexthop: str, recipients: tuple[Recipient, ...]) -> DeliveryRequest:
        given = self._envelope
        now = self._engine.clock.wall_seconds()
        return DeliveryRequest(
            envelope=Envelope(given.sender, recipients, given.envid, given.ret, given.body, given.smtputf8),
            content=self._content,
            nexthop=nexthop,
            transport=self._transport,
            service=self._transport.value,
            queue_id=self._queue_id,
            arrival_seconds=now,
            active_seconds=now,
        )

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        """The caller keeps the mail, and hears from us at the end."""
        return Recorded.RECORDED


def _parse_recipients(recipients: Sequence[str]) -> list[Recipient]:
    """The recipients with their places as tokens."""
    if isinstance(recipients, str | bytes) or not isinstance(recipients, Iterable):
        raise WrongUsage(f"recipients is {show(recipients)}, expected a list of addresses")
    parsed = []
    for position, text in enumerate(recipients):
        address = read_address("recipient", text)
        if not address:
            raise WrongUsage("a recipient is empty")
        parsed.append(Recipient(address, token=position))
    if not parsed:
        raise WrongUsage("no recipient is given")
    return parsed


def _group(recipients: Sequence[Recipient]) -> Mapping[str, Sequence[Recipient]]:
    """The recipients by the domains that are their next hops."""
    groups = group_by_domain(recipients)
    if "" in groups:
        address = quote_local_part(groups[""][0].address)
        raise WrongUsage(f"recipient {show(address)} has no domain, and no next hop is given")
    return groups


def read_address(name: str, text: str) -> str:
    """The inside form of an address that a caller gives; a name in front of it is no part of it."""
    address = parse_address(check_text(name, text))
    if address.endswith(">"):
        raise WrongUsage(f"{name} {show(text)}: give the address alone, without a name in front of it")
    return address


def choose(name: str, value: str, words: Sequence[str]) -> str:
    """One of the words, whatever its case."""
    if isinstance(value, str) and value.lower() in words:
        return value.lower()
    raise WrongUsage(f"{name} is {show(value)}, expected {' or '.join(filter(None, words))}")


def _collect(request: DeliveryRequest, report: DeliveryReport, outcomes: dict[int, Outcome]) -> None:
    for recipient, outcome in zip(request.envelope.recipients, report.outcomes, strict=True):
        assert isinstance(recipient.token, int)
        if outcome is None:
            outcome = defer_for_transport(report.hand_over.transport if report.hand_over is not None else "")
        outcomes[recipient.token] = outcome


def _result(recipient: Recipient, outcome: Outcome) -> DeliveryResult:
    return DeliveryResult(
        quote_local_part(recipient.address),
        outcome.status.value,
        outcome.status_code,
        outcome.text,
        outcome.relay,
        outcome,
    )


def make_settings(given: AnySettings) -> Settings:
    """Settings in any of the forms that `Agent` takes.  Raises `WrongConfiguration`."""
    if isinstance(given, Settings):
        return given
    if given is None or isinstance(given, Mapping):
        return read_settings(None, [f"{name}={_as_text(value)}" for name, value in (given or {}).items()])
    return read_settings(Path(given))


def _as_text(value: object) -> object:
    """Python's truth in the words of main.cf."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def make_content(message: AnyMessage) -> Content:
    """A message in any of the forms that `Agent.deliver` takes.  Raises `MissingInput`, `WrongUsage`."""
    if isinstance(message, bytes | bytearray | memoryview):
        return MemoryMessage(bytes(message))
    if isinstance(message, str | os.PathLike):
        if isinstance(message, str) and "\n" in message:
            raise WrongUsage(f"a text is the path of a message, and {show(message)} is none; encode a message")
        return read_message(os.fspath(message))
    if hasattr(message, "as_bytes"):
        try:
            return MemoryMessage(message.as_bytes())
        except Exception as cause:  # the email package raises whatever it stumbles over
            raise WrongUsage(f"the message cannot be written as octets: {cause}") from cause
    if hasattr(message, "read"):
        try:
            octets: Any = message.read()
        except OSError as cause:
            raise MissingInput(f"cannot read the message: {cause.strerror}") from None
        except ValueError as cause:
            raise WrongUsage(f"cannot read the message: {cause}") from None
        if isinstance(octets, bytes):
            return MemoryMessage(octets)
        raise WrongUsage("the message file is not open in binary mode")
    raise WrongUsage(f"a message is bytes, a path, a binary file or an EmailMessage, not {type(message).__name__}")


async def deliver(
    message: AnyMessage,
    *,
    sender: str,
    recipients: Sequence[str],
    nexthop: str | None = None,
    transport: str = "smtp",
    settings: AnySettings = None,
    observer: Observer = ignore_event,
    **options: Any,
) -> list[DeliveryResult]:
    """Deliver one message with an agent of its own: see `Agent` for `settings` and `observer`, `Agent.deliver` for the rest."""
    async with Agent(settings, observer=observer) as agent:
        return await agent.deliver(
            message, sender=sender, recipients=recipients, nexthop=nexthop, transport=transport, **options
        )


def deliver_sync(
    message: AnyMessage,
    *,
    sender: str,
    recipients: Sequence[str],
    nexthop: str | None = None,
    transport: str = "smtp",
    settings: AnySettings = None,
    observer: Observer = ignore_event,
    **options: Any,
) -> list[DeliveryResult]:
    """`deliver` for code that has no event loop.  Raises `WrongUsage` where one runs."""
    if asyncio._get_running_loop() is not None:
        raise WrongUsage("deliver_sync is for code without an event loop: where one runs, await deliver")
    return asyncio.run(
        deliver(
            message,
            sender=sender,
            recipients=recipients,
            nexthop=nexthop,
            transport=transport,
            settings=settings,
            observer=observer,
            **options,
        )
    )
