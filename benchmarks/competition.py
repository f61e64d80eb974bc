"""What the cases `far`, `tls`, `many` and `mixed` have in common: contestants in turn, rates with ratios first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contest import RATE_HEADS, Figures, rate_rows
from benchmarks.report import Table


class Competition(NamedTuple):
    """`measure` takes a factor for the numbers of messages, the repeats, and a folder of its own."""

    name: str
    measure: Callable[[float, int, Path], Outcome]
    most_repeats: int = 3


@dataclass
class Outcome:
    """The figures; `base` is the contestant that the others are compared with; `notes` say what could not be run, and more."""

    title: str
    figures: dict[str, Figures]
    base: str
    notes: list[str] = field(default_factory=list)
    more: Sequence[Table] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        ratios = {
            name: its.messages_per_second / self.figures[self.base].messages_per_second for name, its in self.figures.items()
        }
        programs = {name: its._asdict() for name, its in self.figures.items()}
        said = {"title": self.title, "base": self.base, "ratios": ratios, "programs": programs, "notes": self.notes}
        return {**said, "more": [table._asdict() for table in self.more]}

    def tables(self) -> list[Table]:
        """For a terminal."""
        title = f"{self.title}, compared with {self.base}, start-up subtracted"
        return [Table(title, RATE_HEADS, rate_rows(self.figures, self.base), "\n".join(self.notes)), *self.more]


def scale(messages: int, factor: float) -> int:
    """So many times as many, but two at least, since start-up is subtracted."""
    return max(2, round(messages * factor))
