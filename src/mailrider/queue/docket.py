"""One leased message while its recipients are out, and what follows when the last of them is back.

A recipient that was delivered is settled in the spool the moment that is known; one that bounced, too, where others are still
out, as owed a notice.  When everybody is back:

* who failed for good goes into one notice, in one transaction with the settlement;
* who was delivered, and whose sender asked to hear of that or was told that it is late, likewise;
* who has to wait gets the time of the next turn, with the reason; if the message is too old by now, it goes back instead;
* where a warning is due, the sender is told that the message is late.

A decision object: `Office` is what it acts through.
"""

from __future__ import annotations

from typing import Protocol

from mailrider.dsn.report import Kind, Report, report_outcome, wants
from mailrider.model.outcome import Action, Outcome, Status
from mailrider.model.request import Notify, Recipient
from mailrider.queue.schedule import Schedule
from mailrider.spool.spool import InDoubt, Lease, OpenRecipient, Settlement

POSSIBLY_DELIVERED = " (possibly delivered)"

_SENT = Status.SENT
_BOUNCED = Status.BOUNCED
_UNSET = Notify.UNSET  # most recipients; looking into a Flag is dear


class Office(Protocol):
    """What a docket acts through: the spool, notices, and the clock."""

    schedule: Schedule
    confirms_delays: bool
    """Who was told that mail is late wants to hear when it has arrived (`confirm_delay_cleared`)."""

    def now_seconds(self) -> float:
        """The wall clock."""

    def settle(self, lease: Lease, settlements: list[Settlement]) -> None:
        """Record what is final."""

    def defer(self, lease: Lease, numbers: list[int], outcome: Outcome, turn_seconds: float, in_doubt: InDoubt | None) -> None:
        """Put recipients back until their turn."""

    def doubt(self, lease: Lease, recipient: Recipient, number: int, in_doubt: InDoubt) -> None:
        """Record that a recipient may have got the message."""

    def notify(
        self, lease: Lease, kind: Kind, reports: list[Report], settlements: list[Settlement], owed: list[int]
    ) -> None:
        """Write the notices of a kind, and settle in one transaction with them those whom they speak of."""

    def warn(self, lease: Lease, numbers: list[int], reports: list[Report]) -> None:
        """Tell the sender that these wait; they stay in the lease."""

    def expired(self, lease: Lease) -> None:
        """The message goes back."""

    def release(self, lease: Lease, numbers: list[int]) -> None:
        """Put recipients back untouched."""

    def close(self, docket: Docket) -> None:
        """Everybody is back."""


class Docket:
    """See the top of this file.  `outstanding` counts the portions that are out."""

    __slots__ = ("_by_number", "_deferred", "_failed", "_office", "_owed", "_succeeded", "_withdrawn", "lease", "outstanding")

    def __init__(self, lease: Lease, office: Office) -> None:
        self.lease = lease
        self.outstanding = 0
        self._office = office
        self._by_number: dict[int, OpenRecipient] = {it.number: it for it in lease.message.recipients}
        self._deferred: list[tuple[int, Outcome]] = []
        self._failed: list[tuple[int, Outcome]] = []
        self._succeeded: list[tuple[int, Outcome]] = []
        self._owed: set[int] = set()
        self._withdrawn: list[int] = []

    def recall_owed(self) -> list[OpenRecipient]:
        """Those whose fate is final since before a crash join the others of their kind; the rest is to be delivered."""
        open_ones = []
        for it in self.lease.message.recipients:
            if it.owed and it.latest is not None:
                self._owed.add(it.number)
                sort = self._succeeded if it.latest.outcome.status is _SENT else self._failed
                sort.append((it.number, it.latest.outcome))
            else:
                open_ones.append(it)
        return open_ones

    def settle(self, number: int, outcome: Outcome) -> None:
        """What became of one recipient."""
        recipient = self._by_number.pop(number, None)
        if recipient is None:
            return
        status = outcome.status
        if status is _SENT:
            notify = recipient.recipient.notify
            owed = notify is not _UNSET and bool(notify & Notify.SUCCESS) and not outcome.passes_notice_on
            if recipient.warned and self._office.confirms_delays and wants(notify, Kind.DELAY):
                owed = True
            if owed:
                self._owed.add(number)
                self._succeeded.append((number, outcome))
            self._office.settle(self.lease, [Settlement(number, outcome, owed)])
        elif status is _BOUNCED:
            self._failed.append((number, outcome))
            if self.outstanding > 1:
                self._owed.add(number)
                self._office.settle(self.lease, [Settlement(number, outcome, True)])
        else:
            if outcome.in_doubt:
                in_doubt = InDoubt(outcome.relay, self._office.now_seconds())
                self._office.doubt(self.lease, recipient.recipient, number, in_doubt)
                outcome = outcome._replace(text=outcome.text + POSSIBLY_DELIVERED)
            self._deferred.append((number, outcome))

    def is_open(self, number: int) -> bool:
        """Nobody has said yet what became of the recipient."""
        return number in self._by_number

    def withdraw(self, numbers: list[int]) -> None:
        """These were not tried after all."""
        for number in numbers:
            if self._by_number.pop(number, None) is not None:
                self._withdrawn.append(number)

    def count_back(self) -> None:
        """One portion is back; with the last one the rest is decided."""
        self.outstanding -= 1
        if self.outstanding <= 0:
            self.finish()

    def finish(self) -> None:
        """Everybody is back."""
        office, lease = self._office, self.lease
        if self._withdrawn:
            office.release(lease, self._withdrawn)
        if self._deferred:
            self._finish_deferred()
        if self._failed:
            self._notify(Kind.FAILURE, self._failed)
        if self._succeeded:
            self._notify(Kind.SUCCESS, self._succeeded)
        office.close(self)

    def _notify(self, kind: Kind, fates: list[tuple[int, Outcome]]) -> None:
        recipients = {it.number: it.recipient for it in self.lease.message.recipients}
        reports = [report_outcome(recipients[number], _tell_way(kind, outcome)) for number, outcome in fates]
        settlements = [Settlement(number, outcome) for number, outcome in fates if number not in self._owed]
        owed = [number for number, _ in fates if number in self._owed]
        self._office.notify(self.lease, kind, reports, settlements, owed)

    def _finish_deferred(self) -> None:
        office, message = self._office, self.lease.message
        schedule, now = office.schedule, office.now_seconds()
        sender, arrival = message.envelope.sender, message.arrival_seconds
        if schedule.is_expired(sender, arrival, now, message.expires_seconds):
            office.expired(self.lease)
            self._failed += [(number, fail_late(outcome)) for number, outcome in self._deferred]
            return
        stored = {it.number: it for it in message.recipients}
        if schedule.is_late(arrival, now):
            late = [(number, outcome) for number, outcome in self._deferred if not stored[number].warned]
            if late:
                reports = [report_outcome(stored[number].recipient, outcome) for number, outcome in late]
                office.warn(self.lease, [number for number, _ in late], reports)
        turn = schedule.next_attempt_seconds(arrival, now)
        groups: dict[Outcome, list[int]] = {}
        for number, outcome in self._deferred:
            groups.setdefault(outcome, []).append(number)
        for outcome, numbers in groups.items():
            in_doubt = InDoubt(outcome.relay, now) if outcome.in_doubt else None
            office.defer(self.lease, numbers, outcome, turn, in_doubt)


def _tell_way(kind: Kind, outcome: Outcome) -> Outcome:
    """A success notice says over which server it went."""
    if kind is Kind.SUCCESS and outcome.relay != "none":
        return outcome._replace(text=f"delivery via {outcome.relay}: {outcome.text}")
    return outcome


def fail_late(outcome: Outcome) -> Outcome:
    """The last deferral of a recipient whose time is over; the status code stays, as the last reason is what counts."""
    return outcome._replace(status=_BOUNCED, action=Action.FAILED)
