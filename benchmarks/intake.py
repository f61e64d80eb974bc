"""`python -m benchmarks intake`: how fast mail is accepted over 10 connections, by a node and by a private Postfix, in one run.

smtp-source(1) hands in 4 kB messages under `defer_transports = smtp`, so that each is on stable storage when it is
answered, and stays there.  `one each`: a new connection for every message; `kept`: 10 connections for all of them.  `api`: 50
callers at once of `await node.enqueue(...)`, which has no counterpart.  Both sides log to `maillog_file` and keep their queues
on the same disk.  Processor time is that of the mail system, the queue manager's share included.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.postfix.instance import Postfix, why_not

from benchmarks.drain import PATIENCE_SECONDS, PROGRAM, SIZE_OCTETS, Figure, count, processor_seconds, wait_for

MESSAGES = 5000
CONNECTIONS = 10
CALLERS = 50
KINDS = {"one each": (), "kept": ("-d",)}
DEFERRING = {"defer_transports": "smtp"}


def hand_in(name: str, port: int, messages: int, more: tuple[str, ...], *pids: int) -> Figure:
    """Let smtp-source hand in so many."""
    source = ["smtp-source", *more, "-s", str(CONNECTIONS), "-m", str(messages), "-l", str(SIZE_OCTETS), "-f", "a@origin.test",
              "-t", "u@dest.test", f"127.0.0.1:{port}"]  # fmt: skip
    before = processor_seconds(*pids)
    start = time.monotonic()
    subprocess.run(source, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    seconds = time.monotonic() - start
    return Figure(name, seconds, processor_seconds(*pids) - before, messages)


@contextmanager
def node() -> Iterator[tuple[int, int]]:
    """A node of Mailrider; its port and its process."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-intake-"))
    folder.chmod(0o777)
    port = free_port()
    log = folder / "log"
    (folder / "main.cf").write_text(
        f"queue_directory = {folder}/queue\nmaillog_file = {log}\nmyhostname = client.origin.test\nmydestination =\n"
        f"defer_transports = smtp\nintake_smtp_listen = 127.0.0.1:{port}\nsmtpd_peername_lookup = no\n"
    )
    (folder / "queue").mkdir(mode=0o700)
    process = subprocess.Popen([str(PROGRAM), "-c", str(folder), "serve"])
    try:
        wait_for(lambda: count(log, b"daemon started") > 0)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postfix() -> Iterator[tuple[int, int]]:
    """A private Postfix; its port and the process of its master(8)."""
    with Postfix({}, services=["smtp unix - - n - - smtp\n"], settings=DEFERRING) as made:
        yield made.port, int((made.spool / "pid" / "master.pid").read_text())


async def enqueue(folder: Path, messages: int) -> float:
    """50 callers at once; the seconds."""
    from mailrider.node import Node

    (folder / "main.cf").write_text(
        f"queue_directory = {folder}/queue\nmyhostname = client.origin.test\nmydestination =\ndefer_transports = smtp\n"
    )
    text = b"From: a@origin.test\r\nSubject: x\r\n\r\n" + (b"y" * 78 + b"\r\n") * (SIZE_OCTETS // 80)
    async with Node(folder) as running:

        async def call(count: int) -> None:
            for _ in range(count):
                await running.enqueue(text, sender="a@origin.test", recipients=["u@dest.test"])

        start = time.monotonic()
        await asyncio.gather(*(call(messages // CALLERS) for _ in range(CALLERS)))
        return time.monotonic() - start


def measure_api(messages: int) -> Figure:
    """The Python API."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-intake-"))
    try:
        before = time.process_time()
        seconds = asyncio.run(enqueue(folder, messages))
        return Figure("api", seconds, time.process_time() - before, messages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """See the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks intake", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args(arguments)
    if not shutil.which("smtp-source"):
        print("smtp-source is not installed (Debian's package postfix)", file=sys.stderr)
        return 69
    reason = why_not()
    for _ in range(given.runs):
        for kind, more in KINDS.items():
            with node() as (port, pid):
                ours = hand_in("Mailrider", port, given.messages, more, pid)
            print(f"{kind:10} {ours}", flush=True)
            if reason:
                print(f"Postfix    not measured: {reason}")
                continue
            with postfix() as (port, pid):
                theirs = hand_in("Postfix", port, given.messages, more, pid)
            print(f"{kind:10} {theirs}\n{kind:10} {'ratio':10} {theirs.seconds / ours.seconds:8.2f}", flush=True)
        print(f"{'':10} {measure_api(given.messages)}", flush=True)
    return 0
