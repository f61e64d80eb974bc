"""What became of one recipient, and what a delivery reports as a whole."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

from mailrider.model import status as status_code
from mailrider.model.request import Recipient


class Status(enum.Enum):
    """The word after `status=` in the log and in output rows."""

    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    DELIVERABLE = "deliverable"
    UNDELIVERABLE = "undeliverable"


class Action(enum.Enum):
    """The DSN action field (RFC 3464 §2.3.3)."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    FAILED = "failed"
    DELAYED = "delayed"


class Delays(NamedTuple):
    """Where the time went, in seconds: `delays=a/b/c/d` of the log (postconf(5), `delay_logging_resolution_limit`)."""

    before_queue_seconds: float
    in_queue_seconds: float
    setup_seconds: float
    transmission_seconds: float


NO_DELAYS = Delays(0.0, 0.0, 0.0, 0.0)


class Outcome(NamedTuple):
    """The result for one recipient of one delivery request.

    `status_code` is the enhanced code, `text` what smtp(8) logs in the parentheses after `status=`, `relay` the server
    that gave it (`none` where no connection was made).  `remote_mta` and `reply` are set where a server's reply
    decided.  `connection_use` counts deliveries over the connection from 1.  `soft_bounced` marks a bounce that
    `soft_bounce` turned into a deferral (`SOFTBOUNCE` in the log).  `in_doubt`: the connection was lost after the
    content had been sent and before the reply, so the message may have been delivered.  `passes_notice_on`: the server
    announced DSN, so a success notice is its duty and not ours (RFC 3461 §5.2).  `tls` is what TLS and REQUIRETLS came to, as
    the log shows it; empty where nobody wants to know (`smtp_log_tls_feature_status`).
    """

    status: Status
    status_code: str
    text: str
    relay: str = "none"
    remote_mta: str | None = None
    reply: str | None = None
    action: Action = Action.DELAYED
    delays: Delays = NO_DELAYS
    connection_use: int = 1
    soft_bounced: bool = False
    in_doubt: bool = False
    passes_notice_on: bool = False
    tls: str = ""


def defer_for_transport(transport: str) -> Outcome:
    """What becomes of a recipient that is to be handed over (`best_mx_transport`) where nobody is there to take it."""
    text = f"mail for this destination is for transport {transport} of this host, which cannot be reached without a queue"
    return Outcome(Status.DEFERRED, status_code.SERVER_UNAVAILABLE, text, action=Action.DELAYED)


class Recorded(enum.Enum):
    """Whether an outcome has been made durable by whoever keeps the mail."""

    RECORDED = True
    NOT_RECORDED = False


class Recorder(Protocol):
    """Who keeps the mail: hears each outcome once, the moment it is known."""

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        """Make `outcome` durable.  A recipient that is `NOT_RECORDED` stays open: better twice than lost."""


class DestinationTrouble(NamedTuple):
    """The first failure of a site as a whole in a request in which no session ended normally."""

    status_code: str
    text: str


class HandOver(NamedTuple):
    """Recipients that another transport has to deliver (`best_mx_transport`)."""

    transport: str
    recipients: tuple[Recipient, ...]


class DeliveryReport(NamedTuple):
    """What `delivery` answers to one request: an outcome per recipient in the order given.

    A recipient that is handed over has None for its outcome.
    """

    outcomes: tuple[Outcome | None, ...]
    destination_trouble: DestinationTrouble | None = None
    hand_over: HandOver | None = None
