"""The programs that benchmarks compare, as contestants: Mailrider, smtplib, aiosmtplib."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.contest import Contestant
from benchmarks.measuring import Cost, ProgramFailed, run_measured
from benchmarks.messages import write_batch

OURS = "mailrider"


def mailrider(
    name: str,
    folder: Path,
    nexthop: str | Sequence[str],
    messages: int,
    *,
    connections: int,
    options: Mapping[str, str] | None = None,
    source: Path | None = None,
) -> Contestant:
    """`mailrider deliver --batch` in burst mode over the message files in `folder`; `source` as in `run_measured`."""
    settings = {
        "default_destination_concurrency_limit": str(connections),
        "initial_destination_concurrency": str(connections),
        **(options or {}),
    }
    words = [word for parameter, value in settings.items() for word in ("-o", f"{parameter}={value}")]
    own = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
    own.mkdir(exist_ok=True)

    def run(count: int) -> Cost:
        batch, rows, log = own / f"batch-{count}.json", own / "rows.txt", own / "log.txt"
        if not batch.exists():
            write_batch(batch, folder, count, nexthop)
        command = (sys.executable, "-m", "mailrider", "deliver", *words, "--batch", str(batch))
        cost = run_measured(command, rows, log, source=source)
        sent = rows.read_text().count('"status": "sent"')
        if sent != count:
            raise ProgramFailed(f"{sent} of {count} messages were sent")
        return cost

    return Contestant(name, run, messages)


def client(
    name: str, module: str, folder: Path, port: int, messages: int, *, connections: int, options: Sequence[str] = ()
) -> Contestant:
    """A program of `benchmarks.clients`; it ends badly unless all was sent."""

    def run(count: int) -> Cost:
        return run_measured((
            sys.executable, "-m", f"benchmarks.clients.{module}", "--port", str(port), "--messages", str(count),
            "--connections", str(connections), "--folder", str(folder), *options,
        ))  # fmt: skip

    return Contestant(name, run, messages)


def smtplib(folder: Path, port: int, messages: int, *, connections: int, threads: bool = False) -> Contestant:
    """One process, or one thread, for each connection."""
    name, options = ("smtplib, threads", ("--threads",)) if threads else ("smtplib, processes", ())
    return client(name, "with_smtplib", folder, port, messages, connections=connections, options=options)


def aiosmtplib(folder: Path, port: int, messages: int, *, connections: int, uvloop: bool = True) -> Contestant:
    """On uvloop, or on asyncio's own loop."""
    name, options = ("aiosmtplib, uvloop", ("--uvloop",)) if uvloop else ("aiosmtplib, asyncio", ())
    return client(name, "with_aiosmtplib", folder, port, messages, connections=connections, options=options)
