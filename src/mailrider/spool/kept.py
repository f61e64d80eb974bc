"""What the spool in memory keeps of a message, and what is said and ordered of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mailrider.errors import ContentUnreadable
from mailrider.spool.rows import domain_of, searchable
from mailrider.spool.spool import (
    HELD_SECONDS,
    DomainCount,
    OpenRecipient,
    Order,
    Selection,
    Stats,
    StoredMessage,
    Submission,
)

NO_CHOICE = Selection()


def _is_same(one: str, other: str) -> bool:
    """Whether two addresses are the same but for the case of ASCII letters."""
    return one.encode("utf-8", "surrogateescape").lower() == other.encode("utf-8", "surrogateescape").lower()


class KeptContent:
    """The text of a message in memory, for as long as the message is there."""

    __slots__ = ("_kept", "key", "size_octets")

    def __init__(self, kept: dict[int, Kept], key: int, size_octets: int) -> None:
        self._kept = kept
        self.key = key
        self.size_octets = size_octets

    def chunks(self) -> Iterator[bytes]:
        """The text in one piece."""
        kept = self._kept.get(self.key)
        if kept is None:
            raise ContentUnreadable("the message has been deleted from the queue")
        return iter((kept.octets,))


class Kept:
    """A message and what is left of its recipients."""

    __slots__ = ("arrival_seconds", "octets", "on_hold", "recipients", "submission", "total")

    def __init__(self, submission: Submission, octets: bytes, arrival_seconds: float, due_seconds: float) -> None:
        self.submission = submission
        self.octets = octets
        self.arrival_seconds = arrival_seconds
        self.on_hold = submission.on_hold
        self.total = len(submission.envelope.recipients)
        self.recipients = {
            number: OpenRecipient(number, recipient._replace(token=number), not_before_seconds=due_seconds)
            for number, recipient in enumerate(submission.envelope.recipients)
        }

    def show(self, queue_id: str, recipients: tuple[OpenRecipient, ...]) -> StoredMessage:
        """The message with these recipients."""
        given = self.submission
        return StoredMessage(
            queue_id,
            given.envelope._replace(recipients=tuple([one.recipient for one in recipients])),
            recipients,
            self.total,
            len(self.octets),
            self.arrival_seconds,
            given.expires_seconds,
            given.client,
            given.origin,
            self.on_hold,
        )

    def is_chosen(self, selection: Selection, queue_id: str) -> bool:
        """Whether a selection is for this message, whose id is `queue_id`."""
        if selection._replace(everything=False) == NO_CHOICE:
            return selection.everything
        if selection.queue_ids and queue_id not in selection.queue_ids:
            return False
        if selection.sender is not None and not _is_same(self.submission.envelope.sender, selection.sender):
            return False
        before = selection.arrived_before_seconds
        if before is not None and self.arrival_seconds >= before:
            return False
        left, wanted = self.recipients.values(), selection.domain
        return (
            (wanted is None or any(domain_of(one.recipient.address) == wanted.lower() for one in left))
            and (selection.recipient is None or any(_is_same(one.recipient.address, selection.recipient) for one in left))
            and (selection.reason is None or any(_has_reason(one, selection.reason) for one in left))
        )

    def is_concerned(self, order: Order) -> bool:
        """Whether an order changes anything."""
        if order in (Order.HOLD, Order.FLUSH):
            return not self.on_hold
        return self.on_hold or order is not Order.RELEASE

    def waits(self, now_seconds: float) -> bool:
        """Whether the turn of a recipient is still to come."""
        return any(one.not_before_seconds > now_seconds for one in self.recipients.values())

    def take_turn(self, turn_seconds: float, now_seconds: float) -> None:
        """Its turn, and the end of a hold; who had one before that has come is not made to wait."""
        self.on_hold = False
        for number, one in self.recipients.items():
            if one.not_before_seconds > now_seconds:
                self.recipients[number] = one._replace(not_before_seconds=turn_seconds)

    def obey(self, order: Order, now_seconds: float) -> None:
        """Carry out an order, which is not `DELETE`."""
        self.on_hold = order is Order.HOLD
        for number, one in self.recipients.items():
            due = HELD_SECONDS if order is Order.HOLD else min(one.not_before_seconds, now_seconds)
            if order is Order.REQUEUE:
                one = OpenRecipient(number, one.recipient, latest=one.latest if one.owed else None, owed=one.owed)
            self.recipients[number] = one._replace(not_before_seconds=due)


def _has_reason(one: OpenRecipient, reason: str) -> bool:
    """As SQLite does it: ASCII letters alone have no case."""
    if one.latest is None:
        return False
    outcome = one.latest.outcome
    told = searchable(f"{outcome.status_code} {outcome.text}")
    return searchable(reason).encode().lower() in told.encode().lower()


def count_messages(messages: Collection[Kept], now_seconds: float) -> Stats:
    """All counts."""
    domains: dict[str, DomainCount] = {}
    due = deferred = 0
    for kept in messages:
        for one in kept.recipients.values():
            domain = domain_of(one.recipient.address)
            before = domains.get(domain, DomainCount(domain, 0, HELD_SECONDS, HELD_SECONDS))
            domains[domain] = DomainCount(
                domain,
                before.recipients + 1,
                min(before.oldest_arrival_seconds, kept.arrival_seconds),
                min(before.next_due_seconds, one.not_before_seconds),
            )
            due += one.not_before_seconds <= now_seconds
            deferred += now_seconds < one.not_before_seconds < HELD_SECONDS
    return Stats(
        len(messages),
        sum(len(kept.octets) for kept in messages),
        sum(count.recipients for count in domains.values()),
        due,
        deferred,
        sum(kept.on_hold for kept in messages),
        min((kept.arrival_seconds for kept in messages), default=0.0),
        tuple(sorted(domains.values(), key=lambda count: (-count.recipients, count.domain))),
    )
