"""The opening of a conversation: greeting, EHLO with its fall-back to HELO, LHLO, STARTTLS (RFC 5321 §3.1, §3.2, RFC 3207).

The rules of smtp(8), which differ from the letter of the RFC where the world does:

* EHLO answered with anything but 2xx falls back to HELO on the same connection, except 421; after that the server
  has no extensions.  LHLO has no fall-back.
* A 5xx greeting becomes temporary while `smtp_skip_5xx_greeting` is on, even at the last server.  Only the greeting is
  softened.
* After STARTTLS all that the server said before is forgotten, and it is asked again with EHLO, whatever its greeting was.
* On port 25 a server that calls itself by our name in its EHLO reply is ourselves: `mail for N loops back to myself`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mailrider.errors import LocalDataError, WireTrouble
from mailrider.model import status as status_code
from mailrider.smtp import commands
from mailrider.smtp.capabilities import Capabilities, parse_capabilities
from mailrider.smtp.refusal import Refusal, Scope, refuse_to_talk
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import AUTH, AUTH_AFTER_DENIAL, EHLO, GREETING, HELO, LHLO, LMTP_AUTH, QUIT, STARTTLS, Stage
from mailrider.smtp.starttls import (
    NO_TLS,
    TlsTurn,
    TlsWish,
    refuse_denial,
    refuse_without_tls,
    shake_hands,
    wants_starttls,
)
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.wire import AWAIT_REPLY, Script, Wire

SERVICE_NOT_AVAILABLE = 421
"""The server is closing the connection (RFC 5321 §4.2.3): there is no point in HELO."""

HIDDEN_GREETING = "20 *\t"
"""A greeting of nothing but these comes from a firewall that covers its server's words (Cisco PIX, ASA)."""

DISABLE_ESMTP = "disable_esmtp"
DELAY_DOTCRLF = "delay_dotcrlf"
"""What can be done about such a server (postconf(5), `smtp_pix_workarounds`)."""


def _no_objection(offered: Capabilities) -> Refusal | None:
    return None


@dataclass(frozen=True, slots=True)
class Terms:
    """How we open a conversation with one server.

    `peer` and `relay` are how the log calls it (`H[A]`, `H[A]:P`), `host` is its name.  `helo_name` is what we call
    ourselves, `own_name` what we would recognise as ourselves; `detect_loops` is on for port 25 only.  `is_best_exchanger`
    tells whether no better server exists, which makes a loop permanent.  `discard` gives the keywords that count as not
    announced, and `pix_workarounds` what to do about a server that hides its greeting behind stars; both may raise
    `WireTrouble`.
    `object_to` is asked after each EHLO whether these capabilities will do.
    """

    peer: str
    relay: str
    nexthop: str
    helo_name: str
    own_name: str
    host: str = ""
    lmtp: bool = False
    always_send_ehlo: bool = True
    never_send_ehlo: bool = False
    skip_5xx_greeting: bool = True
    detect_loops: bool = False
    is_best_exchanger: bool = False
    await_quit: bool = False
    discard: Callable[[], Collection[str]] = tuple
    pix_workarounds: Callable[[], tuple[str, ...]] = tuple
    object_to: Callable[[Capabilities], Refusal | None] = _no_objection
    tls: TlsTurn = NO_TLS


Warn = Callable[[str], None]


class Opening:
    """The opening of one conversation, and what came of it.

    `result` is None until it has ended; then the server's `Capabilities`, its `Refusal`, or the `Trouble` that broke the
    conversation.  `warn` is told what a postmaster should look at, `note` what he may want to know.  `encrypted`: TLS is on.
    `handshake_failed`: it could not be turned on.  `server_name` is how the server called itself last.
    """

    __slots__ = (
        "_note", "_stage", "_terms", "_warn", "encrypted", "handshake_failed", "pix_workarounds", "result", "server_name",
    )  # fmt: skip

    def __init__(self, terms: Terms, warn: Warn, note: Warn | None = None) -> None:
        self._terms = terms
        self._warn = warn
        self._note = note
        self.encrypted = False
        self.handshake_failed = False
        self.server_name = ""
        self._stage = GREETING
        self.result: Capabilities | Refusal | Trouble | None = None
        self.pix_workarounds: tuple[str, ...] = ()

    def begin_with(self, turn: TlsTurn) -> None:
        """Let TLS come into it.  To be said before `run`."""
        self._terms = replace(self._terms, tls=turn)

    @property
    def login_stage(self) -> Stage:
        """As what a login counts that follows."""
        if self._stage is STARTTLS and not self.encrypted:
            return AUTH_AFTER_DENIAL
        return LMTP_AUTH if self._terms.lmtp else AUTH

    def run(self, wire: Wire) -> Script[None]:
        """From the greeting to the capabilities.  Never raises."""
        try:
            self.result = yield from self._converse(wire)
        except WireTrouble as cause:
            self.result = Trouble(cause, self._stage)
        if not isinstance(self.result, Capabilities):
            self._take_leave(wire)

    def _converse(self, wire: Wire) -> Script[Capabilities | Refusal]:
        if self._terms.tls.wrapper and self._terms.tls.wish is not TlsWish.NONE:
            refusal = yield from self._begin_tls(wire)
            if refusal is not None:
                return refusal
        words = yield from self._be_greeted(wire)
        if isinstance(words, Refusal):
            return words
        offered = yield from self._ask_what_it_can(wire, words)
        if isinstance(offered, Refusal) or self.encrypted:
            return offered
        return (yield from self._secure(wire, offered))

    def _be_greeted(self, wire: Wire) -> Script[list[str] | Refusal]:
        terms = self._terms
        wire.expect(GREETING)
        greeting = yield from self._reply(GREETING)
        if greeting.code // 100 != 2:
            soften = terms.skip_5xx_greeting and greeting.code // 100 == 5
            status = status_code.soften(greeting.status) if soften else None
            return refuse_to_talk(greeting, terms.peer, status=status)
        if not greeting.text.strip(HIDDEN_GREETING):
            self.pix_workarounds = terms.pix_workarounds()
        words = _words_of(greeting)
        if terms.detect_loops and words and words[0].lower() == terms.own_name.lower():
            self._warn(f"host {terms.relay} greeted me with my own hostname {terms.own_name}")
        return words

    def _ask_what_it_can(self, wire: Wire, words: list[str]) -> Script[Capabilities | Refusal]:
        answer = yield from self._introduce(wire, words)
        if isinstance(answer, Reply):
            return refuse_to_talk(answer, self._terms.peer)
        self.server_name = answer.name
        return self._recognise_ourselves(answer) or self._terms.object_to(answer) or answer

    def _secure(self, wire: Wire, offered: Capabilities) -> Script[Capabilities | Refusal]:
        """Turn TLS on where it is wanted and offered."""
        terms = self._terms
        if terms.tls.notes_offer and offered.starttls and terms.tls.wish is TlsWish.NONE and self._note is not None:
            self._note(f"Host offered STARTTLS: [{terms.host}]")
        if wants_starttls(terms.tls, offered):
            wire.send(STARTTLS, b"STARTTLS\r\n")
            reply = yield from self._reply(STARTTLS)
            if reply.code // 100 == 2:
                self.pix_workarounds = ()  # what was in the way of the greeting does not see what is said from here on
                refusal = yield from self._begin_tls(wire)
                return refusal if refusal is not None else (yield from self._ask_what_it_can(wire, []))
            if terms.tls.wish is TlsWish.REQUIRED:
                return refuse_denial(reply, terms.peer)
            offered = replace(offered, starttls=False)
        return refuse_without_tls(terms.tls, offered, terms.peer) or offered

    def _begin_tls(self, wire: Wire) -> Script[Refusal | None]:
        refusal = yield from shake_hands(wire, self._terms.tls)
        self.handshake_failed = refusal is not None and not wire.reusable
        self.encrypted = not self.handshake_failed
        return refusal

    def _introduce(self, wire: Wire, words: list[str]) -> Script[Capabilities | Reply]:
        """LHLO, or EHLO with HELO after it; a reply that comes back is a refusal."""
        terms = self._terms
        if terms.lmtp:
            return (yield from self._say(wire, LHLO, b"LHLO"))
        begun_anew = self.encrypted and not terms.tls.wrapper
        if begun_anew or (_speaks_extended(terms, words) and DISABLE_ESMTP not in self.pix_workarounds):
            answer = yield from self._say(wire, EHLO, b"EHLO")
            if isinstance(answer, Capabilities) or answer.code == SERVICE_NOT_AVAILABLE:
                return answer
        return (yield from self._say(wire, HELO, b"HELO"))

    def _say(self, wire: Wire, stage: Stage, verb: bytes) -> Script[Capabilities | Reply]:
        wire.send(stage, commands.greet(verb, self._terms.helo_name))
        reply = yield from self._reply(stage)
        if reply.code // 100 != 2:
            return reply
        return Capabilities() if stage is HELO else parse_capabilities(reply, self._terms.discard())

    def _reply(self, stage: Stage) -> Script[Reply]:
        self._stage = stage
        reply = yield AWAIT_REPLY
        assert reply is not None
        return reply

    def _recognise_ourselves(self, offered: Capabilities) -> Refusal | None:
        terms = self._terms
        for warning in offered.warnings:
            self._warn(f"{warning} from {terms.relay}")
        if not (terms.detect_loops and offered.extended and offered.name.lower() == terms.own_name.lower()):
            return None
        self._warn(f"host {terms.relay} replied to HELO/EHLO with my own hostname {terms.own_name}")
        status = status_code.LOOP if terms.is_best_exchanger else status_code.LOOP_AT_BACKUP
        return Refusal(Scope.SITE, status, f"mail for {terms.nexthop} loops back to myself")

    def _take_leave(self, wire: Wire) -> None:
        """A server that refuses us still hears QUIT; one that is gone does not."""
        wire.reusable = False
        if self.handshake_failed:
            return  # nobody knows whether it would be heard
        if isinstance(self.result, Refusal) or (
            isinstance(self.result, Trouble) and isinstance(self.result.cause, LocalDataError)
        ):
            wire.send_quit(QUIT, await_reply=self._terms.await_quit)


def _words_of(greeting: Reply) -> list[str]:
    """The words of a greeting without its code; the code of a further line counts as a word, and does no harm."""
    return greeting.text[3:].lstrip("- ").split()


def _speaks_extended(terms: Terms, words: list[str]) -> bool:
    if terms.never_send_ehlo:
        return False
    return terms.always_send_ehlo or any(word.upper() == "ESMTP" for word in words)


def take_leave(wire: Wire, *, await_reply: bool) -> Script[None]:
    """End a conversation in which nothing is under way."""
    wire.send_quit(QUIT, await_reply=await_reply)
    yield from ()  # what makes this function a script
