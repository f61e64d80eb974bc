"""Case `import`: how long it takes until there is something to work with.

Each program is started anew; the caches of compiled files and of the disk are warm, as they are on a machine in use.  Both
clocks are shown: an empty interpreter is the floor of all of them.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from benchmarks.measuring import Cost, median_cost, run_measured
from benchmarks.report import Table

PROGRAMS = {
    "python -c pass": ("-c", "pass"),
    "import mailrider": ("-c", "import mailrider"),
    "mailrider deliver --help": ("-m", "mailrider", "deliver", "--help"),
    "import mailrider.api": ("-c", "import mailrider.api"),
    "import smtplib": ("-c", "import smtplib"),
    "import aiosmtplib": ("-c", "import aiosmtplib"),
}


class Figures(NamedTuple):
    """Medians of one program."""

    elapsed_milliseconds: float
    processor_milliseconds: float
    above_empty_milliseconds: float


def measure(repeats: int) -> dict[str, Figures]:
    """Run all programs interleaved."""
    costs: dict[str, list[Cost]] = {name: [] for name in PROGRAMS}
    for _ in range(repeats):
        for name, arguments in PROGRAMS.items():
            costs[name].append(run_measured((sys.executable, *arguments)))
    medians = {name: median_cost(several) for name, several in costs.items()}
    empty = medians["python -c pass"].elapsed_seconds
    return {
        name: Figures(cost.elapsed_seconds * 1e3, cost.processor_seconds * 1e3, (cost.elapsed_seconds - empty) * 1e3)
        for name, cost in medians.items()
    }


def tabulate(figures: dict[str, Figures], repeats: int) -> Table:
    """Milliseconds, and how much of them is not the interpreter's."""
    rows = [
        (
            name, f"{its.above_empty_milliseconds:.0f}", f"{its.elapsed_milliseconds:.0f}",
            f"{its.processor_milliseconds:.0f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    heads = ("program", "ms above an empty interpreter", "ms in all", "ms of processor time")
    return Table(f"import: median of {repeats} starts", heads, rows)
