"""`python -m benchmarks slow`: 200 destinations that answer DATA after a second each, with 25 messages for each of them.

A node beside a private Postfix, both with the limits and the feedback that Postfix has by default, and Postfix with its default
limit of processes; the same smtp-sink(1) for both.  What counts is how many deliveries can be under way.  Memory is what all
processes have at most, shared pages divided among them (proc(5), `Pss`).
"""

from __future__ import annotations

import argparse
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks import queue_manager
from benchmarks.report import Table
from benchmarks.serving import measured_node

MESSAGES = 5000
LOOK_SECONDS = 0.25
OURS, POSTFIX = "Mailrider", "Postfix"


class Figures(NamedTuple):
    """One emptying of the queue."""

    seconds: float
    processor_seconds: float
    peak_megabytes: float


class Memory:
    """Looks again and again at the memory of some processes."""

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self._processes = processes
        self._ending = threading.Event()
        self.peak_kilobytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self.peak_kilobytes = max(self.peak_kilobytes, sum(map(proportional_kilobytes, self._processes())))

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()


def proportional_kilobytes(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def measure_node(messages: int) -> Figures:
    """A node, from its start to the last message."""
    destinations = queue_manager.SLOW_DESTINATIONS
    with queue_manager.slow_sink() as port, measured_node("") as node:
        table = node.folder / "routes"
        table.write_text("".join(f"d{number}.test smtp:[127.0.1.{number + 1}]:{port}\n" for number in range(destinations)))
        with (node.folder / "main.cf").open("a") as file:
            file.write(f"transport_maps = texthash:{table}\n")
        node.fill(f"to@d{number % destinations}.test" for number in range(messages))
        node.start()
        began = time.monotonic()
        assert node.process is not None
        memory = Memory(lambda: [node.process.pid] if node.process is not None else [])
        with memory.watched():
            node.wait(lambda: node.sent() >= messages)
        seconds = time.monotonic() - began
        return Figures(seconds, node.processor_seconds(), memory.peak_kilobytes / 1024)


def measure_postfix(messages: int) -> Figures:
    """A private Postfix, from the first active message to the empty queue."""
    with queue_manager.slow_sink() as port, queue_manager.filled_queue(messages, port) as (postfix, kept):
        memory = Memory(lambda: list(postfix.processes("")))
        with memory.watched():
            run = queue_manager.empty_with_smtp(postfix, kept)
        return Figures(run.seconds, run.processor_seconds, memory.peak_kilobytes / 1024)


def tabulate(figures: dict[str, Figures], messages: int) -> Table:
    """Ratios first."""
    theirs = figures.get(POSTFIX)
    rows = [
        (
            f"{theirs.seconds / its.seconds:.1f}" if theirs else "-",
            f"{its.peak_megabytes / theirs.peak_megabytes:.2f}" if theirs else "-",
            name, f"{messages / its.seconds:.0f}", f"{its.seconds:.1f}", f"{its.peak_megabytes:.0f}",
            f"{its.processor_seconds / messages * 1e3:.2f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    heads = ("times as fast", "of its memory", "", "messages/s", "seconds", "MB at most", "processor ms a message")
    title = f"slow: {messages} messages for {queue_manager.SLOW_DESTINATIONS} destinations that take a second each"
    return Table(title, heads, rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks slow", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    given = parser.parse_args(arguments)
    if not shutil.which("smtp-sink", path="/usr/sbin:/usr/bin"):
        print("smtp-sink is not installed (Debian's package postfix)")
        return 69
    figures = {OURS: measure_node(given.messages)}
    reason = queue_manager.why_no_case()
    if not reason and not given.alone:
        figures[POSTFIX] = measure_postfix(given.messages)
    print(tabulate(figures, given.messages).text())
    if reason:
        print(f"  Postfix was not measured: {reason}")
    return 0
