"""One message over one session: submit, await, account for every recipient.

The attempt knows the request, the ledger and the latest failure; it does not know which server comes next.  Under LMTP with
several recipients each reply to the dot is settled as it comes, since the next one may take ten minutes.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable

from mailrider.delivery.dsn_refusal import is_about_dsn, refuses_dsn
from mailrider.delivery.orders import make_transaction
from mailrider.delivery.progress import Progress
from mailrider.delivery.session import Session
from mailrider.delivery.trouble import Failure, fail_without_data, failure_of_refusal, failure_of_trouble
from mailrider.errors import ContentUnreadable, TableTrouble
from mailrider.events import Warned
from mailrider.model import status as status_code
from mailrider.model.request import DeliveryRequest
from mailrider.smtp.chunked import ChunkedTransaction
from mailrider.smtp.handshake import take_leave
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply
from mailrider.smtp.transaction import Transaction


class Course(enum.Enum):
    """How to go on after an attempt.

    DONE: every recipient has been accounted for, or is kept for the next server.  In the other cases nothing has
    happened: the kept connection was DEAD, or the server does not understand BDAT after all (NO_BDAT), or does not read what
    rides behind the end of a message (NO_STREAM).  NO_DSN: nothing has happened to those whose DSN parameters were refused, and
    the session is as after DONE.
    """

    DONE = enum.auto()
    DEAD = enum.auto()
    NO_BDAT = enum.auto()
    NO_STREAM = enum.auto()
    NO_DSN = enum.auto()


DONE = Course.DONE
"""Looking up a member of an Enum is dear until Python 3.12."""


async def attempt(
    session: Session,
    progress: Progress,
    is_last: Callable[[], bool],
    keep: bool,
    released: Callable[[bool], None] | None = None,
) -> Course:
    """Deliver to the open recipients over this session.

    `is_last` tells whether no server follows.  `keep` asks for the connection to be left open; whether it is fit for
    that shows in `session.connection.reusable` afterwards.  `released` is called when the session can take another message
    while the end of this one is still awaited.
    """
    profile, request = progress.profile, progress.request
    reused = session.uses > 0
    session.uses += 1
    progress.connection_use = session.uses
    session.queue_id = request.queue_id
    if not reused and await _is_refused(session, progress, is_last):
        return DONE
    indexes = list(progress.ledger.open)
    progress.setup_seconds = progress.clock.wall_seconds()
    try:
        transaction = make_transaction(session, progress, indexes, keep=keep, reused=reused, released=released)
    except TableTrouble as trouble:
        progress.observer(Warned(str(trouble), request.queue_id))
        await progress.fail_all(fail_without_data(session.peer), session, last_server=is_last())
        return DONE
    if profile.lmtp and len(indexes) > 1:
        await _submit_and_follow(transaction, session, progress, indexes)
    else:
        await session.connection.submit(transaction)
    course = _choose_course(transaction, session, progress, reused=reused)
    if course is DONE or course is Course.NO_DSN:
        await _account(transaction, session, progress, indexes, is_last, spares=course is not DONE)
    progress.setup_seconds = 0.0
    return course


async def _is_refused(session: Session, progress: Progress, is_last: Callable[[], bool]) -> bool:
    """Whether the message cannot go over this new session, before anything is said."""
    limit, request = session.offered.size_limit_octets, progress.request
    # smtp(8) does not remember the limit with a connection that it keeps; the server itself will say no.
    if limit and request.content.size_octets > limit:
        await progress.fail_all(_too_large(request, session), session, last_server=is_last())
        progress.had_complete_session = True
        return True
    return session.tls is not None and await _is_cut_in(session, progress, is_last)


def _choose_course(transaction: Transaction, session: Session, progress: Progress, *, reused: bool) -> Course:
    """What has become of the transaction as a whole."""
    profile, queue_id = progress.profile, progress.request.queue_id
    if reused and transaction.trouble is not None and not transaction.started:
        session.uses -= 1
        return _take_back(transaction, session, progress)
    if isinstance(transaction, ChunkedTransaction):
        if transaction.bdat_failed:
            progress.observer(Warned(f"host {session.peer} announces CHUNKING and does not understand BDAT", queue_id))
            return Course.NO_BDAT
        session.bdat_proved = session.bdat_proved or transaction.bdat_taken
    for warning in transaction.warnings:
        progress.observer(Warned(warning))
    if profile.dsn_fallback and session.offered.dsn and refuses_dsn(transaction):
        text = f"host {session.peer} announces DSN and refuses its parameters: trying again without them"
        progress.observer(Warned(text, queue_id))
        return Course.NO_DSN
    return DONE


def _take_back(transaction: Transaction, session: Session, progress: Progress) -> Course:
    """The server never answered, or not to this message: it can go another way."""
    queue_id = progress.request.queue_id
    if transaction.in_doubt:
        progress.in_doubt = True
        text = f"lost connection with {session.peer} behind the whole message: it is sent again, and may arrive twice"
        progress.observer(Warned(text, queue_id))
    if not transaction.astray:
        return Course.DEAD
    progress.observer(Warned(f"host {session.peer} does not read what rides behind the end of a message", queue_id))
    return Course.NO_STREAM


async def _is_cut_in(session: Session, progress: Progress, is_last: Callable[[], bool]) -> bool:
    """A reply inside TLS to what we have not said yet: somebody may have put commands of his own in front of ours
    (`smtp_tls_block_early_mail_reply`, CVE-2009-3555).  True where nothing is sent for that.
    """
    profile, connection = progress.profile, session.connection
    if not profile.settings.smtp_tls_block_early_mail_reply or not connection.is_addressed():
        return False
    parameter = f"{profile.transport.value}_tls_block_early_mail_reply"
    progress.observer(Warned(f"server {session.peer} violates {parameter} policy"))
    failure = Failure(Scope.SITE, status_code.UNEXPECTED_MESSAGE, "unexpected server message")
    await progress.fail_all(failure, session, last_server=is_last())
    connection.run(take_leave(connection.wire, await_reply=profile.await_quit))
    return True


def _too_large(request: DeliveryRequest, session: Session) -> Failure:
    offered = session.offered
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
    transaction: Transaction,
    session: Session,
    progress: Progress,
    indexes: list[int],
    is_last: Callable[[], bool],
    *,
    spares: bool = False,
) -> None:
    """Give every recipient what it got: accepted, refused, or caught in the trouble.

    `spares` those whose DSN parameters were refused.
    """
    undecided: list[int] = []
    told: list[Refusal] = []
    for index, verdict in zip(indexes, transaction.verdicts, strict=True):
        if isinstance(verdict, Reply):
            if index in progress.ledger.open:
                await progress.accept(index, verdict, session)
        elif verdict is None:
            undecided.append(index)
        elif spares and is_about_dsn(transaction, verdict):
            pass
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
        last = not session.caught_in(trouble) and (is_last() or isinstance(trouble.cause, ContentUnreadable))
        await progress.fail(undecided, failure, session, last_server=last, in_doubt=transaction.in_doubt)
