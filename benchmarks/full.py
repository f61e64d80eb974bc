"""`python -m benchmarks full`: a node with a full queue: 100,000 messages for 10,000 destinations.

How long it takes until the node is ready, how soon `mailrider queue list` has its first line beside it, how much memory the
node needs while it works everything off, and how fast that is.  Then the same once more with a dead destination among
them: a server that takes connections and never says a word, with as many messages as a tenth of the others; the others must
not notice.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Table
from benchmarks.serving import PROGRAM, MeasuredNode, measured_node
from benchmarks.sinks import run_bundled

MESSAGES = 100_000
DESTINATIONS = 10_000
DEAD_SHARE = 10
"""One message in so many more goes to the dead destination."""

DEAD_ADDRESS = "127.2.0.1"
ROUTES = r"/@d-([0-9]+)-([0-9]+)\.test$/ smtp:[127.1.$1.$2]:{port}" + "\n" + r"/@dead\.test$/ smtp:[{dead}]:{silent}" + "\n"


class Figures(NamedTuple):
    """One run."""

    messages: int
    ready_seconds: float
    first_line_seconds: float
    drained_seconds: float
    processor_seconds: float
    peak_megabytes: float


def recipients(messages: int, destinations: int, dead: int) -> Iterator[str]:
    """Everybody by turns, the dead one's spread among them."""
    every = messages // dead if dead else 0
    for number in range(messages):
        place = number % destinations
        yield f"u{number}@d-{place // 250}-{place % 250 + 1}.test"
        if every and number % every == 0:
            yield f"u{number}@dead.test"


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and says nothing; its port."""
    with socket.socket() as listener:
        listener.bind((DEAD_ADDRESS, 0))
        listener.listen(1000)
        yield int(listener.getsockname()[1])


def first_line_seconds(node: MeasuredNode) -> float:
    """From the start of `mailrider queue list` to its first line with a message."""
    began = time.monotonic()
    with subprocess.Popen([*PROGRAM, "queue", "-c", str(node.folder), "list"], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.stdout.readline()  # the first one has the heads of the columns
        seconds = time.monotonic() - began
        command.kill()
    return seconds


def measure(messages: int, destinations: int, *, dead: int) -> Figures:
    """One run."""
    with run_bundled(host="0.0.0.0") as sink, silent_server() as silent, measured_node("") as node:
        routes = node.folder / "routes"
        routes.write_text(ROUTES.format(port=sink.port, dead=DEAD_ADDRESS, silent=silent))
        with (node.folder / "main.cf").open("a") as file:
            file.write(f"transport_maps = regexp:{routes}\n")
        node.fill(recipients(messages, destinations, dead))
        ready = node.start()
        began = time.monotonic()
        first_line = first_line_seconds(node)
        node.wait(lambda: node.sent() >= messages)
        drained = time.monotonic() - began
        return Figures(messages, ready, first_line, drained, node.processor_seconds(), node.peak_megabytes())


def tabulate(runs: dict[str, Figures]) -> Table:
    """All runs."""
    rows = [
        (
            name, f"{its.ready_seconds:.2f}", f"{its.first_line_seconds:.2f}", f"{its.peak_megabytes:.0f}",
            f"{its.drained_seconds:.1f}", f"{its.messages / its.drained_seconds:.0f}",
            f"{its.processor_seconds / its.messages * 1e6:.0f}",
        )
        for name, its in runs.items()
    ]  # fmt: skip
    heads = ("", "ready after s", "first line of the list s", "MB at most", "drained in s", "messages/s", "processor µs")
    return Table("a full queue", heads, rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks full", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--destinations", type=int, default=DESTINATIONS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON to FILE")
    given = parser.parse_args(arguments)
    runs = {}
    for name, dead in (("all alive", 0), ("one dead", given.messages // DEAD_SHARE)):
        runs[name] = measure(given.messages, given.destinations, dead=dead)
        print(tabulate(runs).text(), f"\n  load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    if given.json is not None:
        import json

        given.json.write_text(json.dumps({name: its._asdict() for name, its in runs.items()}, indent=2) + "\n")
    return 0
