"""A session: a connection that a server has let us into, and what it may be used for.

`open_session` dials and goes through the opening of the conversation.  It answers with a `Session` or with the reason why
there is none; a server that was reached and then refused counts as contacted, one that was not does not.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NamedTuple

from mailrider.delivery.internationalization import needs_smtputf8
from mailrider.delivery.profile import Profile
from mailrider.delivery.terms import filter_replies, make_terms
from mailrider.delivery.trouble import Failure, failure_of_refusal, failure_of_trouble
from mailrider.events import (
    ConnectionOpened,
    Noted,
    Observer,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReplaced,
    Warned,
)
from mailrider.model import status as status_code
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Family, Server
from mailrider.net.connection import Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.dial import DialFailure, dial
from mailrider.net.stream import SocketStream
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.handshake import DELAY_DOTCRLF, Opening, take_leave
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import GarbageLine, LineCut, LineReplaced, Note, ReplyParser

UNENCRYPTED_LEVELS = frozenset({"", "none", "may"})
"""Levels of `smtp_tls_security_level` at which mail may go out in clear."""


class Session:
    """An open, greeted connection.

    `uses` counts the messages that it was given, `kept_for` the cache keys under which it lies while idle.  `delays_dot`:
    the final dot is sent after a pause (`smtp_pix_workarounds`).  `bdat_proved`: the server has taken BDAT before.
    """

    __slots__ = (
        "bdat_proved", "connection", "delays_dot", "is_best_exchanger", "kept_for", "observer", "offered", "opened_seconds",
        "peer", "profile", "queue_id", "relay", "server", "uses",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, server: Server, offered: Capabilities, profile: Profile, observer: Observer
    ) -> None:
        self.connection = connection
        self.server = server
        self.offered = offered
        self.profile = profile
        self.observer = observer
        self.queue_id = ""
        self.opened_seconds = 0.0
        self.uses = 0
        self.is_best_exchanger = False
        self.delays_dot = False
        self.bdat_proved = False
        self.kept_for: tuple[object, ...] = ()
        self.peer = server.name_and_address
        self.relay = server.relay

    def serve_as(self, server: Server) -> None:
        """Go on under the name that another destination has for the same endpoint."""
        self.server = server
        self.peer = server.name_and_address
        self.relay = server.relay

    def is_expired(self, now_seconds: float) -> bool:
        """Past the time or the number of uses for which a connection may be kept."""
        cache = self.profile.cache
        if cache.reuse_count and self.uses > cache.reuse_count:
            return True
        return now_seconds >= self.opened_seconds + cache.reuse_seconds

    def note(self, note: Note) -> None:
        """Tell the observer what was odd in a reply."""
        if isinstance(note, GarbageLine):
            pipelining, transport = self.connection.pipelining, self.profile.transport
            self.observer(ReplyGarbled(self.queue_id, self.server, pipelining, note.line, transport))
        elif isinstance(note, LineReplaced):
            self.observer(ReplyReplaced(self.server, note.original, note.replacement))
        else:
            limit = self.profile.reply_line_limit_octets
            self.observer(ReplyOverlong(self.server, limit, not isinstance(note, LineCut), note.beginning))


class NoSession(NamedTuple):
    """Why there is none.  `session` is what was begun with a server that took the connection and then refused."""

    failure: Failure
    session: Session | None


async def open_session(
    server: Server,
    profile: Profile,
    request: DeliveryRequest,
    wheel: DeadlineWheel,
    observer: Observer,
    *,
    age_seconds: float,
    is_best_exchanger: bool,
) -> Session | NoSession:
    """Connect, be greeted, learn what the server can, and whether that will do for this request."""
    dialled = await dial(server, profile.dialling)
    if dialled.warning is not None:
        observer(Warned(dialled.warning))
    if isinstance(dialled, DialFailure):
        return NoSession(Failure(Scope.SITE, dialled.status, dialled.text), None)
    loop = asyncio.get_running_loop()
    rewrite = filter_replies(profile, request.queue_id, observer)
    parser = ReplyParser(profile.reply_line_limit_octets, utf8=profile.utf8, rewrite=rewrite)
    connection = Connection(SocketStream(dialled.socket, loop), profile.patience, wheel, parser=parser)
    session = Session(connection, server, Capabilities(), profile, observer)
    session.queue_id = request.queue_id
    session.opened_seconds = loop.time()
    session.is_best_exchanger = is_best_exchanger
    connection.note = session.note
    terms = make_terms(
        server, profile, request, observer, age_seconds=age_seconds, is_best_exchanger=is_best_exchanger
    )
    opening = Opening(terms, lambda text: observer(Warned(text)))
    try:
        await connection.run(opening.run(connection.wire))
    except BaseException:
        connection.close()  # cancelled: nobody waits for this session any more
        raise
    session.delays_dot = DELAY_DOTCRLF in opening.pix_workarounds
    result = opening.result
    if isinstance(result, Capabilities):
        return _admit(session, result, request)
    if isinstance(result, Refusal):
        return NoSession(failure_of_refusal(result, server.host), session)
    assert result is not None
    return NoSession(failure_of_trouble(result, session.peer), session)


def _admit(session: Session, offered: Capabilities, request: DeliveryRequest) -> Session | NoSession:
    """The server has let us in: are its terms acceptable?"""
    profile, observer = session.profile, session.observer
    if offered.smtputf8 and not offered.eight_bit_mime:
        observer(Noted(f"host {session.peer} offers SMTPUTF8 support, but not 8BITMIME"))
        offered = replace(offered, eight_bit_mime=True)
    failure = None
    if request.envelope.smtputf8 and not offered.smtputf8 and needs_smtputf8(request):
        failure = _refuse_without_smtputf8(session)
    elif session.server.family is not Family.UNIX and profile.tls_level not in UNENCRYPTED_LEVELS:
        failure = _refuse_clear_text(session, offered)
    if failure is not None:
        session.connection.run(take_leave(session.connection.wire, await_reply=profile.await_quit))
        return NoSession(failure, session)
    session.offered = offered
    session.connection.pipelining = offered.pipelining
    observer(ConnectionOpened(session.queue_id, session.server, offered.names()))
    return session


def _refuse_without_smtputf8(session: Session) -> Failure:
    """Another server may have it; the last one decides (since Postfix 3.11; before, the first one did)."""
    text = f"SMTPUTF8 is required, but was not offered by host {session.peer}"
    return Failure(Scope.MESSAGE, status_code.UTF8_UNSUPPORTED, text, soft_before_last=True)


def _refuse_clear_text(session: Session, offered: Capabilities) -> Failure:
    """TLS is demanded and not there yet: the mail waits rather than going out in clear."""
    if offered.starttls:
        text = "TLS is required, but our TLS engine is unavailable"
        return Failure(Scope.SITE, status_code.TLS_UNAVAILABLE, text)
    text = f"TLS is required, but was not offered by host {session.peer}"
    return Failure(Scope.SITE, status_code.TLS_NOT_OFFERED, text)
