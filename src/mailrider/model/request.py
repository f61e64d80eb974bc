"""A delivery request: one message, one next hop, the recipients that go there."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Transport(enum.Enum):
    """The protocol that is spoken; it also chooses the `smtp_` or the `lmtp_` parameters."""

    SMTP = "smtp"
    LMTP = "lmtp"

    __hash__ = object.__hash__  # a member is a single object; Enum's own hash is one of its name, twenty times slower


class BodyType(enum.Enum):
    """What the content was said to be at submission (RFC 6152)."""

    UNKNOWN = ""
    SEVEN_BIT = "7bit"
    EIGHT_BIT = "8bitmime"


NO_CLIENT: Mapping[str, str] = MappingProxyType({})
"""Nothing is known of who submitted the message."""


class Notify(enum.Flag):
    """When the sender wants to hear of a recipient (RFC 3461 §4.1); 0 where nothing was asked."""

    UNSET = 0
    NEVER = enum.auto()
    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    DELAY = enum.auto()


class Turn(Protocol):
    """A place in the concurrency window of a destination, which a delivery holds while it works."""

    def lend(self, *, streams: bool) -> None:
        """Only the last reply is missing, and the connection can take the next message: let it begin.

        `streams`: that one need not wait for any reply either, so that more than one may follow.
        """

    async def regain(self) -> None:
        """Wait for a place again, because another connection is needed.  At once where the place was not lent."""


class Content(Protocol):
    """The message text, open to being read more than once and to failing while it is.

    Lines end with CRLF and the last one is ended; dots are not stuffed.  This is how a spool keeps it and how it goes
    on the wire, so that the common message is never rewritten.
    """

    @property
    def size_octets(self) -> int:
        """Octets with CRLF line ends, before dot stuffing (RFC 1870 §3)."""

    def chunks(self) -> Iterator[bytes]:
        """The text from its beginning, in pieces of any size; raises `errors.ContentUnreadable`."""


class Recipient(NamedTuple):
    """One recipient.  `address` is in its inside form; `token` belongs to the door and is never looked at.

    `original` is the address before aliasing (empty: none known), `orcpt` the RFC 3461 ORCPT value as
    `type;address`, not encoded.
    """

    address: str
    original: str = ""
    orcpt: str = ""
    notify: Notify = Notify.UNSET
    token: object = None


class Envelope(NamedTuple):
    """Who sends to whom, and what was asked for at submission."""

    sender: str
    recipients: tuple[Recipient, ...]
    envid: str = ""
    ret: str = ""
    body: BodyType = BodyType.UNKNOWN
    smtputf8: bool = False
    requiretls: bool = False


class DeliveryRequest(NamedTuple):
    """One piece of work for the delivery core, whoever asks for it.

    `service` is the name of the transport in master.cf (it may differ from `transport`, and cache keys hold it).
    `arrival_seconds` and `active_seconds` are wall-clock times: when the message came in and when its turn came.
    `probe`: verify the recipients, send no content.  `cache_load` / `cache_store`: whether a kept connection may be
    used and kept; None leaves it to `delivery`.  `client` holds the XFORWARD attributes of who submitted the message.
    `turn` is there where deliveries wait for each other.  `doubtful_server` (a `Server.relay`) may have got the message
    already, and never said so: it is tried first, and is given longer to say so.
    """

    envelope: Envelope
    content: Content
    nexthop: str
    transport: Transport = Transport.SMTP
    service: str = "smtp"
    queue_id: str = "NOQUEUE"
    arrival_seconds: float = 0.0
    active_seconds: float = 0.0
    probe: bool = False
    trace: bool = False
    cache_load: bool | None = None
    cache_store: bool | None = None
    client: Mapping[str, str] = NO_CLIENT
    turn: Turn | None = None
    doubtful_server: str = ""
