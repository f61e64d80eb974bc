"""Case `spool`: taking mail in and giving it out, without any delivery; and a full queue.

`accept` is what an application gets by the Python API: each of 50 callers gives a 4 kB message and waits until it is on stable
storage.  Beside it stands one caller alone (every message pays for a flush of its own) and what a file system takes for
writing and flushing 4 kB.  `drain` leases everything, reads each text and settles it.

The full queue has 100,000 messages for 10,000 domains: how long opening, the first page of a list, the first lease, and
all counts take, and how much memory the process has then.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.messages import make_text
from benchmarks.report import Table

CALLERS = 50
ALONE_MESSAGES = 300
FULL_MESSAGES = 100_000
FULL_DOMAINS = 10_000
REPEATS = 3


class Rate(NamedTuple):
    """Messages a second of the wall clock, and processor time of the whole process per message."""

    per_second: float
    microseconds: float


class FullQueue(NamedTuple):
    """Seconds for each step on the full queue, and the memory afterwards."""

    open_seconds: float
    first_page_seconds: float
    first_lease_seconds: float
    stats_seconds: float
    memory_megabytes: float


class Figures(NamedTuple):
    """Everything that is measured."""

    rates: dict[str, Rate]
    full: FullQueue


def measure(messages: int, folder: Path) -> Figures:
    """Medians of three runs; the full queue once."""
    import uvloop

    rates: dict[str, list[Rate]] = {}
    for repeat in range(REPEATS):
        place = folder / f"spool-{repeat}"
        for name, rate in uvloop.run(_run(place, messages)).items():
            rates.setdefault(name, []).append(rate)
        rates.setdefault("write and fsync 4 kB", []).append(_flush_alone(folder / f"flush-{repeat}"))
    full = uvloop.run(_fill(folder / "full"))
    return Figures({name: _median(its) for name, its in rates.items()}, full)


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(statistics.median(values) for values in zip(*rates, strict=True)))


def _spool(place: Path) -> Any:
    from mailrider.spool.opening import open_spool

    return open_spool(str(place))


def _submission(number: int, domains: int = 200) -> Any:
    from mailrider.model.request import Envelope, Recipient
    from mailrider.spool.spool import Submission

    return Submission(Envelope("a@example.com", (Recipient(f"b{number}@d{number % domains}.example"),)))


async def _run(place: Path, messages: int) -> dict[str, Rate]:
    text = make_text(1).encode().replace(b"\n", b"\r\n")
    rates = {}
    async with _spool(place) as spool:
        rates["accept, 1 caller"] = await _time(lambda: _accept(spool, text, ALONE_MESSAGES, 1), ALONE_MESSAGES)
        rates[f"accept, {CALLERS} callers"] = await _time(lambda: _accept(spool, text, messages, CALLERS), messages)
        rates["drain"] = await _time(lambda: _drain(spool), messages + ALONE_MESSAGES)
    return rates


async def _time(work: Callable[[], Awaitable[None]], messages: int) -> Rate:
    wall, processor = time.perf_counter(), time.process_time()
    await work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Rate(messages / wall, processor / messages * 1e6)


async def _accept(spool: Any, text: bytes, messages: int, callers: int, domains: int = 200) -> None:
    from mailrider.spool.spool import Accepted

    numbers = iter(range(messages))

    async def caller() -> None:
        for number in numbers:
            answer = await spool.accept(_submission(number, domains), text)
            assert isinstance(answer, Accepted), answer

    await asyncio.gather(*(caller() for _ in range(callers)))


async def _drain(spool: Any) -> None:
    from mailrider.model.outcome import Outcome, Status
    from mailrider.spool.spool import Settlement

    sent = Outcome(Status.SENT, "2.0.0", "250 2.0.0 Ok: queued as 12345")
    pending = []
    while leases := await spool.lease():
        for lease in leases:
            for _ in lease.content.chunks():
                pass
            pending.append(spool.settle(lease, [Settlement(0, sent)]))
    await asyncio.gather(*pending)


def _flush_alone(path: Path) -> Rate:
    octets = b"x" * 4096
    wall, processor = time.perf_counter(), time.process_time()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(ALONE_MESSAGES):
        os.write(descriptor, octets)
        os.fsync(descriptor)
    os.close(descriptor)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Rate(ALONE_MESSAGES / wall, processor / ALONE_MESSAGES * 1e6)


async def _fill(place: Path) -> FullQueue:
    text = make_text(1).encode().replace(b"\n", b"\r\n")
    async with _spool(place) as spool:
        await _accept(spool, text, FULL_MESSAGES, 500, FULL_DOMAINS)
    times = [time.perf_counter()]
    async with _spool(place) as spool:
        times.append(time.perf_counter())
        page = await spool.list(limit=50)
        times.append(time.perf_counter())
        leases = await spool.lease()
        times.append(time.perf_counter())
        counts = await spool.stats()
        times.append(time.perf_counter())
        assert (len(page), counts.messages, len(counts.domains)) == (50, FULL_MESSAGES, FULL_DOMAINS)
        assert leases
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return FullQueue(*(later - earlier for earlier, later in itertools.pairwise(times)), memory)


def tabulate(figures: Figures, messages: int) -> list[Table]:
    """The figures as tables."""
    rows = [[name, f"{its.per_second:,.0f}", f"{its.microseconds:.0f}"] for name, its in figures.rates.items()]
    full = figures.full
    steps = [
        ["open", f"{full.open_seconds * 1000:.0f} ms"],
        ["first 50 of a list", f"{full.first_page_seconds * 1000:.0f} ms"],
        ["first lease of 500", f"{full.first_lease_seconds * 1000:.0f} ms"],
        ["all counts", f"{full.stats_seconds * 1000:.0f} ms"],
        ["memory, at most", f"{full.memory_megabytes:.0f} MB"],
    ]
    title = f"spool: {messages:,} messages of 4 kB, SQLite, every answer after a flush; medians of {REPEATS}"
    return [
        Table(title, ["", "messages/s", "processor us"], rows),
        Table(f"a queue of {FULL_MESSAGES:,} messages for {FULL_DOMAINS:,} domains", ["", ""], steps),
    ]
