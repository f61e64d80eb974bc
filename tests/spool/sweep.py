"""A little traffic on a disk that fails at the n-th operation, for every n that there is; with `faulty_disk` preloaded.

``python -m tests.spool.sweep FOLDER KIND TIMES ERROR``: KIND is `all` or `fsync`, TIMES how many operations fail, ERROR the
number of the error.  Each n has a process and a folder of its own.  What is left is looked at as it is after the process was
killed, and as it is after a power failure; both when the messages have come in, when they have ended, and when the spool has
been closed.

Prints how many operations there were.  What is wrong goes to standard error, and the exit code is 1.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

from tests.spool.traffic import LARGE, SMALL, Doings, SystemClock, as_one_group, pass_through

from mailrider.errors import SpoolTrouble
from mailrider.spool.bell import NAME
from mailrider.spool.queue_id import queue_id_of
from mailrider.spool.sqlite import SqliteSpool

MESSAGES = 3
"""One is sent, one deferred, one returned; the first one is large."""

OPERATIONS_LIMIT = 500
"""More than there ever are."""


class Disk:
    """`faulty_disk`, as it watches the folder `queue` in a folder."""

    def __init__(self, folder: Path, kind: str, at: int, times: int, error: int) -> None:
        self._library = ctypes.CDLL(None)
        self._folder = folder
        self._library.disk_begin(os.fsencode(folder / "queue"), int(kind == "all"), at, times, error)

    def take_stock(self, moment: str) -> None:
        """Put down what would be left of the queue."""
        queue = self._folder / "queue"
        if queue.exists():
            shutil.copytree(queue, self._folder / f"{moment}-killed", ignore=shutil.ignore_patterns("*-shm", NAME))
        unplugged = self._folder / f"{moment}-unplugged"
        (unplugged / "content").mkdir(parents=True)
        assert self._library.disk_unplug(os.fsencode(unplugged)) == 0

    @property
    def calls(self) -> int:
        calls: int = self._library.disk_calls()
        return calls


async def pass_over(folder: Path, disk: Disk) -> dict[str, list[str]]:
    """What had been told at each moment at which stock was taken."""
    told: list[str] = []
    moments: dict[str, list[str]] = {}

    def take_stock(moment: str) -> None:
        disk.take_stock(moment)
        moments[moment] = told.copy()

    try:
        async with SqliteSpool(folder / "queue", SystemClock(), sweeps=True) as spool:
            as_one = as_one_group(spool)

            async def together(doings: Doings) -> None:
                await as_one(doings)
                take_stock("ended" if "came" in moments else "came")

            await pass_through(spool, told.append, MESSAGES, together)
    except SpoolTrouble as trouble:
        told.append(f"trouble {trouble}")
    take_stock("closed")
    return moments


def texts_in(folder: Path) -> dict[str, bytes]:
    """The messages of a queue and their texts, as they lie on the disk."""
    if not (folder / "queue.db").exists():
        return {}
    connection = sqlite3.connect(folder / "queue.db")
    try:
        connection.execute("PRAGMA synchronous = OFF")
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'message'").fetchone()[0]:
            return {}
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        texts = dict(connection.execute("SELECT key, octets FROM message LEFT JOIN content USING (key)"))
        filed = dict(connection.execute("SELECT key, filed FROM message"))
    finally:
        connection.close()
    return {
        queue_id_of(key): (folder / "content" / queue_id_of(key)).read_bytes() if filed[key] else octets
        for key, octets in texts.items()
    }


def disagreement(told: list[str], folder: Path, *, power_failed: bool) -> str:
    """What is wrong with a queue, after it has told something; nothing is empty."""
    came, ending, gone, failed = (
        {fact.split()[1] for fact in told if fact.startswith(f"{word} ")} for word in ("in", "ending", "gone", "failed")
    )
    assert ending == gone | failed
    try:
        texts = texts_in(folder)
    except (AssertionError, sqlite3.Error, OSError) as trouble:
        return f"it cannot be read: {trouble!r}"
    kept = came - gone if power_failed else came - ending  # what could not be flushed may be there, as long as there is power
    if kept - set(texts):
        return f"lost: {kept - set(texts)}"
    if gone & set(texts):
        return f"come back: {gone & set(texts)}"
    if not set(texts.values()) <= {SMALL, LARGE}:
        return "damaged"
    return ""


def try_one(folder: Path, kind: str, at: int, times: int, error: int) -> tuple[int, list[str]]:
    """How many operations there were, and what is wrong."""
    (folder / "facts").parent.mkdir()
    child = os.fork()
    if not child:
        disk = Disk(folder, kind, at, times, error)
        moments = asyncio.run(asyncio.wait_for(pass_over(folder, disk), 60))
        (folder / "facts").write_text(json.dumps([disk.calls, moments]))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    calls, moments = json.loads((folder / "facts").read_text())
    wrong = []
    for state in sorted(folder.glob("*-*")):
        moment, _, accident = state.name.partition("-")
        told = moments[moment]
        what = disagreement(told, state, power_failed=accident == "unplugged")
        if what:
            wrong.append(f"operation {at}, {state.name}: {what}; told: {told}")
    return calls, wrong


def main(folder: Path, kind: str, times: int, error: int) -> int:
    wrong: list[str] = []
    for at in range(1, OPERATIONS_LIMIT):
        calls, more = try_one(folder / str(at), kind, at, times, error)
        wrong += more
        if calls < at:
            print(calls)
            break
        shutil.rmtree(folder / str(at))
    print("\n".join(wrong), file=sys.stderr, end="")
    return int(bool(wrong) or calls >= at)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
