"""Programs that do the same work in turn (A B C A B C ...), and what each of them needs for one message.

Every contestant is also run with a single message, and that is subtracted: what is left is the work, without start-up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.measuring import Cost

RATE_HEADS = ("times the messages/s", "in the best runs", "program", "messages/s", "best", "processor time", "µs a message")


class Contestant(NamedTuple):
    """One that delivers as many messages as it is told, and says what that cost.

    `run` raises `ProgramFailed` unless all of them were sent; `messages` is how many it gets, more than one.
    """

    name: str
    run: Callable[[int], Cost]
    messages: int


class Figures(NamedTuple):
    """Per message: processor time, median and best run; messages a second of elapsed time, likewise; the start-up taken off."""

    microseconds: float
    best_microseconds: float
    messages_per_second: float
    best_messages_per_second: float
    start_milliseconds: float


def compete(contestants: Sequence[Contestant], repeats: int) -> dict[str, Figures]:
    """Run all of them interleaved and give the figures of each by its name."""
    single: dict[str, list[Cost]] = {each.name: [] for each in contestants}
    many: dict[str, list[Cost]] = {each.name: [] for each in contestants}
    for _ in range(repeats):
        for each in contestants:
            single[each.name].append(each.run(1))
            many[each.name].append(each.run(each.messages))
    return {each.name: compare(single[each.name], many[each.name], each.messages) for each in contestants}


def compare(single: Sequence[Cost], many: Sequence[Cost], messages: int) -> Figures:
    """What `messages` cost more than one did, per message."""
    processor = [[cost.processor_seconds for cost in costs] for costs in (single, many)]
    elapsed = [[cost.elapsed_seconds for cost in costs] for costs in (single, many)]

    def more(times: Sequence[Sequence[float]], pick: Callable[[Sequence[float]], float]) -> float:
        seconds = pick(times[1]) - pick(times[0])
        return seconds if seconds > 0 else math.nan  # lost in the noise: there were too few messages

    return Figures(
        more(processor, statistics.median) / (messages - 1) * 1e6,
        more(processor, min) / (messages - 1) * 1e6,
        (messages - 1) / more(elapsed, statistics.median),
        (messages - 1) / more(elapsed, min),
        statistics.median(processor[0]) * 1e3,
    )


def rate_rows(figures: dict[str, Figures], base: str) -> list[tuple[str, ...]]:
    """Rows of `RATE_HEADS`: how many times the messages a second of `base`, and the figures."""
    least = figures[base]
    return [
        (
            f"{its.messages_per_second / least.messages_per_second:.2f} times",
            f"{its.best_messages_per_second / least.best_messages_per_second:.2f} times", name,
            f"{its.messages_per_second:.1f}", f"{its.best_messages_per_second:.1f}",
            f"{its.microseconds / least.microseconds:.2f} of", f"{its.microseconds:.0f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
