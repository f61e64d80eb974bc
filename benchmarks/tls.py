"""Case `tls`: messages to one destination over TLS, with connections reused, and without, with and without resumption.

The sink is our own on uvloop, since smtp-sink(1) does no TLS; how busy it was is told, because a sink that is always busy
is what is measured then.  Without reuse each message has a connection and a handshake of its own.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

from benchmarks import programs
from benchmarks.competition import Competition, Outcome, scale
from benchmarks.contest import Contestant, Figures, compete
from benchmarks.measuring import Cost
from benchmarks.messages import MESSAGE_OCTETS, write_messages
from benchmarks.postfix import POSTFIX, empty_with, filled_queue, why_no_postfix
from benchmarks.report import Table
from benchmarks.sinks import Server, run_bundled

CONNECTIONS = 20
MESSAGES = 5000
MESSAGES_WITHOUT_REUSE = 1000

CACHE = "btree:${data_directory}/smtp_scache"
SETTINGS = {
    "reuse": {"smtp_tls_connection_reuse": "yes"},
    "a handshake each, resumed": {"smtp_tls_session_cache_database": CACHE},
    "a handshake each, full": {},
}
"""By the name of a way: what both programs are told beside `smtp_tls_security_level`."""

REUSE = "reuse"


def measure(factor: float, repeats: int, folder: Path) -> Outcome:
    """Run all contestants interleaved; compared with Postfix that reuses connections, or without it with ourselves."""
    from mailrider.testkit.authority import make_root

    write_messages(folder)
    certificate = make_root().issue("sink", ["sink.example.test"]).write(folder, "sink")
    busy: dict[str, list[float]] = {}
    notes = []
    with ExitStack() as stack:
        sink = stack.enter_context(run_bundled(certificate=certificate))
        contestants = []
        for way, settings in SETTINGS.items():
            options = {"smtp_tls_security_level": "encrypt", **settings}
            messages = scale(MESSAGES if way == REUSE else MESSAGES_WITHOUT_REUSE, factor)
            hop = f"[127.0.0.1]:{sink.port}"
            name = f"{programs.OURS}, {way}"
            contestants.append(programs.mailrider(name, folder, hop, messages, connections=CONNECTIONS, options=options))
        base = contestants[0].name
        if reason := why_no_postfix():
            notes.append(f"{POSTFIX} was not run: {reason}")
        else:
            queue = stack.enter_context(filled_queue(scale(MESSAGES, factor), folder))
            for way, settings in SETTINGS.items():
                options = {"smtp_tls_security_level": "encrypt", **settings}
                run = empty_with(queue, sink.port, connections=CONNECTIONS, settings=options)
                messages = scale(MESSAGES if way == REUSE else MESSAGES_WITHOUT_REUSE, factor)
                contestants.append(Contestant(f"{POSTFIX}, {way}", run, messages))
            base = f"{POSTFIX}, {REUSE}"
        figures = compete([_watched(each, sink, busy) for each in contestants], repeats)
    counted = sink.counted
    notes.append(f"the sink counted {counted['handshakes']} handshakes, {counted['resumed']} of them resumed a session")
    title = f"tls: one destination, {CONNECTIONS} connections, {MESSAGE_OCTETS} octets, median of {repeats}"
    return Outcome(title, figures, base, notes, [_tell_busy(figures, busy)])


def _watched(contestant: Contestant, sink: Server, busy: dict[str, list[float]]) -> Contestant:
    """The same, and what the sink needs meanwhile is written down."""

    def run(count: int) -> Cost:
        spent = sink.processor_seconds()
        cost = contestant.run(count)
        if count > 1:
            busy.setdefault(contestant.name, []).append((sink.processor_seconds() - spent) / count)
        return cost

    return contestant._replace(run=run)


def _tell_busy(figures: dict[str, Figures], busy: dict[str, list[float]]) -> Table:
    rows = []
    for name, its in figures.items():
        seconds = statistics.median(busy[name])
        handshakes = f"{its.messages_per_second:.0f}" if REUSE not in name else ""
        rows.append((f"{seconds * its.messages_per_second:.0%}", f"{seconds * 1e6:.0f}", handshakes, name))
    heads = ("sink busy", "µs of the sink a message", "handshakes/s", "program")
    return Table("tls: how busy the sink was (of one processor), and handshakes a second", heads, rows)


CASE = Competition("tls", measure)
