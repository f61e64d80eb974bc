"""A message of the spool in memory, its text, and when its recipients are due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mailrider.errors import ContentUnreadable
from mailrider.spool.spool import OpenRecipient, StoredMessage, Submission


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


class Turn(NamedTuple):
    """When a recipient is due; out of date where the recipient says another time."""

    due_seconds: float
    key: int
    number: int
