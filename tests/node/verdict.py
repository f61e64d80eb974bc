"""What came of the mail: what is missing, what came twice, and which kill has to answer for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tests.node.far_side import Copy

DUPLICATES_SHARE = 0.01
"""Of all that was accepted, so much may come twice."""

SHORT_RUN_KILLS = 100
DUPLICATES_A_KILL = 2
"""In a run of few kills chance has more to say: there, two for each kill are allowed as well."""

KILL_WINDOW_SECONDS = 2.0
"""A reply that was written longer than this before a kill must have been recorded."""

SAMPLE = 20


class Count(NamedTuple):
    """One door, in recipients.

    `twice`: delivered again although the far side had said 250, because a kill came before that was recorded.  `unheard`:
    delivered again since the far side had taken the message without a reply that could be heard.
    """

    accepted: int = 0
    delivered: int = 0
    told: int = 0
    missing: int = 0
    twice: int = 0
    unheard: int = 0


class Verdict(NamedTuple):
    """Everything that is to be said.

    `unexplained` came twice although the reply was heard and no kill was near; `gaps` are seconds from the 250 to the kill."""

    kills: int
    seconds: float
    doors: dict[str, Count]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...]
    gaps: tuple[float, ...]

    @property
    def total(self) -> Count:
        return Count(*map(sum, zip(*self.doors.values(), strict=True))) if self.doors else Count()

    @property
    def is_good(self) -> bool:
        total = self.total
        by_chance = self.kills * DUPLICATES_A_KILL if self.kills < SHORT_RUN_KILLS else 0
        may_come_twice = max(by_chance, total.accepted * DUPLICATES_SHARE)
        return not self.missing and not self.unexplained and total.twice <= may_come_twice

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "kills": self.kills, "seconds": round(self.seconds, 1), "good": self.is_good,
            "doors": {door: count._asdict() for door, count in self.doors.items()}, "total": self.total._asdict(),
            "missing": self.missing[:SAMPLE], "unexplained": self.unexplained[:SAMPLE],
            "milliseconds_from_reply_to_kill": [round(gap * 1000, 2) for gap in sorted(self.gaps)],
        }  # fmt: skip

    def text(self) -> str:
        """A table for a terminal."""
        heads = ("door", *Count._fields)
        rows = [heads, *((door, *map(str, count)) for door, count in (*self.doors.items(), ("total", self.total)))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        share = 100 * self.total.twice / max(1, self.total.accepted)
        lines.append(f"{self.kills} kills in {self.seconds:.0f} s; {share:.2f} % twice, {len(self.unexplained)} unexplained")
        if self.gaps:
            gaps = sorted(gap * 1000 for gap in self.gaps)
            lines.append(f"from a reply to the kill that lost it: median {gaps[len(gaps) // 2]:.1f} ms, most {gaps[-1]:.1f} ms")
        lines += [f"missing: {address}" for address in self.missing[:SAMPLE]]
        lines += [f"twice, unexplained: {address}" for address in self.unexplained[:SAMPLE]]
        return "\n".join(lines)


def judge(
    accepted: Mapping[str, str],
    copies: Mapping[str, Sequence[Copy]],
    told: set[str],
    kills: Mapping[str, float],
    seconds: float,
) -> Verdict:
    """`accepted`: recipients and their doors; `kills`: the lives that were ended, and when."""
    tallies: dict[str, Counter[str]] = {}
    missing, unexplained, gaps = [], [], []
    for address, door in sorted(accepted.items()):
        tally = tallies.setdefault(door, Counter())
        its = copies.get(address, ())
        tally["accepted"] += 1
        tally["delivered"] += any(copy.said_seconds is not None for copy in its)
        tally["told"] += address in told
        if address not in told and not any(copy.said_seconds is not None for copy in its):
            tally["missing"] += 1
            missing.append(address)
        for copy, following in pairwise(its):
            reason, gap = explain(copy, following, kills.get(copy.life))
            if reason == "unexplained":
                unexplained.append(f"{address}: {copy} and {following}")
            else:
                tally[reason] += 1
            if reason == "twice":
                gaps.append(gap)
    doors = {door: Count(**tally) for door, tally in sorted(tallies.items())}
    return Verdict(len(kills), seconds, doors, tuple(missing), tuple(unexplained), tuple(gaps))


def explain(copy: Copy, following: Copy, killed_seconds: float | None) -> tuple[str, float]:
    """Why a recipient got the message once more, and how long before the kill the first 250 was written."""
    if copy.said_seconds is None:
        return "unheard", 0.0
    if killed_seconds is None or following.life == copy.life:
        return "unexplained", 0.0
    if killed_seconds <= copy.said_seconds:
        return "unheard", 0.0  # it was said to a process that was not there any more
    gap = killed_seconds - copy.said_seconds
    return ("twice", gap) if gap <= KILL_WINDOW_SECONDS else ("unexplained", gap)
