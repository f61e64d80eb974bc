"""`python -m benchmarks drain`: how fast a full queue is emptied into one sink, by a node and by a private Postfix, in one run.

5,000 messages of 4 kB come in under `defer_transports = smtp`; the mail system is stopped, the setting is taken out, it is
started again and told to flush; the end is when the log has `status=sent` for all of them.  Both sides log to
`maillog_file`, keep their queues on the same disk and send over 20 connections at most to the same kind of smtp-sink(1).

`--destinations N`: the mail is for N destinations (`u@[127.0.0.2]` and so on), which share the connections evenly, instead of
one relay; `--workers N`: processes of the node, who share the destinations.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port
from tests.postfix.instance import Postfix, why_not

MESSAGES = 5000
SIZE_OCTETS = 4000
CONNECTIONS = 20
PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.01
"""Between two looks into the log: the error of a time."""

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PROGRAM = Path(sys.executable).parent / "mailrider"


class Figure(NamedTuple):
    """One drain: messages a second, and processor time over all processes."""

    name: str
    seconds: float
    processor_seconds: float
    count: int

    def __str__(self) -> str:
        cost = self.processor_seconds / self.count * 1e6
        return f"{self.name:10} {self.count / self.seconds:8.0f} messages/s   {cost:6.0f} µs of processor time a message"


@contextmanager
def sink() -> Iterator[int]:
    """An smtp-sink that takes everything; its port."""
    port = free_port()
    command = ["smtp-sink", "-u", "nobody", f"0.0.0.0:{port}", "256"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def wait_for(condition: object, seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("the mail system does not come to an end")
        time.sleep(LOOK_SECONDS)


def count(log: Path, text: bytes) -> int:
    return log.read_bytes().count(text) if log.exists() else 0


def processor_seconds(*roots: int) -> float:
    """User and system time of these processes and all that descend from them, the ended ones included."""
    parents, times = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            times[int(entry.name)] = sum(int(field) for field in fields[11:15]) / CLOCK_TICKS

    def descends(pid: int) -> bool:
        while pid not in roots and pid in parents:
            pid = parents[pid]
        return pid in roots

    return sum(spent for pid, spent in times.items() if descends(pid))


def measure(name: str, log: Path, messages: int, begin: object, *pids: int) -> Figure:
    before = processor_seconds(*pids)
    start = time.monotonic()
    begin()  # type: ignore[operator]
    wait_for(lambda: count(log, b"status=sent") >= messages)
    seconds = time.monotonic() - start
    return Figure(name, seconds, processor_seconds(*pids) - before, messages)


def deliveries_to(port: int, destinations: int) -> dict[str, str]:
    """The settings that make mail go to the sink."""
    limit = {"smtp_destination_concurrency_limit": str(max(1, CONNECTIONS // destinations))}
    if destinations == 1:
        return {"relayhost": f"[127.0.0.1]:{port}", **limit}
    return {"smtp_tcp_port": str(port), **limit}


def drain_node(messages: int, destinations: int, workers: int) -> Figure:
    """A node."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-drain-"))
    folder.chmod(0o777)
    log = folder / "log"
    (folder / "queue").mkdir(mode=0o700)

    def configure(port: int, more: str) -> None:
        (folder / "main.cf").write_text(
            f"queue_directory = {folder}/queue\nmaillog_file = {log}\nmyhostname = client.origin.test\nmydestination =\n"
            f"{more}intake_smtp_listen =\n"
            + "".join(f"{name} = {value}\n" for name, value in deliveries_to(port, destinations).items())
        )

    @contextmanager
    def serve() -> Iterator[int]:
        node = subprocess.Popen([str(PROGRAM), "-c", str(folder), "serve", "--workers", str(workers)])
        try:
            wait_for(lambda: count(log, b"daemon started") > started)
            yield node.pid
        finally:
            node.terminate()
            node.wait()

    try:
        with sink() as port:
            started = 0
            configure(port, "defer_transports = smtp\n")
            with serve():
                fill_node(folder / "queue", messages, destinations)
                wait_for(lambda: count(log, b"status=deferred") >= messages)
            started = 1
            configure(port, "")
            with serve() as pid:
                flush = [str(PROGRAM), "-c", str(folder), "queue", "flush", "--all"]
                name = "Mailrider" if workers == 1 else f"{workers} workers"
                return measure(name, log, messages, lambda: subprocess.run(flush, check=True, capture_output=True), pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def domains_of(destinations: int) -> list[str]:
    return ["dest.test"] if destinations == 1 else [f"[127.0.0.{number + 2}]" for number in range(destinations)]


def fill_node(folder: Path, messages: int, destinations: int = 1) -> None:
    """Put messages into the queue as another process would."""
    import asyncio

    from mailrider.machine import SystemClock
    from mailrider.model.request import Envelope, Recipient
    from mailrider.spool.spool import Submission
    from mailrider.spool.sqlite import SqliteSpool

    text = b"From: a@origin.test\r\nSubject: drain\r\n\r\n" + b"x" * 78 + b"\r\n" + (b"y" * 78 + b"\r\n") * (SIZE_OCTETS // 80)

    domains = domains_of(destinations)

    async def fill() -> None:
        async with SqliteSpool(folder, SystemClock()) as spool:
            for start in range(0, messages, 100):
                envelopes = [
                    Envelope("a@origin.test", (Recipient(f"u{number}@{domains[number % destinations]}"),))
                    for number in range(start, min(start + 100, messages))
                ]
                await asyncio.gather(*(spool.accept(Submission(envelope), text) for envelope in envelopes))

    asyncio.run(fill())


def drain_postfix(messages: int, destinations: int) -> Figure:
    """A private Postfix."""
    with sink() as port:
        settings = {
            "defer_transports": "smtp", **deliveries_to(port, destinations),
            "smtpd_relay_restrictions": "permit_mynetworks, reject", "resolve_numeric_domain": "yes",
        }  # fmt: skip
        with Postfix({}, services=["smtp unix - - n - - smtp\n"], settings=settings) as postfix:
            log = postfix.folder / "log" / "maillog"
            for domain in domains_of(destinations):
                source = ["smtp-source", "-s", "8", "-m", str(messages // destinations), "-l", str(SIZE_OCTETS),
                          "-f", "a@origin.test", "-t", f"u@{domain}", f"127.0.0.1:{postfix.port}"]  # fmt: skip
                subprocess.run(source, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
            wait_for(lambda: count(log, b"status=deferred") >= messages)
            postfix.run("postfix", "stop")
            postfix.run("postconf", "-e", "defer_transports=")
            for path in postfix.etc.iterdir():
                os.utime(path, (1.6e9, 1.6e9))
            postfix.run("postfix", "start")
            master = int((postfix.spool / "pid" / "master.pid").read_text())
            return measure("Postfix", log, messages, lambda: postfix.run("postqueue", "-f"), master)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks drain", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--destinations", type=int, default=1, help="up to 250")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    given = parser.parse_args(arguments)
    for name in ("smtp-sink", "smtp-source"):
        if not shutil.which(name):
            print(f"{name} is not installed (Debian's package postfix)", file=sys.stderr)
            return 69
    messages = given.messages // given.destinations * given.destinations
    reason = "--alone" if given.alone else why_not()
    for _ in range(given.runs):
        ours = drain_node(messages, given.destinations, given.workers)
        print(ours, flush=True)
        if reason:
            print(f"Postfix    not measured: {reason}")
            continue
        theirs = drain_postfix(messages, given.destinations)
        print(theirs, flush=True)
        print(f"{'ratio':10} {theirs.seconds / ours.seconds:8.2f}", flush=True)
    return 0
