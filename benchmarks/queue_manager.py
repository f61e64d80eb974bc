"""Case `agent`: how fast the queue of a real Postfix empties, with its own smtp(8), with discard(8), and with our agent.

Messages are queued while no queue manager runs; then Postfix is started, and the time is taken from the moment at which the
first message becomes active until the queue is empty.  Every contestant gets the same queue files, the same Postfix and the
same sink.  `one destination`: the queue manager's default
concurrency.  `slow destinations`: 200 of them answer DATA after a second, so what counts is how many deliveries can be under
way.

Needs root and Debian's postfix; where they are missing the case says so.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port
from tests.postfix.instance import Postfix, agent_line, why_not

from benchmarks import compiled
from benchmarks.measuring import ProgramFailed
from benchmarks.report import Table

OURS = "mailrider agent"
C_AGENT = "smtp(8)"
DISCARD = "discard(8)"

SERVICES = {
    C_AGENT: "bench unix - - n - - smtp\n",
    OURS: agent_line("bench"),
    f"{OURS}, 2 workers": agent_line("bench", options="--workers 2"),
    DISCARD: "bench unix - - n - - discard\n",
}
WITHOUT_OTHERS = (C_AGENT, OURS)

SLOW_DESTINATIONS = 200
SLOW_SECONDS = 1
MESSAGE_OCTETS = 4096
PATIENCE_SECONDS = 300.0


class Run(NamedTuple):
    """One emptying of the queue: how long it took, and what all processes of this Postfix have spent on it."""

    seconds: float
    processor_seconds: float


class Figures(NamedTuple):
    """What one contestant needed."""

    seconds: float
    best_seconds: float
    processor_seconds: float


def why_no_case() -> str:
    """Why this case cannot run here, or nothing."""
    missing = [name for name in ("smtp-sink", "smtp-source") if not shutil.which(name, path="/usr/sbin:/usr/bin")]
    return why_not() or (f"{missing[0]} is not installed" if missing else "")


def measure(messages: int, repeats: int, *, slow: bool) -> dict[str, Figures]:
    """Run the contestants in turn.  Raises `ProgramFailed`."""
    names = WITHOUT_OTHERS if slow else tuple(SERVICES)
    with _sink(slow=slow) as port, _filled_queue(messages, port, slow=slow) as (postfix, kept):
        runs: dict[str, list[Run]] = {name: [] for name in names}
        for _ in range(repeats):
            for name in names:
                runs[name].append(_empty(postfix, kept, SERVICES[name]))
    return {name: _figures(each) for name, each in runs.items()}


def _figures(runs: list[Run]) -> Figures:
    seconds = [run.seconds for run in runs]
    return Figures(statistics.median(seconds), min(seconds), statistics.median(run.processor_seconds for run in runs))


@contextmanager
def _sink(*, slow: bool) -> Iterator[int]:
    port = free_port()
    options = ["-w", str(SLOW_SECONDS)] if slow else []
    command = ["/usr/sbin/smtp-sink", *options, "-u", "nobody", "-m", "6000", f"0.0.0.0:{port}", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _filled_queue(messages: int, port: int, *, slow: bool) -> Iterator[tuple[Postfix, Path]]:
    """A Postfix without a queue manager, and a folder with its queue."""
    if slow:
        hops = {f"d{number}.test": f"bench:[127.0.1.{number + 1}]:{port}" for number in range(SLOW_DESTINATIONS)}
    else:
        hops = {"d0.test": f"bench:[127.0.0.1]:{port}"}
    settings = {"maximal_queue_lifetime": "1d", "syslog_name": "bench"}
    if compiled.is_in_use():  # master(8) gives its children no more of the environment than this
        settings["import_environment"] = f"MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C PYTHONPATH={compiled.COMPILED}"
    postfix = Postfix(hops, [SERVICES[C_AGENT]], settings)
    master = (postfix.etc / "master.cf").read_text()
    (postfix.etc / "master.cf").write_text(master.replace("\nqmgr ", "\n#qmgr "))
    with postfix:
        destinations = list(hops)
        each = messages // len(destinations)
        for start in range(0, len(destinations), 20):
            group = [_submit(postfix, domain, each) for domain in destinations[start : start + 20]]
            for source in group:
                if source.wait():
                    raise ProgramFailed("smtp-source has failed")
        kept = postfix.folder / "kept"
        (postfix.spool / "incoming").rename(kept)
        _make_folder(postfix.spool / "incoming")
        postfix.run("postfix", "stop")
        yield postfix, kept


def _submit(postfix: Postfix, domain: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            "/usr/sbin/smtp-source", "-s", "8" if count > 100 else "1", "-m", str(count), "-l", str(MESSAGE_OCTETS),
            "-f", "me@origin.test", "-t", f"to@{domain}", f"127.0.0.1:{postfix.port}",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _make_folder(folder: Path) -> None:
    folder.mkdir()
    shutil.chown(folder, "postfix")
    folder.chmod(0o700)


def _empty(postfix: Postfix, kept: Path, service: str) -> Run:
    """Let the queue manager run over a copy of the queue."""
    incoming = postfix.spool / "incoming"
    shutil.rmtree(incoming)
    subprocess.run(["cp", "-a", str(kept), str(incoming)], check=True)
    master = postfix.etc / "master.cf"
    text = master.read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("bench ")]
    master.write_text("".join(lines).replace("\n#qmgr ", "\nqmgr ") + service)
    log = postfix.folder / "log" / "maillog"
    os.truncate(log, 0)
    log.chmod(0o666)  # postsuper(1) tells there, without privileges, that it has renamed the copies after their inodes
    wanted = sum(1 for path in kept.iterdir() if path.is_file())
    postfix.run("postfix", "start")
    end = time.monotonic() + PATIENCE_SECONDS
    _wait(lambda: _holds_files(postfix.spool / "active"), end, postfix)
    began = time.monotonic()
    _wait(lambda: not _holds_files(postfix.spool / "active", incoming), end, postfix)
    seconds = time.monotonic() - began
    processor_seconds = _processor_seconds(postfix)
    postfix.run("postfix", "stop")
    sent = postfix.log_text().count("status=sent")
    if sent < wanted or _holds_files(postfix.spool / "deferred"):
        raise ProgramFailed(f"{sent} of {wanted} messages were sent:\n{postfix.log_text()[-3000:]}")
    return Run(seconds, processor_seconds)


def _processor_seconds(postfix: Postfix) -> float:
    """What all processes of this Postfix have used since it was started, those that have ended among them."""
    ticks = 0
    for process in postfix.processes(""):
        with suppress(OSError):
            text = Path(f"/proc/{process}/stat").read_text()
            ticks += sum(map(int, text[text.rindex(")") + 2 :].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _holds_files(*folders: Path) -> bool:
    return any(next(os.scandir(folder), None) is not None for folder in folders)


def _wait(condition: Callable[[], bool], end: float, postfix: Postfix) -> None:
    while not condition():
        if time.monotonic() > end:
            raise ProgramFailed(f"the queue is not empty after {PATIENCE_SECONDS:g} seconds:\n{postfix.log_text()[-3000:]}")
        time.sleep(0.02)


def slow_sink() -> AbstractContextManager[int]:
    """An smtp-sink(1) on every loopback address that answers DATA after a while; its port."""
    return _sink(slow=True)


def filled_queue(messages: int, port: int) -> AbstractContextManager[tuple[Postfix, Path]]:
    """A Postfix whose queue has mail for the slow destinations, and a folder with that queue."""
    return _filled_queue(messages, port, slow=True)


def empty_with_smtp(postfix: Postfix, kept: Path) -> Run:
    """One run with smtp(8)."""
    return _empty(postfix, kept, SERVICES[C_AGENT])


def tabulate(figures: dict[str, Figures], messages: int, repeats: int, title: str) -> Table:
    """The comparison with smtp(8)."""
    base = figures[C_AGENT]
    rows = [
        (
            f"{base.seconds / its.seconds:.2f} times", f"{base.best_seconds / its.best_seconds:.2f} times", name,
            f"{its.seconds:.1f}", f"{its.best_seconds:.1f}", f"{messages / its.seconds:.0f}",
            f"{its.processor_seconds / messages * 1e3:.2f}", f"{base.processor_seconds / its.processor_seconds:.2f}",
        )
        for name, its in figures.items()
    ]  # fmt: skip
    # Processor time is that of all of Postfix, and what a busy machine shows best.
    columns = (
        "as fast as smtp(8)",
        "in the best runs",
        "agent",
        "seconds",
        "best",
        "messages/s",
        "processor ms a message",
        "smtp(8) needs",
    )
    return Table(f"agent, {title}: {messages} messages of {MESSAGE_OCTETS} octets, median of {repeats}", columns, rows)
