"""`python -m benchmarks slow`: 200 destinations that answer DATA after a second each, with 25 messages for each of them.

A node beside a private Postfix, both with the limits and the feedback that Postfix has by default, and Postfix with its default
limit of processes; the same smtp-sink(1) for both.  What counts is how many deliveries can be under way.  Memory is what all
processes have at most: resident, as ps(1) shows it, and with shared pages divided among them (proc(5), `Rss` and `Pss`).
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
    resident_megabytes: float
    proportional_megabytes: float


class Memory:
    """Looks again and again at the memory of some processes."""

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self._processes = processes
        self._ending = threading.Event()
        self.resident_kilobytes = 0
        self.proportional_kilobytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            seen = [look_at_memory(process) for process in self._processes()]
            self.resident_kilobytes = max(self.resident_kilobytes, sum(resident for resident, _ in seen))
            self.proportional_kilobytes = max(self.proportional_kilobytes, sum(share for _, share in seen))

    def figures(self, seconds: float, processor_seconds: float) -> Figures:
        """With what was seen."""
        return Figures(seconds, processor_seconds, self.resident_kilobytes / 1024, self.proportional_kilobytes / 1024)

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()


def look_at_memory(process: int) -> tuple[int, int]:
    """Kilobytes of a process: resident, and its share of what is resident."""
    found = {"Rss:": 0, "Pss:": 0}
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, value, *_ = line.split()
            if name in found:
                found[name] = int(value)
    return found["Rss:"], found["Pss:"]


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
        return memory.figures(seconds, node.processor_seconds())


def measure_postfix(messages: int) -> Figures:
    """A private Postfix, from the first active message to the empty queue."""
    with queue_manager.slow_sink() as port, queue_manager.filled_queue(messages, port) as (postfix, kept):
        memory = Memory(lambda: list(postfix.processes("")))
        with memory.watched():
            run = queue_manager.empty_with_smtp(postfix, kept)
        return memory.figures(run.seconds, run.processor_seconds)


def tabulate(figures: dict[str, Figures], messages: int) -> Table:
    """Ratios first."""
    theirs = figures.get(POSTFIX)
    rows = [
        (
            f"{theirs.seconds / its.seconds:.1f}" if theirs else "-",
            f"{its.resident_megabytes / theirs.resident_megabytes:.2f}" if theirs else "-",
            name, f"{messages / its.seconds:.0f}", f"{its.seconds:.1f}", f"{its.resident_megabytes:.0f}",
            f"{its.proportional_megabytes:.0f}", f"{its.processor_seconds / messages * 1e3:.2f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    heads = (
        "times as fast", "of its memory", "", "messages/s", "seconds", "MB resident", "MB in shares", "processor ms a message",
    )  # fmt: skip
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
