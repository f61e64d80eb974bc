"""A session: a connection that a server has let us into, and what it may be used for; or why there is none (`opening`).

A server that was reached and then refused counts as contacted, one that was not does not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

from mailrider.delivery.internationalization import needs_smtputf8
from mailrider.delivery.profile import Profile
from mailrider.delivery.required_tls import Strictness, object_to_server
from mailrider.delivery.security import SecureTurn
from mailrider.delivery.transcript import SessionTranscript, may_be_told
from mailrider.delivery.trouble import Failure
from mailrider.errors import ConnectionLost, TimedOut
from mailrider.events import Noted, Observer, ReplyGarbled, ReplyOverlong, ReplyReplaced, SessionBlamed
from mailrider.model import status as status_code
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.model.tls import TlsFacts
from mailrider.net.connection import Connection
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import GarbageLine, LineCut, LineReplaced, Note
from mailrider.smtp.stage import AUTH, Stage
from mailrider.smtp.trouble import Trouble
from mailrider.tls.channel import BrokenChannel, Channel
from mailrider.trust.decision import NO_TLS
from mailrider.trust.policy import Policy


class Session:
    """An open, greeted connection.

    `uses` counts the messages that it was given, `kept_for` the cache keys under which it lies while idle.  `delays_dot`:
    the final dot is sent after a pause (`smtp_pix_workarounds`).  `bdat_proved`: the server has taken BDAT before.
    `login` is the identity of the credential that we logged in with, None where we did not; `login_stage` is as what a login
    counts.  `tls` is what TLS has shown, None in clear text; `channel` is the TLS connection itself, for channel bindings;
    `policy` is under which it was opened.
    `admitted`: the server has told what it can.  `transcript` is kept where the postmaster may want it.
    `own_address` is from where we came, where TLS had a say.
    `may_fall_back`: mail that is caught in trouble here may be sent in clear; `falls_back`: some was caught.
    """

    __slots__ = (
        "admitted", "bdat_proved", "channel", "connection", "delays_dot", "falls_back", "is_best_exchanger", "kept_for",
        "login", "login_stage", "may_fall_back", "observer", "offered", "opened_seconds", "own_address", "peer", "policy",
        "profile", "queue_id", "relay", "server", "strictness", "tls", "transcript", "uses",
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
        self.login_stage: Stage = AUTH
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

    def conclude(self, request: DeliveryRequest) -> None:
        """The session has done what it could for this message: its transcript goes to who wants it."""
        if self.transcript is None:
            return
        if may_be_told(request.envelope.sender, self.profile.settings):
            self.transcript.conclude(self.connection, partial(self._blame, request))
        else:
            self.transcript.forget()

    def _blame(self, request: DeliveryRequest, lines: tuple[str, ...]) -> None:
        self.observer(SessionBlamed(request.queue_id, request.transport, self.server, lines))

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


class NoSession(NamedTuple):
    """Why there is none.  `session` is what was begun with a server that took the connection and then refused.

    `falls_back`: TLS was in the way, and the server may be tried again in clear.
    """

    failure: Failure
    session: Session | None
    falls_back: bool = False
