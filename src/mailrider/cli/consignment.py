"""A parcel on its way: the requests that it makes, and their outcomes until all are in.

It becomes one request for every `smtp_destination_recipient_limit` recipients.  The message is read when the first of them has
its turn, and let go with the last.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.cli.parcels import Parcel
from mailrider.cli.rows import Rows
from mailrider.delivery.portions import name_destination, split_recipients
from mailrider.errors import MissingInput
from mailrider.machine import SystemClock
from mailrider.model import status as status_code
from mailrider.model.outcome import DeliveryReport, Outcome, Status
from mailrider.model.request import BodyType, DeliveryRequest, Recipient, Turn
from mailrider.spool.message import Message, UnreadableMessage
from mailrider.wiring import Engine

Read = Callable[[str], Message | UnreadableMessage]
"""Gives the message of a file; raises `MissingInput`."""

BROKEN_OFF = Outcome(Status.DEFERRED, status_code.SYSTEM_NOT_ACCEPTING, "delivery was broken off by a signal")
"""What becomes of a recipient that a second signal has caught."""


class Consignment:
    """A parcel on its way: its portions, and their outcomes until all are in."""

    __slots__ = ("_engine", "_message", "_missing", "_outcomes", "_position", "_read", "_rows", "hand_over", "parcel")

    def __init__(self, position: int, parcel: Parcel, engine: Engine, rows: Rows, read: Read) -> None:
        self._read = read
        self._position = position
        self.parcel = parcel
        self._engine = engine
        self._rows = rows
        self._message: Message | UnreadableMessage | None = None
        self._outcomes: list[Outcome | None] = [None] * len(parcel.given)
        self._missing = len(parcel.given)
        self.hand_over = ""

    def portions(self) -> list[Portion]:
        """The requests that the parcel makes."""
        everybody, limit = self.parcel.envelope.recipients, self._engine.recipient_limit(self.parcel.service)
        if len(everybody) == 1:
            return [Portion(self, 0, everybody, limit)]
        portions = []
        start = 0
        for recipients in split_recipients(everybody, limit):
            portions.append(Portion(self, start, recipients, limit))
            start += len(recipients)
        return portions

    def message(self) -> Message | UnreadableMessage:
        """The message, read when it is first needed."""
        if self._message is None:
            try:
                self._message = self._read(self.parcel.message_file)
            except MissingInput as gone:
                self._message = UnreadableMessage(str(gone))
        return self._message

    def take(self, start: int, report: DeliveryReport) -> None:
        """A portion is done; with the last one the rows are written and the message is let go."""
        self._outcomes[start : start + len(report.outcomes)] = report.outcomes
        if report.hand_over is not None:
            self.hand_over = report.hand_over.transport
        self._missing -= len(report.outcomes)
        if not self._missing:
            self._message = None
            self._rows.add(self._position, self.parcel.given, self._outcomes, self.hand_over)
            self._outcomes = []

    def break_off(self) -> None:
        """Nobody works on it any more: what is not known yet is deferred, and in doubt where it was under way."""
        if self._missing:
            broken = BROKEN_OFF._replace(in_doubt=self._message is not None)
            outcomes = [outcome if outcome is not None else broken for outcome in self._outcomes]
            self._rows.add(self._position, self.parcel.given, outcomes, self.hand_over)


class Portion:
    """As many recipients of a parcel as go into one request: a `queue.burst.Work`."""

    __slots__ = ("_consignment", "_recipients", "_start", "destination", "service")

    def __init__(self, consignment: Consignment, start: int, recipients: tuple[Recipient, ...], limit: int) -> None:
        self._consignment = consignment
        self._start = start
        self._recipients = recipients
        self.destination = name_destination(consignment.parcel.nexthop, recipients, limit)
        self.service = consignment.parcel.service

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """See `queue.burst.Work`."""
        parcel = self._consignment.parcel
        message = self._consignment.message()
        envelope = parcel.envelope
        if len(self._recipients) != len(envelope.recipients):
            envelope = envelope._replace(recipients=self._recipients)
        if message.labelled_8bit:
            envelope = envelope._replace(body=BodyType.EIGHT_BIT)
        now = SystemClock.wall_seconds()
        # By position: naming fourteen fields costs as much again, and this is for every message.
        return DeliveryRequest(
            envelope, message, parcel.nexthop, parcel.transport, parcel.service, parcel.queue_id,
            now - parcel.age_seconds, now, parcel.probe, False, cache_load, cache_store, parcel.client, turn,
        )  # fmt: skip

    def report(self, report: DeliveryReport) -> None:
        """See `queue.burst.Work`."""
        self._consignment.take(self._start, report)
