"""Case `far`: one connection to a server that is 50 ms away, there and back.

A relay of our own makes the distance.  One round trip a message is the least there can be with DATA, since its 354 has to be
waited for; with CHUNKING whole messages follow each other and there is no such limit.  Each program gets as many messages
as make a run of some seconds.  Postfix 3.7 sends DATA to a server that offers CHUNKING too, so it is run once.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks import programs
from benchmarks.competition import Competition, Outcome, scale
from benchmarks.contest import Contestant, compete
from benchmarks.messages import MESSAGE_OCTETS, write_messages
from benchmarks.postfix import POSTFIX, empty_with, filled_queue, why_no_postfix
from benchmarks.sinks import run_bundled, run_relay

ROUND_TRIP_MILLISECONDS = 50

WITH_DATA, WITH_CHUNKING = "DATA", "CHUNKING"
MESSAGES = {(WITH_DATA, "yes"): 100, (WITH_DATA, "no"): 40, (WITH_CHUNKING, "yes"): 1000, (WITH_CHUNKING, "no"): 60}
"""By what the server offers, and `smtp_pipelining_across_messages`."""

OTHERS_MESSAGES = 40


def measure(factor: float, repeats: int, folder: Path) -> Outcome:
    """Run all contestants interleaved.  Compared with Postfix, or without it with ourselves in lock-step."""
    write_messages(folder)
    others = scale(OTHERS_MESSAGES, factor)
    notes = []
    with ExitStack() as stack:
        contestants, ports = [], {}
        for offered in (WITH_DATA, WITH_CHUNKING):
            sink = stack.enter_context(run_bundled(chunking=offered == WITH_CHUNKING))
            ports[offered] = stack.enter_context(run_relay(sink.port, ROUND_TRIP_MILLISECONDS)).port
        for (offered, streams), messages in MESSAGES.items():
            contestants.append(programs.mailrider(
                f"mailrider, {offered}, stream {streams}", folder, f"[127.0.0.1]:{ports[offered]}", scale(messages, factor),
                connections=1, options={"smtp_pipelining_across_messages": streams},
            ))  # fmt: skip
        contestants.append(programs.smtplib(folder, ports[WITH_DATA], others, connections=1))
        contestants.append(programs.aiosmtplib(folder, ports[WITH_DATA], others, connections=1))
        base = contestants[1].name
        if reason := why_no_postfix():
            notes.append(f"{POSTFIX} was not run: {reason}")
        else:
            queue = stack.enter_context(filled_queue(others, folder))
            contestants.append(Contestant(POSTFIX, empty_with(queue, ports[WITH_DATA], connections=1), others))
            base = POSTFIX
        figures = compete(contestants, repeats)
    for name, its in figures.items():
        trips = 1000 / ROUND_TRIP_MILLISECONDS / its.messages_per_second
        notes.append(f"{name}: {trips:.2f} round trips a message")
    title = f"far: {ROUND_TRIP_MILLISECONDS} ms round trip, one connection, {MESSAGE_OCTETS} octets, median of {repeats}"
    return Outcome(title, figures, base, notes)


CASE = Competition("far", measure)
