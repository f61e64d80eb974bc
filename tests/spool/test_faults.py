"""Disks that are full, broken or lie; processes that are killed: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, finished, notice, put, run, submission, take, text_of
from tests.spool.traffic import LARGE, SMALL, SystemClock, as_one_group, pass_through

from mailrider.errors import SpoolTrouble
from mailrider.spool import sqlite_schema
from mailrider.spool.files import RESERVE_OCTETS, Files
from mailrider.spool.spool import Accepted, Committed, NotAccepted, Order, Selection, Unaccepted
from mailrider.spool.sqlite import SqliteSpool

ROOT = Path(__file__).parents[2]


class Facts:
    """What a spool has told, and whether the one that is opened after it agrees."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def _ids(self, word: str) -> set[str]:
        return {fact.split()[1] for fact in self.told if fact.startswith(f"{word} ")}

    def agree(self, folder: Path) -> None:
        async def look() -> dict[str, bytes]:
            async with SqliteSpool(folder, SystemClock(), sweeps=True) as spool:
                texts = {}
                for message in await spool.list():
                    content = await spool.content(message.queue_id)
                    assert content is not None
                    texts[message.queue_id] = b"".join(content.chunks())
                return texts

        texts = run(look())
        came, ending, gone, failed = (self._ids(word) for word in ("in", "ending", "gone", "failed"))
        unknown = ending - gone - failed  # the process has died before it could tell
        assert came - gone - unknown <= set(texts), "a message that was accepted is lost"
        assert not gone & set(texts), "a message that is gone has come back"
        assert set(texts.values()) <= {SMALL, LARGE}
        files = set(os.listdir(folder / "content"))
        assert files <= set(texts)


def fail_with(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = text
    return error


class FaultyConnection:
    """A connection whose n-th statement fails; a COMMIT that fails has not happened."""

    def __init__(self, connection: sqlite3.Connection, fault: Callable[[str], None]) -> None:
        self._connection = connection
        self._fault = fault

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self._fault(statement)
        return self._connection.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    @property
    def text_factory(self) -> Any:
        return self._connection.text_factory

    @text_factory.setter
    def text_factory(self, value: Any) -> None:
        self._connection.text_factory = value


READING = (
    "SELECT octets", "SELECT due", "SELECT key", "SELECT message", "SELECT number", "PRAGMA",
)  # fmt: skip


class Fault:
    """Fails at the n-th statement of the writer, once or from then on; reading connections are spared."""

    def __init__(self, at: int, error: sqlite3.OperationalError, times: int) -> None:
        self._left = at
        self._error = error
        self._times = times
        self.was_reached = False

    def __call__(self, statement: str) -> None:
        if statement.startswith(READING):
            return
        self._left -= 1
        if self._left <= 0 < self._times and statement != "ROLLBACK":
            self._times -= 1
            self.was_reached = True
            raise self._error


STATEMENTS_LIMIT = 100
"""More than there ever are."""

IO_ERROR = fail_with(sqlite3.SQLITE_IOERR, "disk I/O error")
FULL = fail_with(sqlite3.SQLITE_FULL, "database or disk is full")


@pytest.mark.parametrize("error", [IO_ERROR, FULL], ids=["io-error", "full"])
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "for-good"])
def test_a_statement_that_fails(tmp_path: Path, error: sqlite3.OperationalError, times: int) -> None:
    for at in range(1, STATEMENTS_LIMIT):
        folder = tmp_path / str(at)
        facts = Facts()
        fault = Fault(at, error, times)

        async def go(folder: Path = folder, facts: Facts = facts, fault: Fault = fault) -> None:
            def connect(path: Path) -> sqlite3.Connection:
                return FaultyConnection(sqlite_schema.connect(path), fault)  # type: ignore[return-value]

            async with SqliteSpool(folder, SystemClock(), connect=connect, report=facts.told.append) as spool:
                await pass_through(spool, facts.told.append, 3, as_one_group(spool))

        run(go())
        facts.agree(folder)
        if not fault.was_reached:
            break
    else:
        pytest.fail("there is no end of statements")
    assert at > 10, "three groups of changes"


def test_a_fault_is_told_and_ends(tmp_path: Path) -> None:
    told: list[str] = []

    async def go() -> None:
        fault = Fault(1, IO_ERROR, 1)

        def connect(path: Path) -> sqlite3.Connection:
            return FaultyConnection(sqlite_schema.connect(path), fault)  # type: ignore[return-value]

        async with SqliteSpool(tmp_path, HandClock(), connect=connect, report=told.append) as spool:
            refused = await spool.accept(submission(), SMALL)
            assert refused == NotAccepted(Unaccepted.FAILED, "disk I/O error")
            assert isinstance(await spool.accept(submission(), SMALL), Accepted)

    run(go())
    assert told == ["the queue cannot be written: disk I/O error"]


class FaultyFiles(Files):
    """A folder on a disk that fails at the n-th operation."""

    def __init__(self, folder: Path, at: int, error: int) -> None:
        super().__init__(folder)
        self._left = at
        self._error = error
        self.was_reached = False

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.was_reached = True
            raise OSError(self._error, os.strerror(self._error))

    def create(self, name: str) -> int:
        self._count()
        return super().create(name)

    def write(self, descriptor: int, octets: bytes) -> None:
        os.write(descriptor, octets[: len(octets) // 2])
        self._count()
        os.lseek(descriptor, 0, os.SEEK_SET)
        super().write(descriptor, octets)

    def flush(self, descriptor: int) -> None:
        self._count()
        super().flush(descriptor)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_file_that_cannot_be_kept(tmp_path: Path, error: int) -> None:
    for at in range(1, STATEMENTS_LIMIT):
        folder = tmp_path / str(at)
        facts = Facts()
        files = FaultyFiles(folder / "content", at + 1, error)  # one is on opening

        async def go(folder: Path = folder, facts: Facts = facts, files: FaultyFiles = files) -> None:
            async with SqliteSpool(folder, SystemClock(), files=files) as spool:
                answer = await spool.accept(submission(), LARGE)
                if not files.was_reached:
                    return
                assert isinstance(answer, NotAccepted)
                assert answer.reason is (Unaccepted.FULL if error == errno.ENOSPC else Unaccepted.FAILED)
                assert os.listdir(folder / "content") == []
                facts.told.append(f"in {await put(spool, submission(), LARGE)}")

        run(go())
        if not files.was_reached:
            break
        facts.agree(folder)
    assert at == 5, "made, written, flushed, and its folder flushed"


@pytest.mark.parametrize(("statement", "left"), [("INSERT INTO message", 0), ("COMMIT", 1)])
def test_the_file_of_a_message_stays_where_the_log_may_have_the_message(tmp_path: Path, statement: str, left: int) -> None:
    def fault(tried: str) -> None:
        if tried.startswith(statement):
            raise IO_ERROR

    def connect(path: Path) -> sqlite3.Connection:
        return FaultyConnection(sqlite_schema.connect(path), fault)  # type: ignore[return-value]

    async def go() -> None:
        async with SqliteSpool(tmp_path, HandClock(), connect=connect) as spool:
            given = await asyncio.gather(*(spool.accept(submission(), text) for text in (LARGE, SMALL)))
            assert all(isinstance(answer, NotAccepted) for answer in given)
        assert len(os.listdir(tmp_path / "content")) == left
        async with SqliteSpool(tmp_path, HandClock(), sweeps=True) as spool:
            assert await spool.list() == ()
        assert os.listdir(tmp_path / "content") == []

    run(go())


def test_a_full_disk_takes_no_mail_but_lets_mail_go(tmp_path: Path) -> None:
    free = [RESERVE_OCTETS]

    class TinyDisk(Files):
        def free_octets(self) -> int:
            return free[0]

    async def go() -> None:
        async with SqliteSpool(tmp_path, HandClock(), files=TinyDisk(tmp_path / "content")) as spool:
            first, second, third = [await put(spool, submission()) for _ in range(3)]
            leases = await take(spool)
            free[0] -= 1
            for text in (SMALL, LARGE):
                answer = await spool.accept(submission(), text)
                assert isinstance(answer, NotAccepted)
                assert answer.reason is Unaccepted.FULL
            done = [
                spool.settle(leases[first], finished(0)),
                spool.defer(leases[second], [0], DEFERRED, START_SECONDS + 9),
                spool.discharge(leases[third], finished(0), (), notice()),
            ]
            assert await asyncio.gather(*done) == [Committed.REMOVED, Committed.DONE, Committed.REMOVED]
            assert os.listdir(tmp_path / "content") == []

    run(go())


def test_a_database_that_may_not_grow(tmp_path: Path) -> None:
    """SQLite's own idea of a full disk, in the middle of groups."""

    def connect(path: Path) -> sqlite3.Connection:
        connection = sqlite_schema.connect(path)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    async def go() -> None:
        async with SqliteSpool(tmp_path, HandClock(), connect=connect) as spool:
            answers = await asyncio.gather(*(spool.accept(submission(), b"x" * 20_000) for _ in range(60)))
            accepted = [answer.queue_id for answer in answers if isinstance(answer, Accepted)]
            refused = [answer for answer in answers if isinstance(answer, NotAccepted)]
            assert accepted
            assert {answer.reason for answer in refused} == {Unaccepted.FULL}
            leases = await take(spool)
            assert set(leases) == set(accepted)
            for lease in leases.values():
                assert text_of(lease) == b"x" * 20_000
                assert await spool.settle(lease, finished(0)) is Committed.REMOVED
            assert isinstance(await spool.accept(submission(), b"x" * 20_000), Accepted)

    run(go())


def test_what_could_not_be_deferred_waits_in_memory(tmp_path: Path) -> None:
    broken: list[bool] = []

    def fault(statement: str) -> None:
        if broken and statement == "BEGIN IMMEDIATE":
            raise IO_ERROR

    def connect(path: Path) -> sqlite3.Connection:
        return FaultyConnection(sqlite_schema.connect(path), fault)  # type: ignore[return-value]

    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock, connect=connect) as spool:
            identity = await put(spool, submission())
            lease = (await take(spool))[identity]
            broken.append(True)
            assert await spool.defer(lease, [0], DEFERRED, START_SECONDS + 60) is Committed.FAILED
            assert await spool.settle(lease, finished(0)) is Committed.FAILED
            with pytest.raises(SpoolTrouble):
                await spool.administer(Order.DELETE, Selection(everything=True))
            assert await spool.lease() == ()
            clock.now_seconds += 61
            broken.clear()
            assert set(await take(spool)) == {identity}

    run(go())


# Real disks, as far as a test can have them


@pytest.fixture(scope="session")
def faulty_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler is installed (package gcc)")
    library = tmp_path_factory.mktemp("disk") / "faulty_disk.so"
    source = Path(__file__).with_name("faulty_disk.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cc cannot make a library here (package libc6-dev): {done.stderr[:200]}")
    return library


@pytest.mark.parametrize(
    ("kind", "times", "error"),
    [("all", 1, errno.EIO), ("all", 1, errno.ENOSPC), ("all", 1000, errno.ENOSPC), ("fsync", 1000, errno.EIO)],
)
def test_a_disk_that_fails(faulty_disk: Path, tmp_path: Path, kind: str, times: int, error: int) -> None:
    """At every operation that there is, and also where the power fails afterwards; see `sweep`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.spool.sweep", str(tmp_path), kind, str(times), str(error)],
        cwd=ROOT, env={**os.environ, "LD_PRELOAD": str(faulty_disk)}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 10, "a database, a large file, and three groups of changes"


@pytest.mark.parametrize("lines", [1, 5, 14, 33])
def test_a_process_that_is_killed(tmp_path: Path, lines: int) -> None:
    folder = tmp_path / "spool"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.spool.traffic", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        facts = Facts()
        for _ in range(lines):
            facts.told.append(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        facts.told += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    assert facts.told[0].startswith("in ")
    facts.agree(folder)


def test_files_of_messages_that_were_never_accepted_are_swept(tmp_path: Path) -> None:
    async def go() -> None:
        async with SqliteSpool(tmp_path, HandClock()) as spool:
            kept = await put(spool, submission(), LARGE)
            orphan = spool.new_queue_id()
            (tmp_path / "content" / orphan).write_bytes(b"half")
            busy = Files(tmp_path / "content").create(spool.new_queue_id())
        async with SqliteSpool(tmp_path, HandClock(), sweeps=True):
            names = set(os.listdir(tmp_path / "content"))
            assert kept in names
            assert orphan not in names
            assert len(names) == 2, "what is being written is left alone"
        os.close(busy)

    run(go())
