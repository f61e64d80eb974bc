"""How long a connection waits for its peer: the arithmetic of deadlines, without a clock of its own.

Without `per_request` a limit is for each arrival or departure of octets, as smtp(8) has it, so a peer that drips is tolerated,
but one reply may take at most `PATIENCE` limits in all.  With it, a limit is for the whole reply, and for the content plus
the time that `min_data_rate` grants to what has been sent, though never more than one limit ahead (postconf(5),
`smtp_per_request_deadline`, `smtp_min_data_rate`).  What is left of it when a part of a reply has come is rounded up to
whole seconds, and the greeting and what follows it up to the end of AUTH or the beginning of TLS have one limit together:
both as in smtp(8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mailrider.net.deadline import NO_DEADLINE
from mailrider.smtp.stage import (
    AUTH,
    AUTH_AFTER_DENIAL,
    BDAT,
    DOT,
    EHLO,
    GREETING,
    HELO,
    LHLO,
    LMTP_AUTH,
    STARTTLS,
    Stage,
    TimeLimits,
)

PATIENCE = 10
"""How many time limits one reply may take, however slowly it drips.  smtp(8) would wait for its watchdog (five hours)."""


_AFTER_GREETING = frozenset((EHLO, HELO, LHLO, AUTH, LMTP_AUTH))
_OPENING = _AFTER_GREETING | {GREETING}
_DENIED = frozenset((STARTTLS, AUTH_AFTER_DENIAL))

GOING_ON: Mapping[Stage, frozenset[Stage]] = dict.fromkeys(_AFTER_GREETING, _OPENING) | {AUTH_AFTER_DENIAL: _DENIED}
"""The stages that go on with the limit of one before, and which these are."""

_LIMITS_THAT_LAST = _OPENING | _DENIED

DOUBT = 2
"""How many times as long a server is waited for that may have taken the message before and was not heard."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time limits of a connection.  `min_data_rate` is in octets per second, 0 for none.

    All times are seconds on the event loop's clock; a stage of None is that nothing is being waited for.
    """

    limits: TimeLimits
    per_request: bool = False
    min_data_rate: int = 500

    def wait_longer(self) -> Patience:
        """The same, but for the reply to the message `DOUBT` times as long: the last time it did not come (RFC 1047)."""
        return replace(self, limits={**self.limits, DOT: self.limits[DOT] * DOUBT, BDAT: self.limits[BDAT] * DOUBT})

    def begin(self, stage: Stage | None, now: float) -> float:
        """The deadline of something that is waited for from now on."""
        return now + self.limits[stage] if stage is not None else NO_DEADLINE

    def goes_on(self, before: Stage | None, stage: Stage | None) -> bool:
        """Whether what is waited for now has what is left of the time that was given to what was waited for before."""
        return stage is not None and self.per_request and before in GOING_ON.get(stage, frozenset())

    def lasts(self, before: Stage | None) -> bool:
        """Whether that time goes on while nothing is waited for: between EHLO and AUTH, say."""
        return self.per_request and before in _LIMITS_THAT_LAST

    def after_arrival(self, stage: Stage | None, now: float, began: float, deadline: float) -> float:
        """Some octets of a reply have come, but not its end."""
        if stage is None:
            return deadline
        limit = self.limits[stage]
        if self.per_request:
            left = began + limit - now
            return now + math.ceil(left) if left > 0 else now
        return min(now + limit, began + PATIENCE * limit)

    def after_departure(self, stage: Stage | None, now: float, deadline: float, octets: int) -> float:
        """So many octets have gone."""
        if stage is None:
            return deadline
        latest = now + self.limits[stage]
        if not self.per_request:
            return latest
        if not self.min_data_rate:
            return deadline
        return min(latest, deadline + octets / self.min_data_rate)
