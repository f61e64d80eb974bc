"""The ledger of one request: the latest outcome of each recipient, each settled exactly once.

A recipient is *open* until its outcome has been recorded by whoever keeps the mail.  What was sent or bounced is settled
the moment that is known; what failed softly stays open, and is settled as deferred when no server is left.
"""

from __future__ import annotations

from mailrider.errors import BrokenPromise
from mailrider.events import Observer, RecipientSettled
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, Outcome, Recorded, Recorder, Status
from mailrider.model.request import DeliveryRequest, Recipient

_NOT_RECORDED = Recorded.NOT_RECORDED  # looking up a member of an Enum is dear until Python 3.12


class Ledger:
    """Who of a request is still open, and what became of the others."""

    __slots__ = ("_observer", "_outcomes", "_recorder", "_request", "open")

    def __init__(self, request: DeliveryRequest, recorder: Recorder, observer: Observer) -> None:
        self._request = request
        self._recorder = recorder
        self._observer = observer
        self._outcomes: dict[int, Outcome] = {}
        self.open: list[int] = list(range(len(request.envelope.recipients)))

    def recipient(self, index: int) -> Recipient:
        """The recipient at this place of the request."""
        return self._request.envelope.recipients[index]

    async def settle(self, index: int, outcome: Outcome) -> None:
        """Settle one recipient for good.

        An outcome that could not be recorded becomes a deferral: better twice than lost.
        """
        if index in self._outcomes:
            raise BrokenPromise(f"recipient {index} of {self._request.queue_id} is settled twice")
        self.open.remove(index)
        recipient = self.recipient(index)
        if await self._recorder.settle(recipient, outcome) is _NOT_RECORDED:
            soft = status_code.soften(outcome.status_code)
            if not status_code.is_soft(soft):
                soft = status_code.SERVER_UNAVAILABLE
            outcome = outcome._replace(status=Status.DEFERRED, status_code=soft, action=Action.DELAYED)
        self._outcomes[index] = outcome
        self._observer(RecipientSettled(self._request, recipient, outcome))

    def hand_over(self) -> tuple[Recipient, ...]:
        """Give the open recipients away: another transport will answer for them."""
        recipients = tuple(self.recipient(index) for index in self.open)
        self.open.clear()
        return recipients

    def close(self) -> tuple[Outcome | None, ...]:
        """The outcomes in the order of the request; None for those that were handed over.  Nobody may be open."""
        if self.open:
            raise BrokenPromise(f"{len(self.open)} recipients of {self._request.queue_id} are left open")
        return tuple([self._outcomes.get(index) for index in range(len(self._request.envelope.recipients))])
