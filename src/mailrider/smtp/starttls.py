"""STARTTLS in the opening of a conversation (RFC 3207): whether to say it, and what to make of the answer.

The rules of smtp(8): a server that offers STARTTLS and then refuses it is talked to in clear in the same conversation where TLS
is not required.  A handshake that failed ends the conversation without QUIT, whatever the level, because nobody knows what the
server thinks of it.  A peer that did not prove what it must is told QUIT, through TLS.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from mailrider.errors import ConnectionLost, TimedOut, TlsTrouble, WireTrouble
from mailrider.model import status as status_code
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.refusal import Refusal, Scope, refuse
from mailrider.smtp.reply import Reply
from mailrider.smtp.wire import ENCRYPT, Script, Wire


class TlsWish(enum.Enum):
    """Whether a conversation is to be encrypted."""

    NONE = "none"
    IF_OFFERED = "if offered"
    REQUIRED = "required"


def _no_objection() -> Refusal | None:
    return None


def _is_prepared() -> bool:
    return True


def _ignore_trouble(cause: WireTrouble) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class TlsTurn:
    """How TLS comes into a conversation.

    `prepare` is asked before TLS begins whether our own side can do it.  `wrapper`: it comes first of all, and STARTTLS never
    (`smtp_tls_wrappermode`).  `notes_offer`: tell when STARTTLS is offered and not wanted (`smtp_tls_note_starttls_offer`).
    `check_peer` is asked after the handshake what the peer did not prove; `failed` hears why there was none.
    """

    wish: TlsWish = TlsWish.NONE
    wrapper: bool = False
    notes_offer: bool = False
    prepare: Callable[[], bool] = field(default=_is_prepared, compare=False)
    check_peer: Callable[[], Refusal | None] = field(default=_no_objection, compare=False)
    failed: Callable[[WireTrouble], None] = field(default=_ignore_trouble, compare=False)


NO_TLS = TlsTurn()


def shake_hands(wire: Wire, terms: TlsTurn) -> Script[Refusal | None]:
    """Begin TLS.  A refusal that comes back together with `wire.reusable` False is that of a broken handshake."""
    if terms.wrapper and not terms.prepare():
        return _refuse_unavailable()
    try:
        yield ENCRYPT
    except (TlsTrouble, ConnectionLost, TimedOut) as cause:
        wire.reusable = False
        terms.failed(cause)
        scope = Scope.SITE if terms.wish is TlsWish.REQUIRED else Scope.MESSAGE
        return Refusal(scope, status_code.TLS_FAILED, "Cannot start TLS: handshake failure")
    return terms.check_peer()


def wants_starttls(terms: TlsTurn, offered: Capabilities) -> bool:
    """Whether STARTTLS is said to a server with these capabilities."""
    return offered.starttls and terms.wish is not TlsWish.NONE and terms.prepare()


def refuse_without_tls(terms: TlsTurn, offered: Capabilities, peer: str) -> Refusal | None:
    """Why the conversation does not go on in clear, or None where it may."""
    if terms.wish is not TlsWish.REQUIRED:
        return None
    if not offered.starttls:
        text = f"TLS is required, but was not offered by host {peer}"
        return Refusal(Scope.SITE, status_code.TLS_NOT_OFFERED, text)
    return _refuse_unavailable()


def _refuse_unavailable() -> Refusal:
    return Refusal(Scope.SITE, status_code.TLS_UNAVAILABLE, "TLS is required, but our TLS engine is unavailable")


def refuse_denial(reply: Reply, peer: str) -> Refusal:
    """TLS is required, and the server will not have it after all."""
    return refuse(Scope.SITE, reply, f"TLS is required, but host {peer} refused to start TLS: {reply.text}")
