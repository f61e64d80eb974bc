"""Facts that the core tells, as frozen values; how they read is decided in `observe`.

An `Observer` is called in the course of the work, so it must be quick and must not raise; what it wants to do slowly it
does elsewhere.  Text in an event that came from outside has been made printable already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailrider.model.outcome import Outcome
from mailrider.model.request import DeliveryRequest, Recipient, Transport
from mailrider.model.server import Server
from mailrider.model.tls import TlsFacts


class RecipientSettled(NamedTuple):
    """A recipient has its outcome (`QID: to=<...>, relay=..., status=...`)."""

    request: DeliveryRequest
    recipient: Recipient
    outcome: Outcome


class ServerFailedSoftly(NamedTuple):
    """A failure that is not final: another server will be tried (`QID: reason`)."""

    queue_id: str
    text: str


class ConnectFailed(NamedTuple):
    """No connection could be made (`connect to H[A]:P: reason`)."""

    queue_id: str
    server: Server
    text: str


class HandedOver(NamedTuple):
    """Recipients go to another transport (`passing <rcpt> to transport=T`)."""

    queue_id: str
    recipient: Recipient
    transport: str


class ReplyGarbled(NamedTuple):
    """A line without a reply code inside a reply."""

    queue_id: str
    server: Server
    pipelining: bool
    line: str
    transport: Transport = Transport.SMTP


class ReplyOverlong(NamedTuple):
    """A reply line, or a whole reply (`multiline`), was longer than `line_length_limit` and was cut."""

    server: Server
    limit_octets: int
    multiline: bool
    beginning: str


class ReplyReplaced(NamedTuple):
    """`smtp_reply_filter` put another line in the place of the server's."""

    server: Server
    original: str
    replacement: str


class Noted(NamedTuple):
    """Something a postmaster may want to know; `text` is the log line without prefix."""

    text: str
    queue_id: str = ""


class Warned(NamedTuple):
    """Something a postmaster should look at; `text` is the log line after `warning: `."""

    text: str
    queue_id: str = ""


class ConnectionOpened(NamedTuple):
    """A server has greeted us and said what it can."""

    queue_id: str
    server: Server
    features: tuple[str, ...]


class TlsEstablished(NamedTuple):
    """A TLS handshake is over; whether the peer will do is another question.  `logged`: the operator wants a line for it."""

    queue_id: str
    server: Server
    facts: TlsFacts
    logged: bool


class TlsFailed(NamedTuple):
    """A TLS handshake has failed (`SSL_connect error to H[A]:P: reason`)."""

    queue_id: str
    server: Server
    reason: str


class TlsJudged(NamedTuple):
    """How TLS went with a server of a destination that wants reports (RFC 8460).

    `record` is by what it asks for them.  `policy_type` is `tlsa`, `sts` or `no-policy-found`.  `result` is empty for success.
    `sending_address` is from where we came.
    """

    wall_seconds: float
    domain: str
    record: str
    policy_type: str
    policy_domain: str
    policy_strings: tuple[str, ...]
    mx_patterns: tuple[str, ...]
    server: Server
    result: str = ""
    detail: str = ""
    sending_address: str = ""


class SessionBlamed(NamedTuple):
    """Something went wrong in a session that the postmaster wants to hear of (`notify_classes`).

    `lines` is what was said about the message `queue_id`: `Out: command`, `In:  reply`.
    """

    queue_id: str
    transport: Transport
    server: Server
    lines: tuple[str, ...]


class ConnectionClosed(NamedTuple):
    """A connection is gone, and how many messages it carried."""

    server: Server
    uses: int


class CommandSent(NamedTuple):
    """A command line went out (told only where a transcript is wanted)."""

    server: Server
    line: str


class ReplyReceived(NamedTuple):
    """A reply came in (told only where a transcript is wanted)."""

    server: Server
    text: str


Event = (
    RecipientSettled
    | ServerFailedSoftly
    | ConnectFailed
    | HandedOver
    | ReplyGarbled
    | ReplyOverlong
    | ReplyReplaced
    | Noted
    | Warned
    | ConnectionOpened
    | TlsEstablished
    | TlsFailed
    | TlsJudged
    | SessionBlamed
    | ConnectionClosed
    | CommandSent
    | ReplyReceived
)

Observer = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """The observer of those who want none."""
