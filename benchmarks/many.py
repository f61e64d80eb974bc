"""Case `many`: many small destinations, whose servers have to be looked up.

500 domains, each with an MX record and an address of its own in 127.0.0.0/8; their names are asked of a small name server, each
message is the first or one of few for its domain.  Beside it the same messages to the same addresses without any question.
smtplib and aiosmtplib look no exchangers up, and Postfix cannot be told of a name server on another port than 53, so they
have no part in it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks import programs
from benchmarks.competition import Competition, Outcome, scale
from benchmarks.contest import compete
from benchmarks.messages import MESSAGE_OCTETS, write_messages
from benchmarks.sinks import run_bundled, run_names

DOMAINS = 500
MESSAGES = 2000
CONNECTIONS = 2
"""To one destination at a time."""

BY_NAME, BY_ADDRESS = f"{programs.OURS}, by name", f"{programs.OURS}, by address"


def address(number: int) -> str:
    """The address of domain `number`'s server."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def records() -> list[str]:
    """The zone: `d7.example.test` has the exchanger `mx.d7.example.test`."""
    lines = []
    for number in range(DOMAINS):
        domain = f"d{number}.example.test"
        lines += [f"{domain} MX 10 mx.{domain}", f"mx.{domain} A {address(number)}"]
    return lines


def measure(factor: float, repeats: int, folder: Path) -> Outcome:
    """Run both ways interleaved."""
    write_messages(folder)
    (folder / "zone").write_text("\n".join(records()) + "\n")
    messages = scale(MESSAGES, factor)
    with ExitStack() as stack:
        sink = stack.enter_context(run_bundled(host="0.0.0.0"))
        names = stack.enter_context(run_names(folder / "zone"))
        common = {"inet_protocols": "ipv4"}
        by_name = [f"d{number}.example.test:{sink.port}" for number in range(DOMAINS)]
        by_address = [f"[{address(number)}]:{sink.port}" for number in range(DOMAINS)]
        asking = {**common, "dns_nameservers": f"127.0.0.1:{names.port}"}
        contestants = [
            programs.mailrider(BY_NAME, folder, by_name, messages, connections=CONNECTIONS, options=asking),
            programs.mailrider(BY_ADDRESS, folder, by_address, messages, connections=CONNECTIONS, options=common),
        ]
        figures = compete(contestants, repeats)
    title = f"many: {messages} messages of {MESSAGE_OCTETS} octets to {DOMAINS} destinations, median of {repeats}"
    notes = [
        f"in all runs the sink counted {sink.counted['messages']} messages over {sink.counted['connections']} connections, "
        f"the name server {names.counted['asked']} questions",
        "Postfix was not run: it asks name servers on port 53 only; smtplib and aiosmtplib look no exchangers up",
    ]
    return Outcome(title, figures, BY_ADDRESS, notes)


CASE = Competition("many", measure)
