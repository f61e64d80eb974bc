"""Case `engine`: processor time for one message, beside smtplib, aiosmtplib and Postfix.

Messages of 4 kB go over 20 connections on loopback to one sink.  Mailrider is `mailrider deliver --batch` in burst mode, with
the batch file read and checked, a message file read for each message, result rows and log lines written to files; in
lock-step it waits for the end of each message before it sends the next envelope.  Postfix empties a queue of the same messages;
its figure is that of all its processes together, and its queue files are part of the work.

Other work on the machine makes every program dearer, by up to two thirds where two processors share a core.  The median shows
what such a machine gives; the best run comes nearest to an idle one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import compiled, programs
from benchmarks.contest import Contestant, Figures, compete
from benchmarks.messages import MESSAGE_OCTETS, write_messages
from benchmarks.postfix import POSTFIX, empty_with, filled_queue, why_no_postfix
from benchmarks.programs import OURS
from benchmarks.report import Table
from benchmarks.sinks import run_sink

CONNECTIONS = 20

LOCK_STEP = f"{OURS}, lock-step"

PLAIN = f"{OURS}, plain Python"
"""The same where it is not compiled, if the first one is."""


def measure(
    messages: int, repeats: int, sink: str, folder: Path, *, all_programs: bool = False, beside: Sequence[Path] = ()
) -> dict[str, Figures]:
    """Run all contestants interleaved and give the figures of each by its name; the first one is ours."""
    write_messages(folder)
    with ExitStack() as stack:
        port = stack.enter_context(run_sink(sink))
        contestants = _make_contestants(port, messages, folder, all_programs=all_programs, beside=beside)
        if not why_no_postfix():
            queue = stack.enter_context(filled_queue(messages, folder))
            contestants.append(Contestant(POSTFIX, empty_with(queue, port, connections=CONNECTIONS), messages))
        return compete(contestants, repeats)


def _make_contestants(
    port: int, messages: int, folder: Path, *, all_programs: bool, beside: Sequence[Path]
) -> list[Contestant]:
    def mailrider(name: str, *, source: Path | None = None, streams: str = "yes") -> Contestant:
        options = {"smtp_pipelining_across_messages": streams}
        hop = f"[127.0.0.1]:{port}"
        return programs.mailrider(name, folder, hop, messages, connections=CONNECTIONS, options=options, source=source)

    contestants = [
        mailrider(OURS),
        mailrider(LOCK_STEP, streams="no"),
        *([mailrider(PLAIN, source=compiled.SOURCE)] if compiled.is_in_use() else []),
        *(mailrider(f"{OURS} in {source}", source=source.resolve()) for source in beside),
        programs.smtplib(folder, port, messages, connections=CONNECTIONS),
        programs.aiosmtplib(folder, port, messages, connections=CONNECTIONS),
    ]
    if all_programs:
        contestants += [
            programs.smtplib(folder, port, messages, connections=CONNECTIONS, threads=True),
            programs.aiosmtplib(folder, port, messages, connections=CONNECTIONS, uvloop=False),
        ]
    return contestants


def tabulate(figures: dict[str, Figures], messages: int, repeats: int, sink: str) -> Table:
    """The comparison, ratios first."""
    ours = figures[OURS]
    title = (
        f"engine: {messages} messages of {MESSAGE_OCTETS} octets, {CONNECTIONS} connections, {sink}, "
        f"median of {repeats}, start-up subtracted"
    )
    columns = ("mailrider needs", "in the best runs", "sends", "program", "µs a message", "best", "messages/s", "start-up ms")
    rows = [
        (
            f"{ours.microseconds / its.microseconds:.2f} of", f"{ours.best_microseconds / its.best_microseconds:.2f} of",
            f"{ours.messages_per_second / its.messages_per_second:.2f} times", name, f"{its.microseconds:.1f}",
            f"{its.best_microseconds:.1f}", f"{its.messages_per_second:.0f}", f"{its.start_milliseconds:.0f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    return Table(title, columns, rows, note=f"{POSTFIX} was not run: {why_no_postfix()}" if why_no_postfix() else "")
