"""Case `large`: how much memory a message of 100 MB takes on its way, above what a letter takes.

Each is delivered by `mailrider deliver` to a sink, as it is and with its 8-bit text converted for a server without 8BITMIME.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import run_measured
from benchmarks.report import Table
from benchmarks.sinks import run_sink

LARGE_OCTETS = 100 * 1000 * 1000

_HEADER = (
    "From: sender@example.com\nTo: recipient@example.net\nSubject: large\nMIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
)
_LINE = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n"


class Figures(NamedTuple):
    """Peak memory of the process, in kilobytes, and processor time for the large message."""

    letter_kilobytes: int
    large_kilobytes: int
    processor_seconds: float


def measure(sink: str, folder: Path) -> dict[str, Figures]:
    """Deliver a letter and a large message both ways."""
    letter, large = folder / "letter.eml", folder / "large.eml"
    letter.write_text(_HEADER + _LINE)
    with large.open("wb") as file:
        file.write(_HEADER.encode())
        for _ in range(LARGE_OCTETS // (len(_LINE.encode()) * 1000) + 1):
            file.write(_LINE.encode() * 1000)
    figures = {}
    with run_sink(sink) as port:
        for name, options in (("as it is", ()), ("converted to 7 bit", ("-o", "smtp_discard_ehlo_keywords=8bitmime"))):
            small, _ = _deliver(letter, port, options)
            much, seconds = _deliver(large, port, options)
            figures[name] = Figures(small, much, seconds)
    large.unlink()
    return figures


def _deliver(message: Path, port: int, options: Sequence[str]) -> tuple[int, float]:
    """Peak kilobytes and processor seconds."""
    peak = message.with_suffix(".peak")
    cost = run_measured([
        sys.executable, "-m", "benchmarks.clients.tell_peak", str(peak), "deliver", *options,
        "--nexthop", f"[127.0.0.1]:{port}", "--sender", "a@example.com", "--recipient", "b@example.net",
        "--body", "8bitmime", str(message),
    ])  # fmt: skip
    return int(peak.read_text()), cost.processor_seconds


def tabulate(figures: dict[str, Figures]) -> Table:
    """Memory above that of a letter first."""
    rows = [
        (
            f"{(its.large_kilobytes - its.letter_kilobytes) / 1000:.1f}", name, f"{its.letter_kilobytes / 1000:.1f}",
            f"{its.large_kilobytes / 1000:.1f}", f"{its.processor_seconds:.1f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    heads = ("MB more", "a message of 100 MB", "MB for a letter", "MB for the message", "processor seconds")
    return Table("large: peak memory of one delivery", heads, rows)
