"""The opening of a session: dialling, the greeting, TLS, what the server can, and logging in.

`open_session` answers with a `Session` or with the reason why there is none.  `begin_session` makes one of a socket that is
connected, also of one that another process has opened.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

from mailrider.delivery.dialogue import choose_dialogue
from mailrider.delivery.login import log_in
from mailrider.delivery.profile import Profile
from mailrider.delivery.required_tls import restate
from mailrider.delivery.security import SecureTurn
from mailrider.delivery.session import NoSession, Session
from mailrider.delivery.terms import filter_replies, make_terms
from mailrider.delivery.transcript import make_transcript
from mailrider.delivery.trouble import Failure, failure_of_refusal, failure_of_trouble
from mailrider.events import ConnectionOpened, Noted, Observer, Warned
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.model.tls import TlsLevel
from mailrider.net.connection import Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.dial import DialFailure, dial, find_own_address
from mailrider.net.patience import Patience
from mailrider.net.stream import SocketStream
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.handshake import DELAY_DOTCRLF, Opening
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import ReplyParser
from mailrider.smtp.trouble import Trouble


def begin_session(
    connected: socket.socket,
    server: Server,
    profile: Profile,
    request: DeliveryRequest,
    wheel: DeadlineWheel,
    observer: Observer,
    patience: Patience,
) -> Session:
    """A session over a socket that is connected to the server; nothing has been said in it, and nothing is known of it."""
    loop = asyncio.get_running_loop()
    rewrite = filter_replies(profile, request.queue_id, observer)
    parser = ReplyParser(profile.reply_line_limit_octets, utf8=profile.utf8, rewrite=rewrite)
    transcript = make_transcript(profile.transcript_classes, hears_quit=profile.await_quit)
    dialogue = choose_dialogue(server, profile, observer, transcript)
    connection = Connection(SocketStream(connected, loop), patience, wheel, parser=parser, dialogue=dialogue)
    session = Session(connection, server, Capabilities(), profile, observer)
    session.queue_id = request.queue_id
    session.keep(transcript)
    session.opened_seconds = loop.time()
    connection.listen(session.note)
    return session


async def open_session(
    server: Server,
    profile: Profile,
    request: DeliveryRequest,
    wheel: DeadlineWheel,
    observer: Observer,
    *,
    age_seconds: float,
    is_best_exchanger: bool,
    destination: str = "",
    turn: SecureTurn | None,
    may_fall_back: bool = False,
) -> Session | NoSession:
    """Connect, be greeted, begin TLS, learn what the server can, whether that will do for this request, and log in.

    `destination` is the element of the next hop that led to the server, as it was written.  `turn` is what TLS has to do in it
    (None: nothing, whatever the settings say), and `may_fall_back` whether there may be another try without.
    """
    dialled = await dial(server, profile.dialling)
    if dialled.warning is not None:
        observer(Warned(dialled.warning))
    if isinstance(dialled, DialFailure):
        return NoSession(Failure(Scope.SITE, dialled.status, dialled.text), None)
    patience = profile.patience.wait_longer() if request.doubtful_server else profile.patience
    session = begin_session(dialled.socket, server, profile, request, wheel, observer, patience)
    connection = session.connection
    if turn is not None and turn.policy.level is not TlsLevel.NONE:
        session.own_address = find_own_address(dialled.socket)
    session.is_best_exchanger = is_best_exchanger
    terms = make_terms(
        server, profile, request, observer, age_seconds=age_seconds, is_best_exchanger=is_best_exchanger
    )
    terms = replace(terms, object_to=session.object_to(request, turn))
    opening = Opening(terms, lambda text: observer(Warned(text)), lambda text: observer(Noted(text)))
    if turn is not None:
        session.policy, session.may_fall_back, session.strictness = turn.policy, may_fall_back, turn.strictness
        opening.begin_with(turn.terms())
        connection.make_channel = lambda: turn.make_channel(opening.server_name)
    try:
        await connection.run(opening.run(connection.wire))
    except BaseException:
        connection.close()  # cancelled: nobody waits for this session any more
        raise
    session.login_stage = opening.login_stage
    session.delays_dot = DELAY_DOTCRLF in opening.pix_workarounds
    if turn is not None and opening.encrypted:
        session.tls, session.channel = turn.facts, turn.channel
    if isinstance(opening.result, Capabilities):
        _admit(session, opening.result)
        return await _log_in(session, request, destination)
    return _account_for_none(session, opening)


def _account_for_none(session: Session, opening: Opening) -> NoSession:
    """The opening came to nothing: why, and whether TLS was in the way."""
    result = opening.result
    if isinstance(result, Refusal):
        result = restate(result, session.strictness, session.tls, session.peer)
        falls_back = opening.handshake_failed and session.may_fall_back
        return NoSession(failure_of_refusal(result, session.server.host), session, falls_back)
    assert isinstance(result, Trouble)
    return NoSession(failure_of_trouble(result, session.peer), session, session.caught_in(result))


def _admit(session: Session, offered: Capabilities) -> None:
    """The server has let us in."""
    if offered.smtputf8 and not offered.eight_bit_mime:
        session.observer(Noted(f"host {session.peer} offers SMTPUTF8 support, but not 8BITMIME"))
        offered = replace(offered, eight_bit_mime=True)
    if offered.requiretls and (session.tls is None or not session.strictness):
        offered = replace(offered, requiretls=False)  # what is said in clear binds nobody
    session.offered = offered
    session.admitted = True
    session.connection.pipelining = offered.pipelining
    session.observer(ConnectionOpened(session.queue_id, session.server, offered.names()))


async def _log_in(session: Session, request: DeliveryRequest, destination: str) -> Session | NoSession:
    """With `smtp_sasl_auth_enable`: the last step before mail."""
    if session.profile.login is None:
        return session
    try:
        failure = await log_in(session, request.envelope.sender, destination)
    except BaseException:
        session.connection.close()
        raise
    return session if failure is None else NoSession(failure, session)
