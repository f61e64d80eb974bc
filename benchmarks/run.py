"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import engine
from benchmarks.sinks import BUNDLED, SMTP_SINK, choose_sink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sink", choices=[SMTP_SINK, BUNDLED])
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    sink = choose_sink(given.sink)
    with tempfile.TemporaryDirectory(prefix="mailrider-bench-") as folder:
        figures = engine.measure(given.messages, given.repeats, sink, Path(folder), all_programs=given.all)
        print(engine.tabulate(figures, given.messages, given.repeats, sink).text())
    return 0
