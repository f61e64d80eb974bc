"""What becomes of mail for a destination that was declared dead: it waits, with the reason of the last failure."""

from __future__ import annotations

from typing import NamedTuple

from mailrider.model.outcome import Action, Delays, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest


class Grave(NamedTuple):
    """Why a destination is dead, and until when (seconds on the monotonic clock)."""

    trouble: DestinationTrouble
    until_seconds: float


def suspend(request: DeliveryRequest, trouble: DestinationTrouble, now_seconds: float) -> Outcome:
    """The outcome of a request that is not even tried: `delivery temporarily suspended: ...`.

    `now_seconds` is what the wall clock says.
    """
    before = max(0.0, request.active_seconds - request.arrival_seconds)
    return Outcome(
        Status.DEFERRED,
        trouble.status_code,
        f"delivery temporarily suspended: {trouble.text}",
        action=Action.DELAYED,
        delays=Delays(before, max(0.0, now_seconds - request.active_seconds), 0.0, 0.0),
    )
