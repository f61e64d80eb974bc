"""Case `idle`: memory of 1,000 idle connections in one process, each of which has been greeted.

Every program opens its connections to the bundled sink, sends one small message over each, and then reads its own resident
memory, before and after.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import run_measured
from benchmarks.report import Table
from benchmarks.sinks import BUNDLED, run_sink

CONNECTIONS = 1000

PROGRAMS = {"mailrider": "hold_mailrider", "aiosmtplib, uvloop": "hold_aiosmtplib"}


class Figures(NamedTuple):
    """Resident memory in kilobytes (1,024 octets)."""

    connections: int
    before_kilobytes: int
    after_kilobytes: int
    a_connection_kilobytes: float


def measure(folder: Path) -> dict[str, Figures]:
    """Run each program once: memory does not vary as time does."""
    figures = {}
    for name, module in PROGRAMS.items():
        output, errors = folder / "idle.json", folder / "idle.err"
        with run_sink(BUNDLED) as port:
            command = (sys.executable, "-m", f"benchmarks.clients.{module}", str(port), str(CONNECTIONS))
            run_measured(command, output, errors)
        said = json.loads(output.read_text())
        growth = (said["after"] - said["before"]) / said["connections"]
        figures[name] = Figures(said["connections"], said["before"], said["after"], growth)
    return figures


def tabulate(figures: dict[str, Figures]) -> Table:
    """Ratios first."""
    ours = figures["mailrider"].a_connection_kilobytes
    rows = [
        (
            f"{ours / its.a_connection_kilobytes:.2f} of", name, f"{its.a_connection_kilobytes:.1f}",
            f"{its.after_kilobytes / 1024:.0f}", f"{its.before_kilobytes / 1024:.0f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    heads = ("mailrider needs", "program", "kB a connection", "MB in all", "MB before")
    return Table(f"idle: {CONNECTIONS} greeted connections in one process", heads, rows)
