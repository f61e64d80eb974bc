"""One message over one session: submit, await, account for every recipient.

The attempt knows the request, the ledger and the latest failure; it does not know which server comes next.  Under LMTP with
several recipients each reply to the dot is settled as it comes, since the next one may take ten minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mailrider.clock import Clock
from mailrider.content.lines import prepare_lines
from mailrider.delivery.ledger import Ledger
from mailrider.delivery.profile import Profile
from mailrider.delivery.session import Session
from mailrider.delivery.trouble import (
    STATUS,
    Disposition,
    Failure,
    failure_of_refusal,
    failure_of_trouble,
    judge,
)
from mailrider.errors import ContentUnreadable
from mailrider.events import Observer, ServerFailedSoftly, Warned
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, Delays, DestinationTrouble, Outcome, Status
from mailrider.model.request import BodyType, DeliveryRequest
from mailrider.smtp import commands
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply
from mailrider.smtp.transaction import NO_PROBE, Order, Transaction


class Progress:
    """What a request has lived through so far: the state that its attempts share."""

    __slots__ = (
        "clock", "destination_trouble", "handed_seconds", "had_complete_session", "latest", "ledger", "observer",
        "profile", "request", "setup_seconds",
    )  # fmt: skip

    def __init__(
        self, request: DeliveryRequest, profile: Profile, ledger: Ledger, clock: Clock, observer: Observer
    ) -> None:
        self.request = request
        self.profile = profile
        self.ledger = ledger
        self.clock = clock
        self.observer = observer
        self.latest: Failure | None = None
        self.destination_trouble: DestinationTrouble | None = None
        self.had_complete_session = False
        self.handed_seconds = clock.wall_seconds()
        self.setup_seconds = 0.0

    def delays(self) -> Delays:
        """The four delays as of now (semantics of `delays=a/b/c/d`)."""
        now = self.clock.wall_seconds()
        request = self.request
        setup = self.setup_seconds or now
        return Delays(
            max(0.0, request.active_seconds - request.arrival_seconds),
            max(0.0, self.handed_seconds - request.active_seconds),
            max(0.0, setup - self.handed_seconds),
            max(0.0, now - setup),
        )

    async def fail_all(self, failure: Failure, session: Session | None, *, last_server: bool) -> None:
        """The same failure for every open recipient."""
        await self.fail(list(self.ledger.open), failure, session, last_server=last_server)

    async def fail(
        self, indexes: list[int], failure: Failure, session: Session | None, *, last_server: bool, in_doubt: bool = False
    ) -> None:
        """Keep, defer or bounce these recipients, as `trouble.judge` has it."""
        self.latest = failure
        disposition = judge(failure, last_server=last_server, soft_bounce=self.profile.soft_bounce)
        if disposition is Disposition.KEEP:
            self.observer(ServerFailedSoftly(self.request.queue_id, failure.text))
            return
        outcome = self._failed_outcome(disposition, failure, session)
        if in_doubt:
            outcome = outcome._replace(in_doubt=True)
        for index in indexes:
            await self.ledger.settle(index, outcome)
        deferred = disposition is Disposition.DEFER or disposition is Disposition.SOFT_BOUNCE
        site = failure.scope is Scope.SITE and deferred and not self.had_complete_session
        if site and indexes and self.destination_trouble is None:
            self.destination_trouble = DestinationTrouble(outcome.status_code, failure.text)

    def _failed_outcome(self, disposition: Disposition, failure: Failure, session: Session | None) -> Outcome:
        status, action = STATUS[disposition]
        if self.request.probe:
            status = Status.UNDELIVERABLE
        soft_bounced = disposition is Disposition.SOFT_BOUNCE
        return Outcome(
            status=status,
            status_code=status_code.soften(failure.status) if soft_bounced else failure.status,
            text=failure.text,
            relay=session.relay if session is not None else "none",
            remote_mta=failure.remote_mta,
            reply=failure.reply,
            action=action,
            delays=self.delays(),
            connection_use=max(1, session.uses) if session is not None else 1,
            soft_bounced=soft_bounced,
        )

    async def accept(self, index: int, reply: Reply, session: Session) -> None:
        """A server has taken responsibility for this recipient."""
        text = reply.text
        outcome = Outcome(
            Status.DELIVERABLE if self.request.probe else Status.SENT,
            status_code.OK if reply.code // 100 == 3 else reply.status,
            text,
            session.relay,
            session.server.host,
            text,
            Action.RELAYED,
            self.delays(),
            session.uses,
        )
        await self.ledger.settle(index, outcome)


class Attempted(NamedTuple):
    """How an attempt ended.  `dead`: the idle connection had died, nothing has happened, try another."""

    dead: bool = False


async def attempt(session: Session, progress: Progress, is_last: Callable[[], bool], keep: bool) -> Attempted:
    """Deliver to the open recipients over this session.

    `is_last` tells whether no server follows.  `keep` asks for the connection to be left open; whether it is
    fit for that shows in `session.connection.reusable` afterwards.
    """
    profile, request = progress.profile, progress.request
    reused = session.uses > 0
    session.uses += 1
    session.queue_id = request.queue_id
    limit = session.offered.size_limit_octets
    if limit and request.content.size_octets > limit:
        await progress.fail_all(_too_large(request, session), session, last_server=is_last())
        progress.had_complete_session = True
        return Attempted()
    indexes = list(progress.ledger.open)
    progress.setup_seconds = progress.clock.wall_seconds()
    transaction = Transaction(_make_order(session, progress, indexes, keep, reused))
    if profile.lmtp and len(indexes) > 1:
        await _submit_and_follow(transaction, session, progress, indexes)
    else:
        await session.connection.submit(transaction)
    if reused and transaction.trouble is not None and not transaction.started:
        session.uses -= 1
        progress.setup_seconds = 0.0
        return Attempted(dead=True)
    for warning in transaction.warnings:
        progress.observer(Warned(warning))
    await _account(transaction, session, progress, indexes, is_last)
    progress.setup_seconds = 0.0
    return Attempted()


def _make_order(session: Session, progress: Progress, indexes: list[int], keep: bool, reused: bool) -> Order:
    """Put the request into the words that this server understands."""
    profile, request, offered = progress.profile, progress.request, session.offered
    envelope, content = request.envelope, request.content
    converting = profile.convert_to_7bit and not offered.eight_bit_mime and envelope.body is not BodyType.SEVEN_BIT
    quote = profile.quote_envelope
    recipients = envelope.recipients

    def open_content() -> Iterator[bytes]:
        return prepare_lines(content.chunks(), profile.line_length_limit_octets)

    def keep_open() -> bool:
        return keep and not session.is_expired(asyncio.get_running_loop().time())

    return Order(
        session.peer,
        commands.mail_from(envelope, offered, content.size_octets, converting=converting, quote=quote),
        tuple([commands.rcpt_to(recipients[index], offered, smtputf8=envelope.smtputf8, quote=quote) for index in indexes]),
        open_content,
        keep_open,
        profile.lmtp,
        profile.probe_target if request.probe else NO_PROBE,
        (),
        reused,
        profile.await_quit,
    )


def _too_large(request: DeliveryRequest, session: Session) -> Failure:
    offered: Capabilities = session.offered
    text = (
        f"message size {request.content.size_octets} exceeds size limit {offered.size_limit_octets} of server {session.peer}"
    )
    return Failure(Scope.MESSAGE, status_code.SIZE_EXCEEDED, text)


async def _submit_and_follow(
    transaction: Transaction, session: Session, progress: Progress, indexes: list[int]
) -> None:
    """Submit, and settle what was accepted while other replies to the dot are still awaited."""
    decided: asyncio.Queue[int] = asyncio.Queue()
    transaction.notify = decided.put_nowait
    finished = session.connection.submit(transaction)
    finished.add_done_callback(lambda _: decided.put_nowait(-1))
    while (position := await decided.get()) >= 0:
        verdict = transaction.verdicts[position]
        if isinstance(verdict, Reply):
            await progress.accept(indexes[position], verdict, session)
    await finished


async def _account(
    transaction: Transaction, session: Session, progress: Progress, indexes: list[int], is_last: Callable[[], bool]
) -> None:
    """Give every recipient what it got: accepted, refused, or caught in the trouble."""
    undecided: list[int] = []
    told: list[Refusal] = []
    for index, verdict in zip(indexes, transaction.verdicts, strict=True):
        if isinstance(verdict, Reply):
            if index in progress.ledger.open:
                await progress.accept(index, verdict, session)
        elif verdict is None:
            undecided.append(index)
        elif verdict.scope is not Scope.MESSAGE:
            failure = failure_of_refusal(verdict, session.server.host)
            await progress.fail([index], failure, session, last_server=is_last())
        elif verdict not in told:
            told.append(verdict)
            affected = [i for i, v in zip(indexes, transaction.verdicts, strict=True) if v is verdict]
            failure = failure_of_refusal(verdict, session.server.host)
            await progress.fail(affected, failure, session, last_server=is_last())
    trouble = transaction.trouble
    if trouble is None:
        progress.had_complete_session = True
    elif undecided:
        failure = failure_of_trouble(trouble, session.peer)
        # Another server cannot read the message either.
        last = is_last() or isinstance(trouble.cause, ContentUnreadable)
        await progress.fail(undecided, failure, session, last_server=last, in_doubt=transaction.in_doubt)
