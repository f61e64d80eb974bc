"""Cases `idle` and `open`: idle connections in one process, each of which has been greeted.

`idle` has 1,000 to one server and compares memory.  `open` has 5,000, each to a destination of its own, and measures how long
the next message for any of them takes, from handing it in to the result; Postfix would need 5,000 processes for that and
is not tried.

Every program opens its connections to the bundled sink, sends one small message over each, and then reads its own resident
memory, before and after.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import ProgramFailed, run_measured
from benchmarks.report import Table
from benchmarks.sinks import BUNDLED, run_bundled, run_sink

CONNECTIONS = 1000
MANY_CONNECTIONS = 5000

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


class OpenFigures(NamedTuple):
    """Resident memory in kilobytes, and milliseconds for the next message; `reused` of `tried` went over an open connection."""

    connections: int
    before: int
    after: int
    tried: int
    reused: int
    median_milliseconds: float
    worst_milliseconds: float


def measure_open(folder: Path) -> OpenFigures:
    """Run once.  Raises `ProgramFailed` if not all connections were open at a time."""
    output, errors = folder / "open.json", folder / "open.err"
    with run_bundled(host="0.0.0.0") as sink:
        command = (sys.executable, "-m", "benchmarks.clients.hold_mailrider", str(sink.port), str(MANY_CONNECTIONS), "--each")
        run_measured(command, output, errors)
    figures = OpenFigures(**json.loads(output.read_text()))
    if figures.connections < MANY_CONNECTIONS:
        raise ProgramFailed(f"{figures.connections} of {MANY_CONNECTIONS} connections were open")
    return figures


def tabulate_open(figures: OpenFigures) -> Table:
    """Memory and time."""
    row = (
        f"{figures.after / 1024:.0f}", f"{(figures.after - figures.before) / figures.connections:.1f}",
        f"{figures.median_milliseconds:.2f}", f"{figures.worst_milliseconds:.2f}", f"{figures.reused} of {figures.tried}",
    )  # fmt: skip
    heads = ("MB in all", "kB a connection", "ms for the next message, median", "worst", "over an open connection")
    title = f"open: {figures.connections} greeted connections to as many destinations in one process"
    return Table(title, heads, [row], "Postfix was not run: it needs a process for each connection")
