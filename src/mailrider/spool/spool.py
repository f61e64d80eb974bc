"""The spool: keeps messages until every recipient is settled.  One interface, several fillings.

What a spool promises:

* What `accept` has answered with `Accepted` is on stable storage, and is handed out until each recipient is settled.
* `settle`, `defer`, `discharge`, `warn` and `mark_in_doubt` put the change in line **when they are called**, in the order of
  the calls; awaiting what they return tells when it is durable.  So many changes can be made at once and awaited together,
  and share one flush.
* What belongs to one call happens wholly or not at all: a notice is in the spool if and only if the recipients that it
  speaks of are settled.
* A lease lives in the process that took it.  When the process dies, what it held is handed out again by the next one.
  Nothing of a lease is written down, so that taking one costs no flush.  Processes that work on one spool at a time are told
  of each other when they open it (`fellowship`): a recipient is handed out by one of them only.
* A trouble of the storage is a value (`NotAccepted`, `Committed.FAILED`) where mail is at stake: nothing has happened
  then, the recipient is as it was.  Questions (`lease`, `list`, `show`, `stats`) raise `errors.SpoolTrouble`.

A recipient is *open* (to be delivered), *owed* (its fate is final and recorded; a notice that speaks of it is still to be
accepted), or gone.  A message without a recipient is gone.  Recipients of a message are numbered from 0 in the order of
submission; the number is in `OpenRecipient.number` and in its `recipient.token`.

All times are wall-clock seconds since the epoch (UTC).  All methods but `new_queue_id` belong to one event loop.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable, Mapping
from typing import NamedTuple, Protocol, Self

from mailrider.errors import BrokenPromise
from mailrider.model.outcome import Outcome
from mailrider.model.request import NO_CLIENT, Content, Envelope, Recipient
from mailrider.spool.spread import Spread

Chunks = bytes | Iterable[bytes] | AsyncIterable[bytes]
"""Message text as it comes in: CRLF line ends, the last line ended, dots not stuffed (`model.request.Content`)."""

LEASED_MESSAGES_LIMIT = 500
"""How many messages one `lease` hands out unless told otherwise: a few milliseconds of reading."""

LEASED_RECIPIENTS_LIMIT = 2000
"""How many recipients one `lease` hands out unless told otherwise; the rest of a large mailing comes with a later one."""

LISTED_LIMIT = 1000
"""How many messages one `list` answers unless told otherwise."""


PASSED_OVER_SECONDS = 2.0
"""How soon recipients that were passed over are looked at again: soon enough for a destination that comes back to life."""


HELD_SECONDS = 1e15
"""When a recipient on hold is due: some thirty million years from now."""


class Submission(NamedTuple):
    """A message that asks to be kept, without its text.

    `client` holds the XFORWARD attributes of who submitted it; `origin` says by which door it came (`smtp`, `lmtp`,
    `sendmail`, `api`, `notice`).  `queue_id`: one that `new_queue_id` gave, or empty for a new one.  `arrival_seconds` 0 means
    now.  `not_before_seconds`: its turn comes no sooner.  `expires_seconds` belongs to the scheduler; 0 leaves it to the
    settings.  `on_hold`: waits until it is released.
    """

    envelope: Envelope
    client: Mapping[str, str] = NO_CLIENT
    origin: str = "api"
    queue_id: str = ""
    arrival_seconds: float = 0.0
    not_before_seconds: float = 0.0
    expires_seconds: float = 0.0
    on_hold: bool = False


class Accepted(NamedTuple):
    """The message is on stable storage."""

    queue_id: str
    size_octets: int


class Unaccepted(enum.Enum):
    """Why a message was not taken."""

    FULL = "insufficient system storage"
    FAILED = "the queue cannot be written"


class NotAccepted(NamedTuple):
    """The message was not taken, and nothing of it is kept as long as any process has the spool open.

    Where the disk failed in the last moment, who comes after all of them were killed may find the message complete, as if it
    had been taken.  Both reasons are temporary: 452 4.3.1 and 451 4.3.0 in SMTP, exit 75 in sendmail.
    """

    reason: Unaccepted
    text: str


class Committed(enum.Enum):
    """What became of a change."""

    FAILED = "failed"
    """It could not be made durable; nothing has changed, but see `NotAccepted`."""
    DONE = "done"
    """It is durable.  Also where the recipient was gone already (an operator has deleted the message)."""
    REMOVED = "removed"
    """It is durable, and no recipient is left: the message is gone with it."""


class InDoubt(NamedTuple):
    """The connection was lost after the content had been sent and before the reply: the recipient may have got the message.

    `server` is where, in the form of `Server.relay` (`host[address]:port`).
    """

    server: str
    at_seconds: float


class PastFailure(NamedTuple):
    """The latest deferral of a recipient, or the final fate of one that is owed a notice."""

    outcome: Outcome
    at_seconds: float


class OpenRecipient(NamedTuple):
    """A recipient of a stored message.

    `attempts` counts deferrals.  `not_before_seconds` is when its turn comes, or came; `HELD_SECONDS` on hold.  `warned`: a
    delay notice has spoken of it.  `owed`: its fate, `latest`, is final, and only the notice is missing.
    """

    number: int
    recipient: Recipient
    attempts: int = 0
    not_before_seconds: float = 0.0
    latest: PastFailure | None = None
    in_doubt: InDoubt | None = None
    warned: bool = False
    owed: bool = False


class StoredMessage(NamedTuple):
    """A message of the spool.

    `envelope.recipients` are those of `recipients`, in the same order.  `recipients_total` is how many it was submitted with.
    """

    queue_id: str
    envelope: Envelope
    recipients: tuple[OpenRecipient, ...]
    recipients_total: int
    size_octets: int
    arrival_seconds: float
    expires_seconds: float
    client: Mapping[str, str]
    origin: str
    on_hold: bool


class Lease(NamedTuple):
    """A message whose turn has come, and those of its recipients whose turn has come.

    Nobody else in this process gets these recipients until they are settled, deferred or released.  `message.recipients`
    holds the open ones and those that are owed a notice since before a crash or a failure.  A message may be leased in
    several parts at a time.  `content` streams from the spool, as often as wanted, until the message is gone.
    """

    message: StoredMessage
    content: Content


class Notice(NamedTuple):
    """A message of our own that speaks of recipients: a bounce, a delay warning, a success report."""

    submission: Submission
    content: bytes


class Settlement(NamedTuple):
    """The final fate of one recipient.  `owed`: it stays until a notice that speaks of it has been accepted."""

    number: int
    outcome: Outcome
    owed: bool = False


class Selection(NamedTuple):
    """Messages by what is given, all of which must fit.

    `domain`, `recipient` and `reason` are for messages of which a recipient that is left has this domain, is this address,
    or was deferred last with a status code and text (`4.4.1 connect to ...`) that have this in them.  ASCII letters have no
    case in all of these, nor in `sender`.
    `everything` alone means all messages; a selection that says nothing selects nothing.
    """

    queue_ids: tuple[str, ...] = ()
    domain: str | None = None
    sender: str | None = None
    everything: bool = False
    recipient: str | None = None
    reason: str | None = None
    arrived_before_seconds: float | None = None


ALL = Selection(everything=True)
"""Every message."""


class Order(enum.Enum):
    """What an operator can tell the spool to do with messages."""

    FLUSH = "flush"
    """Their turn comes now; `wait` reports it to the process that works on the queue."""
    HOLD = "hold"
    """They are handed out no more until they are released.  What is under way goes on."""
    RELEASE = "release"
    """The end of `HOLD`; their turn comes now."""
    REQUEUE = "requeue"
    """As if they had just come in: failures, attempts, doubts and hold are forgotten, and their turn comes now.

    The arrival time and the queue id stay.
    """
    DELETE = "delete"
    """They are gone, without a notice."""

    def check(self, spread: Spread | None) -> None:
        """Raise `BrokenPromise` where turns are to come one after the other by an order that gives none."""
        if spread is not None and self not in (Order.FLUSH, Order.RELEASE):
            raise BrokenPromise(f"nothing gets a turn by this order: {self}")


class Stir(enum.Flag):
    """Why `wait` has returned."""

    NOTHING = 0
    MAIL = enum.auto()
    """There may be something to lease that was not there before."""
    FLUSH = enum.auto()
    """An operator has asked for a flush: destinations that are thought dead are to be tried again."""


class DomainCount(NamedTuple):
    """How much mail waits for one domain; `next_due_seconds` is the earliest turn of any of it."""

    domain: str
    recipients: int
    oldest_arrival_seconds: float
    next_due_seconds: float


class Stats(NamedTuple):
    """The spool at one glance.  `due` are open recipients whose turn has come, `deferred` those that wait for it."""

    messages: int
    size_octets: int
    recipients: int
    due: int
    deferred: int
    on_hold_messages: int
    oldest_arrival_seconds: float
    domains: tuple[DomainCount, ...]


class Share(Protocol):
    """Which recipients a process works on, where several work on one spool: each belongs to exactly one of them."""

    def has_domain(self, domain: str) -> bool | None:
        """Whether all mail for a domain (lower case, empty where there is none) is ours; None where that is not enough to know.

        Must be quick, and always say the same of the same domain; for other answers there is another share.
        """

    def has_recipient(self, sender: str, address: str) -> bool:
        """Whether a recipient is ours, where the domain was not enough to know."""


class Spool(Protocol):
    """Keeps messages until every recipient is settled.  The promises are in the docstring of this module."""

    async def __aenter__(self) -> Self:
        """Open it, making what is missing.  Raises `errors.SpoolTrouble`, `errors.WrongConfiguration`."""

    async def __aexit__(self, *exception: object) -> None:
        """Finish what is in line, then close.  What is leased goes back untouched."""

    def new_queue_id(self) -> str:
        """A queue id that nobody else has, for a message that will be accepted; costs nothing if it is not used."""

    async def accept(self, submission: Submission, content: Chunks) -> Accepted | NotAccepted:
        """Keep a message.  Durable when it answers `Accepted`.

        An exception of the iterator passes through, and nothing is kept: so a door breaks off a message that is too long or
        whose client has gone away.
        """

    async def lease(
        self,
        messages_limit: int = LEASED_MESSAGES_LIMIT,
        recipients_limit: int = LEASED_RECIPIENTS_LIMIT,
        *,
        passes_over: Callable[[str], bool | None] | None = None,
        passes_over_sender: Callable[[str, str], bool] | None = None,
        mailing_limit: int = 0,
        share: Share | None = None,
    ) -> tuple[Lease, ...]:
        """Messages whose turn has come and that are not leased, the longest due first, new ones and old ones in turn.

        Of `share` those that belong to it, and for this process no others exist; None means all.  With another share than
        the last time everything is looked at anew.

        `passes_over` is asked for the domain of each recipient, in lower case (empty where the address has none), and those for
        which it says True are left where they are; for those for which it says None, `passes_over_sender` is asked with the
        domain and the sender.  Both must be quick.  What was passed over is looked at again after `PASSED_OVER_SECONDS`, or
        when `look_again` is called.

        `mailing_limit`: no more recipients of one message are leased at a time (0: any number); further ones are handed out
        when half of them are back.  At once with () when there is nothing.
        """

    def look_again(self) -> None:
        """There is a reason not to pass over any more what was passed over: the next `lease` looks at it."""

    async def wait(self, timeout_seconds: float) -> Stir:
        """Wait until there may be something new to lease, by whomever, or an operator has asked for a flush, or the time is up.

        Nothing is missed between two calls.  The turn of a deferred recipient counts as new mail when it comes.
        """

    def settle(self, lease: Lease, settlements: Collection[Settlement]) -> Awaitable[Committed]:
        """Record what is final.  Recipients that are not `owed` are gone from the message; owed ones stay in the lease."""

    def defer(
        self,
        lease: Lease,
        numbers: Collection[int],
        outcome: Outcome,
        not_before_seconds: float,
        *,
        in_doubt: InDoubt | None = None,
    ) -> Awaitable[Committed]:
        """Put recipients back until their time comes, with the reason; they leave the lease.

        Where it `FAILED`, their time is remembered in memory.
        """

    def discharge(
        self, lease: Lease, settlements: Collection[Settlement], owed_numbers: Collection[int], notice: Notice | None
    ) -> Awaitable[Committed]:
        """In one transaction: settle recipients, let go those that were owed a notice, and accept the notice.

        None for a notice that needs not be sent after all.  A notice that is too large for the storage fails the whole.
        """

    def warn(self, lease: Lease, numbers: Collection[int], notice: Notice | None) -> Awaitable[Committed]:
        """In one transaction: accept a delay notice and mark the recipients that it speaks of as warned.

        They stay in the lease.
        """

    def mark_in_doubt(self, lease: Lease, numbers: Collection[int], in_doubt: InDoubt) -> Awaitable[Committed]:
        """Record that these recipients may have got the message.  The mark stays until they are settled.

        They stay in the lease.
        """

    def release(self, lease: Lease, numbers: Collection[int] | None = None) -> None:
        """Put recipients (all: None) back untouched: they are handed out again.

        Those that have left the lease before are not concerned.
        """

    async def administer(self, order: Order, selection: Selection, spread: Spread | None = None) -> int:
        """Carry out an operator's order; how many messages it concerned.  Raises `errors.SpoolTrouble`, in which case none.

        With `spread` (`FLUSH` and `RELEASE`) turns come one after the other, the oldest message first, instead of now; mail
        whose turn has come before is not made to wait, and a flush then concerns those alone who have a turn to come.
        """

    async def show(self, queue_id: str) -> StoredMessage | None:
        """One message with all its recipients, or None."""

    async def content(self, queue_id: str) -> Content | None:
        """The text of one message, or None."""

    async def list(
        self, selection: Selection = ALL, after: str = "", limit: int = LISTED_LIMIT
    ) -> tuple[StoredMessage, ...]:
        """Messages in the order of their arrival, from the one after the queue id `after`.  () at the end, or after no id.

        The first page of a full spool costs no more than that of an empty one.
        """

    async def stats(self) -> Stats:
        """Counts, and the mail by domain, the most first."""
