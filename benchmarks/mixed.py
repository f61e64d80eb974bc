"""Case `mixed`: messages of 1 kB to 1 MB over 20 connections; there are as many of each doubling of the size."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks import programs
from benchmarks.competition import Competition, Outcome, scale
from benchmarks.contest import Contestant, compete
from benchmarks.messages import write_mixed_messages
from benchmarks.postfix import POSTFIX, empty_with, filled_queue, why_no_postfix
from benchmarks.sinks import choose_sink, run_sink

CONNECTIONS = 20
MESSAGES = 1000


def measure(factor: float, repeats: int, folder: Path) -> Outcome:
    """Run all contestants interleaved; compared with ourselves."""
    mean_octets = write_mixed_messages(folder)
    messages = scale(MESSAGES, factor)
    notes = []
    kind = choose_sink(None)
    with ExitStack() as stack:
        port = stack.enter_context(run_sink(kind))
        contestants = [
            programs.mailrider(programs.OURS, folder, f"[127.0.0.1]:{port}", messages, connections=CONNECTIONS),
            programs.smtplib(folder, port, messages, connections=CONNECTIONS),
            programs.aiosmtplib(folder, port, messages, connections=CONNECTIONS),
        ]
        if reason := why_no_postfix():
            notes.append(f"{POSTFIX} was not run: {reason}")
        else:
            queue = stack.enter_context(filled_queue(messages, folder))
            contestants.append(Contestant(POSTFIX, empty_with(queue, port, connections=CONNECTIONS), messages))
        figures = compete(contestants, repeats)
    rate = figures[programs.OURS].messages_per_second * mean_octets / 1e6
    notes.append(f"a message has {mean_octets} octets in the mean: {programs.OURS} sent {rate:.0f} MB/s")
    title = f"mixed: {messages} messages of 1 kB to 1 MB, {CONNECTIONS} connections, {kind}, median of {repeats}"
    return Outcome(title, figures, programs.OURS, notes)


CASE = Competition("mixed", measure)
