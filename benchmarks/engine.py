"""Case `engine`: processor time for one message, beside smtplib and aiosmtplib.

Messages of 4 kB go over 20 connections on loopback to one sink.  Each program is also run with a single message, and that is
subtracted: what is left is the work, without start-up.  Mailrider is `mailrider deliver --batch` in burst mode, with
the batch file read and checked, a message file read for each message, result rows and log lines written to files.

Other work on the machine makes every program dearer, by up to two thirds where two processors share a core.  The median shows
what such a machine gives; the best run comes nearest to an idle one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Cost, ProgramFailed, median_cost, run_measured
from benchmarks.messages import MESSAGE_OCTETS, write_batch, write_messages
from benchmarks.report import Table
from benchmarks.sinks import run_sink

CONNECTIONS = 20

OURS = "mailrider"


class Program(NamedTuple):
    """One contestant.

    `command` gives its command line for a number of messages; `source` is where its package lies if not in the environment.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    source: Path | None = None


class Figures(NamedTuple):
    """What one contestant needed: per message (median and best run), and for starting up (with one message)."""

    microseconds: float
    best_microseconds: float
    messages_per_second: float
    start_milliseconds: float


def make_programs(port: int, folder: Path, *, all_programs: bool, beside: Sequence[Path] = ()) -> list[Program]:
    """The contestants; the first one is ours."""

    def client(module: str, *options: str) -> Callable[[int], Sequence[str]]:
        return lambda count: (
            sys.executable, "-m", f"benchmarks.clients.{module}", "--port", str(port), "--messages", str(count),
            "--connections", str(CONNECTIONS), "--folder", str(folder), *options,
        )  # fmt: skip

    def mailrider(count: int) -> Sequence[str]:
        batch = folder / f"batch-{count}.json"
        if not batch.exists():
            write_batch(batch, folder, count, f"[127.0.0.1]:{port}")
        return (
            sys.executable, "-m", "mailrider", "deliver",
            "-o", f"default_destination_concurrency_limit={CONNECTIONS}",
            "-o", f"initial_destination_concurrency={CONNECTIONS}", "--batch", str(batch),
        )  # fmt: skip

    programs = [
        Program(OURS, mailrider),
        *(Program(f"{OURS} in {source}", mailrider, source.resolve()) for source in beside),
        Program("smtplib, processes", client("with_smtplib")),
        Program("aiosmtplib, uvloop", client("with_aiosmtplib", "--uvloop")),
    ]
    if all_programs:
        programs += [
            Program("smtplib, threads", client("with_smtplib", "--threads")),
            Program("aiosmtplib, asyncio", client("with_aiosmtplib")),
        ]
    return programs


def measure(
    messages: int, repeats: int, sink: str, folder: Path, *, all_programs: bool = False, beside: Sequence[Path] = ()
) -> dict[str, Figures]:
    """Run all contestants interleaved and give the figures of each by its name."""
    write_messages(folder)
    with run_sink(sink) as port:
        programs = make_programs(port, folder, all_programs=all_programs, beside=beside)
        single: dict[str, list[Cost]] = {program.name: [] for program in programs}
        many: dict[str, list[Cost]] = {program.name: [] for program in programs}
        for _ in range(repeats):
            for program in programs:
                single[program.name].append(_run(program, 1, folder))
                many[program.name].append(_run(program, messages, folder))
    return {name: _figures(single[name], many[name], messages) for name in many}


def _run(program: Program, messages: int, folder: Path) -> Cost:
    rows, log = folder / "rows.txt", folder / "log.txt"
    cost = run_measured(program.command(messages), rows, log, source=program.source)
    if program.name.startswith(OURS):
        sent = rows.read_text().count('"status": "sent"')
        if sent != messages:
            raise ProgramFailed(f"{sent} of {messages} messages were sent")
    return cost


def _figures(single: Sequence[Cost], many: Sequence[Cost], messages: int) -> Figures:
    start, whole = median_cost(single), median_cost(many)
    work = whole.processor_seconds - start.processor_seconds
    best = min(cost.processor_seconds for cost in many) - min(cost.processor_seconds for cost in single)
    elapsed = max(whole.elapsed_seconds - start.elapsed_seconds, 1e-9)
    return Figures(
        work / (messages - 1) * 1e6,
        best / (messages - 1) * 1e6,
        (messages - 1) / elapsed,
        start.processor_seconds * 1e3,
    )


def tabulate(figures: dict[str, Figures], messages: int, repeats: int, sink: str) -> Table:
    """The comparison, ratios first."""
    ours = next(iter(figures.values()))
    title = (
        f"engine: {messages} messages of {MESSAGE_OCTETS} octets, {CONNECTIONS} connections, {sink}, "
        f"median of {repeats}, start-up subtracted"
    )
    columns = ("mailrider needs", "in the best runs", "program", "µs a message", "best", "messages/s", "start-up ms")
    rows = [
        (
            f"{ours.microseconds / its.microseconds:.2f} of", f"{ours.best_microseconds / its.best_microseconds:.2f} of",
            name, f"{its.microseconds:.1f}", f"{its.best_microseconds:.1f}", f"{its.messages_per_second:.0f}",
            f"{its.start_milliseconds:.0f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    return Table(title, columns, rows)
