"""Lookup tables: how long a large `texthash` takes to load, and a lookup in it and in a thousand patterns takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Table
from mailrider.tables.opening import open_table

ENTRIES = 100_000
RULES = 1000
LOOKUPS = 100_000
MISSES = 50


class Figure(NamedTuple):
    """The median of several measurements, and what it is to stay below, in the same unit."""

    value: float
    goal: float
    unit: str


def measure(repeats: int, folder: Path) -> dict[str, Figure]:
    text = folder / "texthash"
    text.write_text(
        "".join([f"user{n}@domain{n % 997}.example.com\tsmtp:[relay{n % 13}.example.net]:587\n" for n in range(ENTRIES)])
    )
    rules = folder / "rules"
    rules.write_text("".join([f"/^user{n}@domain{n % 97}\\.example\\.com$/ smtp:[relay{n}]\n" for n in range(RULES)]))
    figures = {
        f"load texthash, {ENTRIES} entries": Figure(_median(repeats, lambda: open_table(f"texthash:{text}")) * 1e3, 500, "ms")
    }
    table = open_table(f"texthash:{text}")
    find, key = table.find, "user777@domain777.example.com"
    seconds = _median(repeats, lambda: [find(key) for _ in range(LOOKUPS)]) / LOOKUPS
    figures["a lookup in it"] = Figure(seconds * 1e6, 2, "us")
    for kind in ("regexp", "pcre"):
        find = open_table(f"{kind}:{rules}").find
        seconds = _median(repeats, lambda: [find("nobody@nowhere.example.org") for _ in range(MISSES)]) / MISSES  # noqa: B023
        figures[f"a miss in {kind}, {RULES} rules"] = Figure(seconds * 1e3, 3, "ms")
    return figures


def _median(repeats: int, run: Callable[[], object]) -> float:
    """Seconds of processor time: others may use the machine too."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return statistics.median(times)


def tabulate(figures: dict[str, Figure], repeats: int) -> Table:
    rows = [[name, f"{figure.value:.2f} {figure.unit}", f"{figure.goal:g} {figure.unit}"] for name, figure in figures.items()]
    return Table(f"Lookup tables (processor time, median of {repeats})", ["what", "takes", "goal"], rows)
