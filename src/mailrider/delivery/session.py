"""A session: a connection that a server has let us into, and what it may be used for.

`open_session` dials and goes through the opening of the conversation.  It answers with a `Session` or with the reason why
there is none; a server that was reached and then refused counts as contacted, one that was not does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import NamedTuple

from mailrider.delivery.internationalization import needs_smtputf8
from mailrider.delivery.login import log_in
from mailrider.delivery.profile import Profile
from mailrider.delivery.required_tls import Strictness, object_to_server, restate
from mailrider.delivery.security import SecureTurn
from mailrider.delivery.terms import filter_replies, make_terms
from mailrider.delivery.transcript import SessionTranscript, make_transcript
from mailrider.delivery.trouble import Failure, failure_of_refusal, failure_of_trouble
from mailrider.errors import ConnectionLost, TimedOut
from mailrider.events import (
    CommandSent,
    ConnectionOpened,
    Noted,
    Observer,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReceived,
    ReplyReplaced,
    Warned,
)
from mailrider.model import status as status_code
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.model.tls import TlsFacts, TlsLevel
from mailrider.net.connection import Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.dial import DialFailure, dial, find_own_address
from mailrider.net.stream import SocketStream
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.handshake import DELAY_DOTCRLF, Opening
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import GarbageLine, LineCut, LineReplaced, Note, Reply, ReplyParser
from mailrider.smtp.telling import Dialogue
from mailrider.smtp.trouble import Trouble
from mailrider.tls.channel import BrokenChannel, Channel
from mailrider.trust.decision import NO_TLS
from mailrider.trust.policy import Policy


class Session:
    """An open, greeted connection.

    `uses` counts the messages that it was given, `kept_for` the cache keys under which it lies while idle.  `delays_dot`:
    the final dot is sent after a pause (`smtp_pix_workarounds`).  `bdat_proved`: the server has taken BDAT before.
    `login` is the identity of the credential that we logged in with, None where we did not.  `tls` is what TLS has shown, None
    in clear text; `channel` is the TLS connection itself, for channel bindings; `policy` is under which it was opened.
    `admitted`: the server has told what it can.  `transcript` is kept where the postmaster may want it.
    `own_address` is from where we came, where TLS had a say.
    `may_fall_back`: mail that is caught in trouble here may be sent in clear; `falls_back`: some was caught.
    """

    __slots__ = (
        "admitted", "bdat_proved", "channel", "connection", "delays_dot", "falls_back", "is_best_exchanger", "kept_for",
        "login", "may_fall_back", "observer", "offered", "opened_seconds", "own_address", "peer", "policy", "profile",
        "queue_id", "relay", "server", "strictness", "tls", "transcript", "uses",
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
        self.own_address = ""
        self.uses = 0
        self.is_best_exchanger = False
        self.delays_dot = False
        self.admitted = False
        self.bdat_proved = False
        self.login: Hashable | None = None
        self.tls: TlsFacts | None = None
        self.channel: Channel | BrokenChannel | None = None
        self.policy: Policy = NO_TLS
        self.strictness = Strictness.DISABLE
        self.may_fall_back = False
        self.falls_back = False
        self.kept_for: tuple[object, ...] = ()
        self.transcript: SessionTranscript | None = None
        self.peer = server.name_and_address
        self.relay = server.relay

    def keep(self, transcript: SessionTranscript | None) -> None:
        """Keep a transcript, if there is one."""
        self.transcript = transcript
        if transcript is not None:
            transcript.listen_at(self.connection.wire)

    def serve_as(self, server: Server) -> None:
        """Go on under the name that another destination has for the same endpoint."""
        self.server = server
        self.peer = server.name_and_address
        self.relay = server.relay

    @property
    def may_be_kept(self) -> bool:
        """With TLS a connection is kept only where the policy says so (`smtp_tls_connection_reuse`)."""
        return self.tls is None or self.policy.reuse

    def object_to(
        self, request: DeliveryRequest, turn: SecureTurn | None
    ) -> Callable[[Capabilities], Refusal | None]:
        """What the server lacks that this request needs.

        Another server may have it; the last one decides (since Postfix 3.11; before, the first one did).
        """

        def object_to(offered: Capabilities) -> Refusal | None:
            if self.strictness and turn is not None and turn.facts is not None:
                refusal = object_to_server(self.strictness, offered, self.peer)
                if refusal is not None:
                    return refusal
                if not offered.requiretls:
                    text = f"Sender requested REQUIRETLS, but REQUIRETLS support was not offered by host {self.peer}"
                    self.observer(Noted(text, self.queue_id))
            if not request.envelope.smtputf8 or offered.smtputf8 or not needs_smtputf8(request):
                return None
            text = f"SMTPUTF8 is required, but was not offered by host {self.peer}"
            return Refusal(Scope.MESSAGE, status_code.UTF8_UNSUPPORTED, text, soft_before_last=True)

        return object_to

    def caught_in(self, trouble: Trouble) -> bool:
        """Whether mail that was caught in this trouble is for another try in clear."""
        broke = isinstance(trouble.cause, ConnectionLost | TimedOut)
        self.falls_back = self.may_fall_back and self.tls is not None and broke
        return self.falls_back

    def is_expired(self, now_seconds: float) -> bool:
        """Past the time or the number of uses for which a connection may be kept."""
        cache = self.profile.cache
        if cache.reuse_count and self.uses > cache.reuse_count:
            return True
        return now_seconds >= self.opened_seconds + cache.reuse_seconds

    def note(self, note: Note) -> None:
        """Tell the observer what was odd in a reply."""
        if self.transcript is not None:
            self.transcript.note(note)
        if isinstance(note, GarbageLine):
            pipelining, transport = self.connection.pipelining, self.profile.transport
            self.observer(ReplyGarbled(self.queue_id, self.server, pipelining, note.line, transport))
        elif isinstance(note, LineReplaced):
            self.observer(ReplyReplaced(self.server, note.original, note.replacement))
        else:
            limit = self.profile.reply_line_limit_octets
            self.observer(ReplyOverlong(self.server, limit, not isinstance(note, LineCut), note.beginning))


class TellObserver:
    """A `smtp.telling.Dialogue` as events."""

    __slots__ = ("_observer", "_server")

    def __init__(self, server: Server, observer: Observer) -> None:
        self._server = server
        self._observer = observer

    def command(self, line: bytes) -> None:
        """A command line was written."""
        self._observer(CommandSent(self._server, line.decode("utf-8", "backslashreplace")))

    def reply(self, reply: Reply) -> None:
        """A reply came in."""
        self.fragment(reply.lines)

    def fragment(self, lines: tuple[str, ...]) -> None:
        """A reply came in, or its beginning."""
        for line in lines:
            self._observer(ReplyReceived(self._server, line))


class TellBoth:
    """A `smtp.telling.Dialogue` with two listeners."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Dialogue, second: Dialogue) -> None:
        self._first = first
        self._second = second

    def command(self, line: bytes) -> None:
        """A command line was written."""
        self._first.command(line)
        self._second.command(line)

    def reply(self, reply: Reply) -> None:
        """A reply came in."""
        self._first.reply(reply)
        self._second.reply(reply)

    def fragment(self, lines: tuple[str, ...]) -> None:
        """A reply came in, or its beginning."""
        self._first.fragment(lines)
        self._second.fragment(lines)


def choose_dialogue(
    server: Server, profile: Profile, observer: Observer, transcript: SessionTranscript | None
) -> Dialogue | None:
    """Who hears the dialogue with a server; mostly nobody."""
    if not profile.lookups.tells_dialogue(server.host, server.address):
        return transcript
    told = TellObserver(server, observer)
    return told if transcript is None else TellBoth(told, transcript)


class NoSession(NamedTuple):
    """Why there is none.  `session` is what was begun with a server that took the connection and then refused.

    `falls_back`: TLS was in the way, and the server may be tried again in clear.
    """

    failure: Failure
    session: Session | None
    falls_back: bool = False


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
    loop = asyncio.get_running_loop()
    rewrite = filter_replies(profile, request.queue_id, observer)
    parser = ReplyParser(profile.reply_line_limit_octets, utf8=profile.utf8, rewrite=rewrite)
    transcript = make_transcript(profile.transcript_classes, hears_quit=profile.await_quit)
    dialogue = choose_dialogue(server, profile, observer, transcript)
    patience = profile.patience.wait_longer() if request.doubtful_server else profile.patience
    connection = Connection(SocketStream(dialled.socket, loop), patience, wheel, parser=parser, dialogue=dialogue)
    session = Session(connection, server, Capabilities(), profile, observer)
    session.queue_id = request.queue_id
    session.keep(transcript)
    session.opened_seconds = loop.time()
    if turn is not None and turn.policy.level is not TlsLevel.NONE:
        session.own_address = find_own_address(dialled.socket)
    session.is_best_exchanger = is_best_exchanger
    connection.listen(session.note)
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
