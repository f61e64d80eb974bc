"""Running a program and knowing what it cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

PROJECT = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """What one run of a program, and of the children it waited for, has cost."""

    processor_seconds: float
    elapsed_seconds: float
    peak_kilobytes: int


class ProgramFailed(Exception):
    """A program that is measured did not do its work."""


def run_measured(
    arguments: Sequence[str], output: Path | None = None, errors: Path | None = None, *, source: Path | None = None
) -> Cost:
    """Run a program to its end; its output goes to the files given, else nowhere.

    `source` is a folder whose packages go before those of the environment.  Raises `ProgramFailed`.
    """
    environment = dict(os.environ) if source is None else {**os.environ, "PYTHONPATH": str(source)}
    with _open(output) as standard_output, _open(errors) as standard_error:
        began = time.monotonic()
        child = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=standard_output, stderr=standard_error, cwd=PROJECT, env=environment
        )
        # wait4 is what tells the cost of this very child; Popen must then not wait once more.
        _, status, usage = os.wait4(child.pid, 0)
        elapsed = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise ProgramFailed(f"exit code {child.returncode}: {' '.join(arguments)}{_end_of(errors)}")
    return Cost(usage.ru_utime + usage.ru_stime, elapsed, usage.ru_maxrss)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.processor_seconds for cost in costs),
        statistics.median(cost.elapsed_seconds for cost in costs),
        int(statistics.median(cost.peak_kilobytes for cost in costs)),
    )


def processor_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """What a process has needed until now; 0.0 if it is not there (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    ticks = sum(map(int, fields[11 : 15 if with_ended_children else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _open(path: Path | None) -> IO[bytes]:
    return open(path if path is not None else os.devnull, "wb")


def _end_of(errors: Path | None) -> str:
    if errors is None:
        return ""
    return "\n" + errors.read_text(errors="replace")[-2000:]
