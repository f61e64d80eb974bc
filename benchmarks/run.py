"""Benchmarks of Mailrider, each beside something that others know."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import (
    compiled,
    engine,
    far,
    fitting,
    floors,
    handshakes,
    idle,
    large,
    many,
    mixed,
    preparing,
    queue_manager,
    settings,
    spool,
    starting,
    tls,
)
from benchmarks import tables as lookups
from benchmarks.competition import Competition
from benchmarks.measuring import ProgramFailed
from benchmarks.report import Table
from benchmarks.sinks import BUNDLED, SMTP_SINK, choose_sink

QUICK_MESSAGES = 5000
REPEATS = 5
MOST_REPEATS_OF_THE_QUICK_CASES = 15

Answer = tuple[dict[str, Any], list[Table]]


def describe_machine() -> dict[str, Any]:
    """What a figure means nothing without."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    versions = {name: metadata.version(name) for name in ("mailrider", "uvloop", "aiosmtplib")}
    if compiled.is_in_use():
        versions["mailrider"] += " (compiled)"
    load = os.getloadavg()
    return {
        "processor": model or platform.processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
        "load": " ".join(f"{value:.1f}" for value in load),
    }


def run_engine(given: argparse.Namespace, folder: Path) -> Answer:
    sink = choose_sink(given.sink)
    figures = engine.measure(given.messages, given.repeats, sink, folder, all_programs=given.all, beside=tuple(given.beside))
    table = engine.tabulate(figures, given.messages, given.repeats, sink)
    ours = next(iter(figures.values()))
    said = {
        "messages": given.messages,
        "repeats": given.repeats,
        "sink": sink,
        "ratios": {name: ours.microseconds / its.microseconds for name, its in figures.items()},
        "best_ratios": {name: ours.best_microseconds / its.best_microseconds for name, its in figures.items()},
    }
    return {**said, "programs": {name: its._asdict() for name, its in figures.items()}}, [table]


def run_import(given: argparse.Namespace, folder: Path) -> Answer:
    repeats = MOST_REPEATS_OF_THE_QUICK_CASES
    figures = starting.measure(repeats)
    return {name: its._asdict() for name, its in figures.items()}, [starting.tabulate(figures, repeats)]


def run_idle(given: argparse.Namespace, folder: Path) -> Answer:
    figures = idle.measure(folder)
    return {name: its._asdict() for name, its in figures.items()}, [idle.tabulate(figures)]


def run_prepare(given: argparse.Namespace, folder: Path) -> Answer:
    repeats = MOST_REPEATS_OF_THE_QUICK_CASES
    figures = preparing.measure(repeats)
    return {name: its._asdict() for name, its in figures.items()}, [preparing.tabulate(figures, repeats)]


def run_fit(given: argparse.Namespace, folder: Path) -> Answer:
    repeats = MOST_REPEATS_OF_THE_QUICK_CASES
    figures = fitting.measure(repeats)
    return {name: its._asdict() for name, its in figures.items()}, [fitting.tabulate(figures, repeats)]


def run_handshakes(given: argparse.Namespace, folder: Path) -> Answer:
    repeats = MOST_REPEATS_OF_THE_QUICK_CASES
    figures = handshakes.measure(repeats)
    return figures._asdict(), [handshakes.tabulate(figures, repeats)]


def run_competition(case: Competition) -> Callable[[argparse.Namespace, Path], Answer]:
    """A case that compares messages a second."""

    def run(given: argparse.Namespace, folder: Path) -> Answer:
        own = folder / case.name
        own.mkdir(exist_ok=True)
        outcome = case.measure(given.messages / QUICK_MESSAGES, min(given.repeats, case.most_repeats), own)
        return outcome.as_dict(), outcome.tables()

    return run


def run_open(given: argparse.Namespace, folder: Path) -> Answer:
    figures = idle.measure_open(folder)
    return figures._asdict(), [idle.tabulate_open(figures)]


def run_large(given: argparse.Namespace, folder: Path) -> Answer:
    figures = large.measure(choose_sink(given.sink), folder)
    return {name: its._asdict() for name, its in figures.items()}, [large.tabulate(figures)]


def run_settings(given: argparse.Namespace, folder: Path) -> Answer:
    repeats = MOST_REPEATS_OF_THE_QUICK_CASES
    figures = settings.measure(repeats, folder)
    return figures._asdict(), [settings.tabulate(figures, repeats)]


def run_spool(given: argparse.Namespace, folder: Path) -> Answer:
    figures = spool.measure(given.messages, folder)
    rates = {name: its._asdict() for name, its in figures.rates.items()}
    return {"rates": rates, "full": figures.full._asdict()}, spool.tabulate(figures, given.messages)


def run_floors(given: argparse.Namespace, folder: Path) -> Answer:
    profile = floors.profile_engine(given.messages, choose_sink(given.sink), folder)
    tables = floors.tabulate(profile)
    rows = {table.title: table.rows for table in tables}
    return {"microseconds": profile.microseconds, "tables": rows}, tables


def run_tables(given: argparse.Namespace, folder: Path) -> Answer:
    figures = lookups.measure(REPEATS, folder)
    return {name: its._asdict() for name, its in figures.items()}, [lookups.tabulate(figures, REPEATS)]


def run_agent(given: argparse.Namespace, folder: Path) -> Answer:
    reason = queue_manager.why_no_case()
    if reason:
        return {"skipped": reason}, [Table(f"agent: left out, since {reason}", (), ())]
    repeats = max(1, given.repeats // 2)
    said: dict[str, Any] = {"repeats": repeats}
    tables = []
    for title, messages, slow in (
        ("one destination", 2 * given.messages, False),
        ("slow destinations", given.messages, True),
    ):
        figures = queue_manager.measure(messages, repeats, slow=slow)
        said[title] = {"messages": messages, **{name: its._asdict() for name, its in figures.items()}}
        tables.append(queue_manager.tabulate(figures, messages, repeats, title))
    return said, tables


CASES: dict[str, Callable[[argparse.Namespace, Path], Answer]] = {
    "engine": run_engine,
    "import": run_import,
    "idle": run_idle,
    "prepare": run_prepare,
    "fit": run_fit,
    "handshakes": run_handshakes,
    "far": run_competition(far.CASE),
    "tls": run_competition(tls.CASE),
    "many": run_competition(many.CASE),
    "mixed": run_competition(mixed.CASE),
    "open": run_open,
    "large": run_large,
    "settings": run_settings,
    "spool": run_spool,
    "floors": run_floors,
    "tables": run_tables,
    "agent": run_agent,
}
DEFAULT_CASES = (
    "engine", "far", "tls", "many", "mixed", "open", "import", "idle", "prepare", "fit", "handshakes", "large", "settings",
    "agent",
)  # fmt: skip


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; by default {', '.join(DEFAULT_CASES)}"
    )
    parser.add_argument(
        "--messages", type=int, default=QUICK_MESSAGES, metavar="N",
        help=f"for engine and floors (default {QUICK_MESSAGES}, which is a quick look; 20000 is the real thing); far, tls, "
        "many and mixed have numbers of their own, which become larger and smaller with this one",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, metavar="N", help=f"for engine (default {REPEATS}), and at most for others"
    )
    parser.add_argument("--sink", choices=[SMTP_SINK, BUNDLED], help="the receiving server (smtp-sink where it is installed)")
    parser.add_argument("--all", action="store_true", help="engine: also smtplib with threads and aiosmtplib without uvloop")
    parser.add_argument(
        "--beside", action="append", default=[], type=Path, metavar="SRC",
        help="engine: also the Mailrider whose package lies in this folder, to see what a change brings",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON to FILE")
    given = parser.parse_args(arguments)
    for case in given.cases:
        if case not in CASES:
            parser.error(f"no case {case}; there are {', '.join(CASES)}")
    if given.messages < 2:
        parser.error("--messages must be 2 or more, since start-up is subtracted")
    if given.repeats < 1:
        parser.error("--repeats must be 1 or more")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for."""
    given = parse_arguments(arguments)
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    results: dict[str, Any] = {"machine": machine}
    with tempfile.TemporaryDirectory(prefix="mailrider-benchmark-") as folder:
        for case in given.cases or DEFAULT_CASES:
            try:
                results[case], tables = CASES[case](given, Path(folder))
            except ProgramFailed as failed:
                print(f"benchmarks: {case}: {failed}", file=sys.stderr)
                return 1
            for table in tables:
                print(f"\n{table.text()}", flush=True)
            print(f"  load at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0
