"""The AUTH exchange (RFC 4954), with the texts and status codes of smtp(8).

A mechanism is handed in (`Speaker`; `sasl.mechanism.Mechanism` is one): this script puts its octets into command lines and
takes challenges out of replies.

* `AUTH MECH response` in one line where that has at most 512 octets, else `AUTH MECH`, and the response after an empty 334.
* Any 3xx reply is a challenge, any 2xx one is success, anything else a refusal, whose 5xx becomes temporary while
  `smtp_sasl_auth_soft_bounce` is on.
* A challenge that makes no sense ends the login, and with it the session.  The exchange is cancelled with `*` first, as
  RFC 4954 §4 has it; smtp(8) says QUIT in its place.
* `STEPS_LIMIT` challenges, and no more.

Nothing that was sent shows in a result: refusals quote the server alone.  (smtp(8) puts the initial response, password and
all, into one of its texts.)
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailrider.errors import WireTrouble
from mailrider.model import status as status_code
from mailrider.smtp.refusal import Refusal, Scope, refuse
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import AUTH, QUIT, Stage
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.wire import AWAIT_REPLY, Script, Wire

COMMAND_LIMIT_OCTETS = 512
"""A command line with its CRLF (RFC 5321 §4.5.3.1.4)."""

STEPS_LIMIT = 100
"""Challenges that are answered, as in smtp(8): a server that has more is not about to let us in."""

BAD_PROTOCOL = "bad protocol / cancel"
INCOMPLETE = "another step is needed in authentication"
"""What is wrong with a challenge, in the words of sasl_errstring(3)."""

NOT_UNDERSTOOD = frozenset((500, 501, 504))
"""Replies to an exchange that a server cannot follow; 535 and 534 are about the user."""

_GROUPS = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?")


class Speaker(Protocol):
    """A mechanism in the middle of its exchange."""

    name: str
    failure: str
    """Why it cannot go on; empty while it can."""
    warning: str
    """What the log should have; empty as a rule."""

    def begin(self) -> bytes | None:
        """The initial response, or None where the server speaks first, or where there is a `failure`."""

    def respond(self, challenge: bytes) -> bytes | None:
        """The answer to a challenge; None where there is a `failure`."""


@dataclass(frozen=True, slots=True)
class LoginTerms:
    """How one login is made: `peer` is `H[A]`; `stage` is one of `LOGIN_STAGES`; `soft_bounce` is `smtp_sasl_auth_soft_bounce`.

    `may_try_another`: where the server does not understand the exchange, which is not the same as a wrong password, there is
    another mechanism to be tried in the same conversation.
    """

    peer: str
    stage: Stage = AUTH
    soft_bounce: bool = True
    await_quit: bool = False
    may_try_another: bool = False


def decode_challenge(text: bytes) -> bytes | str:
    """The octets of a challenge, or, as text, what is wrong with it.

    Read as strictly as Cyrus SASL does: blanks count as garbage, and what is no multiple of four characters is incomplete.
    """
    if len(text) % 4 == 0 and _GROUPS.fullmatch(text):
        return binascii.a2b_base64(text)
    whole = text[: len(text) - len(text) % 4]
    padded = _GROUPS.fullmatch(whole) and not whole.endswith(b"=")
    return INCOMPLETE if len(text) % 4 and (padded or not whole) else BAD_PROTOCOL


def challenge_text(reply: Reply) -> bytes:
    """What stands behind the code of a reply; the further lines of one that has several make it garbage, and they should."""
    whole = b"\n".join(reply.octets)
    return whole[4:]


class Login:
    """One login, and what came of it.

    `result` is None until it has ended; then the `Reply` of success, a `Refusal`, or the `Trouble` that broke the conversation.
    `goes_on`: the refusal was one after which another mechanism may be tried; nobody has said QUIT.
    `warn` hears what a postmaster should look at.
    """

    __slots__ = ("_initial", "_speaker", "_stage", "_terms", "_warn", "goes_on", "result")

    def __init__(self, speaker: Speaker, initial: bytes | None, terms: LoginTerms, warn: Callable[[str], None]) -> None:
        self._speaker = speaker
        self._initial = initial
        self._terms = terms
        self._warn = warn
        self._stage = terms.stage
        self.result: Reply | Refusal | Trouble | None = None
        self.goes_on = False

    def run(self, wire: Wire) -> Script[None]:
        """The whole exchange; QUIT follows where it failed.  Never raises."""
        try:
            self.result = yield from self._converse(wire)
        except WireTrouble as cause:
            self.result = Trouble(cause, self._stage)
        self.goes_on = self._terms.may_try_another and isinstance(self.result, Refusal) and _is_not_understood(self.result)
        if self.goes_on:
            return
        if not isinstance(self.result, Reply):
            wire.reusable = False
        if isinstance(self.result, Refusal):
            wire.send_quit(QUIT, await_reply=self._terms.await_quit)

    def _converse(self, wire: Wire) -> Script[Reply | Refusal]:
        deferred = self._open(wire)
        steps = 0
        while True:
            reply = yield from self._reply()
            if reply.code // 100 != 3:
                return self._judge(reply)
            steps += 1
            if steps > STEPS_LIMIT:
                text = f"SASL authentication failed; authentication protocol loop with server {self._terms.peer}"
                return (yield from self._cancel(wire, Refusal(Scope.SITE, status_code.SERVER_UNAVAILABLE, text)))
            answer = self._take(challenge_text(reply), deferred)
            if isinstance(answer, Refusal):
                return (yield from self._cancel(wire, answer))
            deferred = None
            wire.send(self._stage, base64.b64encode(answer) + b"\r\n")

    def _open(self, wire: Wire) -> bytes | None:
        """AUTH; comes back with the initial response where that was too long to go along."""
        verb = b"AUTH " + self._speaker.name.encode("ascii")
        initial = self._initial
        if initial is not None:
            argument = base64.b64encode(initial) or b"="  # an empty response is not the same as none (RFC 4954 §4)
            line = verb + b" " + argument + b"\r\n"
            if len(line) <= COMMAND_LIMIT_OCTETS:
                wire.send(self._stage, line)
                return None
        wire.send(self._stage, verb + b"\r\n")
        return initial

    def _take(self, text: bytes, deferred: bytes | None) -> bytes | Refusal:
        """The answer to a challenge."""
        speaker, peer = self._speaker, self._terms.peer
        if deferred is not None:
            if not text:
                return deferred
            return self._refuse(f"SASL authentication failed; non-empty initial {speaker.name} challenge from server {peer}")
        challenge = decode_challenge(text)
        if isinstance(challenge, str):
            return self._fail(challenge)
        answer = speaker.respond(challenge)
        if speaker.warning:
            self._warn(speaker.warning)
            speaker.warning = ""
        return self._fail(speaker.failure) if answer is None else answer

    def _fail(self, reason: str) -> Refusal:
        return self._refuse(cannot_authenticate(self._terms.peer, reason))

    def _refuse(self, text: str) -> Refusal:
        return Refusal(Scope.SITE, status_code.LOGIN_FAILED, text)

    def _cancel(self, wire: Wire, refusal: Refusal) -> Script[Refusal]:
        """Tell the server that we give up; what it says to that, or that it hangs up, changes nothing."""
        wire.send(self._stage, b"*\r\n")
        try:
            yield from self._reply()
        except WireTrouble:
            wire.reusable = False
        return refusal

    def _judge(self, reply: Reply) -> Reply | Refusal:
        if reply.code // 100 == 2:
            return reply
        soften = self._terms.soft_bounce and reply.code // 100 == 5
        status = status_code.soften(reply.status) if soften else None
        text = f"SASL authentication failed; server {self._terms.peer} said: {words_of_refusal(reply)}"
        return refuse(Scope.SITE, reply, text, status=status)

    def _reply(self) -> Script[Reply]:
        reply = yield AWAIT_REPLY
        assert reply is not None
        return reply


def _is_not_understood(refusal: Refusal) -> bool:
    """The server refused for good, and not because of who we are or what our password is (RFC 4954 §4, §6)."""
    return refusal.reply is not None and refusal.reply.code in NOT_UNDERSTOOD


def words_of_refusal(reply: Reply) -> str:
    """How a login that the server has refused is told: here smtp(8) shows the end of a line, and nowhere else."""
    return "?".join(reply.lines)


def cannot_authenticate(peer: str, reason: str) -> str:
    """How a login that failed on our side is told."""
    return f"SASL authentication failed; cannot authenticate to server {peer}: {reason}"


def no_mechanism_offered(peer: str) -> str:
    """How it is told that no mechanism was offered, or that the filter left none."""
    return (
        f"SASL authentication failed: server {peer} offered no compatible authentication mechanisms "
        "for this type of connection security"
    )


def withhold_identity(mail_from: bytes) -> bytes:
    """MAIL FROM with `AUTH=<>`: who logged in does not vouch for the sender (RFC 4954 §5; `smtp_send_dummy_mail_auth`)."""
    return mail_from.removesuffix(b"\r\n") + b" AUTH=<>\r\n"
