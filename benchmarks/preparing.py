"""Case `prepare`: making content fit for the wire, beside the least that has to be done.

`content.lines.prepare_lines` looks for lines that are too long and for dots at the beginning of a line, and gives the
content out.  The measure is one `replace(b"\\n.", b"\\n..")` over the same octets, which is the dot stuffing alone.  Both texts
need no change, as most mail does; they are in one piece.
"""

from __future__ import annotations

import base64
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.messages import make_text
from benchmarks.report import Table

LARGE_OCTETS = 10 * 1000 * 1000

OCTETS_A_SAMPLE = 40 * 1000 * 1000
"""A sample goes over so many octets in all, so that the clock is good enough for small messages."""


class Figures(NamedTuple):
    """Medians for one text; the ratio is that of `prepare_lines` to `replace`."""

    ratio: float
    prepare_microseconds: float
    replace_microseconds: float


def make_large_text() -> bytes:
    """An attachment: base64 in lines of 76 characters."""
    octets = bytes(range(256)) * (LARGE_OCTETS * 3 // 4 // 256)
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def measure(repeats: int) -> dict[str, Figures]:
    """Time both over both texts, interleaved."""
    from mailrider.content.lines import prepare_lines

    def prepare(text: bytes) -> None:
        for _ in prepare_lines((text,)):
            pass

    def replace(text: bytes) -> None:
        text.replace(b"\n.", b"\n..")

    texts = {
        "4 kB letter": make_text(1).encode().replace(b"\n", b"\r\n"),
        "10 MB of base64": make_large_text(),
    }
    figures = {}
    for name, text in texts.items():
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(_time(prepare, text))
            theirs.append(_time(replace, text))
        mine, its = statistics.median(ours), statistics.median(theirs)
        figures[name] = Figures(mine / its, mine * 1e6, its * 1e6)
    return figures


def _time(work: Callable[[bytes], None], text: bytes) -> float:
    rounds = max(1, OCTETS_A_SAMPLE // len(text))
    began = time.process_time()
    for _ in range(rounds):
        work(text)
    return (time.process_time() - began) / rounds


def tabulate(figures: dict[str, Figures], repeats: int) -> Table:
    """Ratios first."""
    rows = [
        (f"{its.ratio:.2f} of", name, f"{its.prepare_microseconds:.1f}", f"{its.replace_microseconds:.1f}")
        for name, its in figures.items()
    ]
    heads = ("prepare_lines needs", "one replace over", "µs prepare_lines", "µs replace")
    return Table(f"prepare: median of {repeats}", heads, rows)
