"""Case `floors`: where the time of one message goes, by room, file and function.

The engine runs inside this process while a timer of the system interrupts it after every few milliseconds *of processor time*
(setitimer(2), ITIMER_PROF); each interruption counts for the innermost function of Mailrider that is running, with
whatever it calls that is not Mailrider's (sockets, files, json, re).  What runs with no function of Mailrider on the stack
is the event loop itself.  Unlike a tracing profiler this slows nothing down, so the shares are those of a real run;
with n samples a share p is good to about sqrt(p/n).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from benchmarks.engine import CONNECTIONS
from benchmarks.messages import write_batch, write_messages
from benchmarks.report import Table
from benchmarks.sinks import run_sink

INTERVAL_SECONDS = 0.001
"""Processor time between samples; a kernel that ticks more slowly samples at its own pace, and the shares stay right."""

EVENT_LOOP = ("event loop", "", "")
RUNNING_THE_LOOP = frozenset({"deliver", "run_deliver", "_run_loop"})
"""Functions of ours that do nothing but run the event loop: what runs below them and is nobody else's is the loop itself."""

Place = tuple[str, str, str]
"""Room, file and function."""


class Profile(NamedTuple):
    """How often each place was met, and the processor time of a message in all."""

    samples: Counter[Place]
    within: Counter[Place]
    microseconds: float


class _Sampler:
    """Counts where the program is whenever the timer strikes."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._places: dict[object, Place | None] = {}
        self.samples: Counter[Place] = Counter()
        self.within: Counter[Place] = Counter()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a sample."""
        innermost: Place | None = None
        seen: set[Place] = set()
        while frame is not None:
            place = self._place(frame)
            if place is not None:
                innermost = innermost or place
                seen.add(place)
            frame = frame.f_back
        self.samples[innermost or EVENT_LOOP] += 1
        self.within.update(seen)

    def _place(self, frame: FrameType) -> Place | None:
        code = frame.f_code
        if code not in self._places:
            place = None
            if code.co_filename.startswith(self._root):
                parts = Path(code.co_filename[len(self._root) :]).with_suffix("").parts
                if parts[:2] != ("cli", "main") and code.co_qualname not in RUNNING_THE_LOOP:
                    place = (parts[0], "/".join(parts), code.co_qualname)
            self._places[code] = place
        return self._places[code]


@contextmanager
def _sampled(sampler: _Sampler) -> Iterator[None]:
    signal.signal(signal.SIGPROF, sampler)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def _output_into(folder: Path) -> Iterator[None]:
    """Standard output and error go to files."""
    kept = [os.dup(number) for number in (1, 2)]
    for number, name in ((1, "rows.txt"), (2, "log.txt")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    try:
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def profile_engine(messages: int, sink: str, folder: Path) -> Profile:
    """Run the engine once, in this process."""
    import mailrider.cli.deliver
    import mailrider.cli.delivering
    from mailrider.cli.main import main

    root = str(Path(mailrider.cli.deliver.__file__).parent.parent) + os.sep
    write_messages(folder)
    sampler = _Sampler(root)
    with run_sink(sink) as port:
        batch = folder / "profile.json"
        write_batch(batch, folder, messages, f"[127.0.0.1]:{port}")
        arguments = [
            "deliver", "-o", f"default_destination_concurrency_limit={CONNECTIONS}",
            "-o", f"initial_destination_concurrency={CONNECTIONS}", "--batch", str(batch),
        ]  # fmt: skip
        with _output_into(folder):
            began = time.process_time()
            with _sampled(sampler):
                try:
                    main(arguments)
                except SystemExit as end:
                    code = end.code
            spent = time.process_time() - began
    if code:
        print((folder / "log.txt").read_text()[-2000:], file=sys.stderr)
        raise SystemExit(f"the engine ended with {code}")
    return Profile(sampler.samples, sampler.within, spent / messages * 1e6)


def tabulate(profile: Profile) -> list[Table]:
    """By room, and the functions that stand out."""
    total = sum(profile.samples.values())
    scale = profile.microseconds / total

    def rows(counts: Counter[str], least: float) -> list[tuple[str, ...]]:
        return [
            (f"{100 * count / total:.1f} %", name, f"{count * scale:.1f}")
            for name, count in counts.most_common()
            if count / total >= least
        ]

    rooms: Counter[str] = Counter()
    files: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (room, file, function), count in profile.samples.items():
        rooms[room] += count
        files[file or room] += count
        functions[f"{file} {function}"] += count
    cumulative = Counter({f"{file} {function}": count for (_, file, function), count in profile.within.items()})
    heads = ("share", "where", "µs a message")
    title = f"floors: {profile.microseconds:.0f} µs a message in one process, {total} samples"
    return [
        Table(title + ", by room", heads, rows(rooms, 0.0)),
        Table("by file", heads, rows(files, 0.01)),
        Table("by function, without what it calls of Mailrider", heads, rows(functions, 0.01)),
        Table("by function, with what it calls", heads, rows(cumulative, 0.02)),
    ]
