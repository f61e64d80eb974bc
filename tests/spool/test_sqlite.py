"""What only the spool in SQLite promises: what lies on the disk, and what is said of it."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.spool.fillings import HandClock, finished, put, run, submission, take, text_of

from mailrider.errors import ContentUnreadable, SpoolTrouble
from mailrider.spool.files import SMALL_OCTETS, WRITE_OCTETS, Files
from mailrider.spool.opening import open_existing_spool, open_spool
from mailrider.spool.spool import ALL, Committed, Order
from mailrider.spool.sqlite import SqliteSpool

LARGE = b"0123456789abcde\n" * (SMALL_OCTETS // 8)


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


def test_what_another_process_deletes_ends_quietly(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as node, open_here(tmp_path) as other:
            identity = await put(node, submission(), LARGE)
            lease = (await take(node))[identity]
            await other.administer(Order.DELETE, ALL)
            with pytest.raises(ContentUnreadable, match="deleted"):
                text_of(lease)
            assert await node.settle(lease, finished(0)) is Committed.DONE
            assert await node.show(identity) is None

    run(go())


# Files


def test_a_door_that_is_cancelled_while_a_thread_writes(tmp_path: Path) -> None:
    entered, gate = threading.Event(), threading.Event()

    class SlowFiles(Files):
        def write(self, descriptor: int, octets: bytes) -> None:
            entered.set()
            gate.wait(10)
            super().write(descriptor, octets)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * WRITE_OCTETS

    async def go() -> None:
        async with SqliteSpool(tmp_path, HandClock(), files=SlowFiles(tmp_path / "content")) as spool:
            giving = asyncio.ensure_future(spool.accept(submission(), stream()))
            await asyncio.to_thread(entered.wait, 10)
            giving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await giving
            assert os.listdir(tmp_path / "content") == []
            gate.set()
            assert await put(spool, submission(), b"\r\n")

    run(go())


def test_a_file_that_has_lost_a_part_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            identity = await put(spool, submission(), LARGE)
            path = tmp_path / "content" / identity
            os.truncate(path, 1000)
            lease = (await take(spool))[identity]
            with pytest.raises(ContentUnreadable, match="damaged"):
                text_of(lease)
            path.unlink()
            with pytest.raises(ContentUnreadable, match="deleted"):
                text_of(lease)

    run(go())


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "spool"

    async def go() -> None:
        async with open_here(folder) as spool:
            identity = await put(spool, submission(), LARGE)
            for name in ("", "queue.db", "queue.db-wal", "content", f"content/{identity}"):
                path = folder / name
                assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path

    run(go())


# Opening


def test_a_file_of_another_program(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as connection:
        connection.execute("CREATE TABLE message (x)")
    connection.close()

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match="another program"):
            async with open_here(tmp_path):
                pass

    run(go())


@pytest.mark.parametrize("content", [b"no database at all" * 100])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "queue.db").write_bytes(content)

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match="cannot open the queue"):
            async with open_here(tmp_path):
                pass

    run(go())


def test_a_queue_of_a_later_release(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path):
            pass
        connection = sqlite3.connect(tmp_path / "queue.db")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(SpoolTrouble, match="another release"):
            async with open_here(tmp_path):
                pass

    run(go())


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match="cannot open the queue"):
            async with open_here(tmp_path / "file" / "spool"):
                pass

    run(go())


class Watched(sqlite3.Connection):
    is_closed = False

    def close(self) -> None:
        self.is_closed = True
        super().close()


@pytest.mark.parametrize("which", [1, 2, 3, 4])
def test_who_cannot_open_it_leaves_nothing_open(tmp_path: Path, which: int) -> None:
    made: list[Watched] = []

    def connect(path: Path) -> sqlite3.Connection:
        if len(made) == which - 1:
            raise sqlite3.OperationalError("too many open files")
        made.append(sqlite3.connect(path, check_same_thread=False, factory=Watched))
        return made[-1]

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match=r"cannot open the queue.*: too many open files"):
            async with SqliteSpool(tmp_path, HandClock(), connect=connect):
                pass
        assert [connection.is_closed for connection in made] == [True] * (which - 1)

    run(go())


def test_a_folder_that_cannot_be_swept(tmp_path: Path) -> None:
    class Unreadable(Files):
        def sweep(self, is_known: Callable[[str], bool]) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match=r"cannot open the queue.*Permission denied"):
            async with SqliteSpool(tmp_path, HandClock(), sweeps=True, files=Unreadable(tmp_path / "content")):
                pass

    run(go())


def test_a_folder_that_cannot_be_flushed(tmp_path: Path) -> None:
    """SQLite would not mind, and all that is accepted would go with the name of its log when the power fails."""

    class Failing(Files):
        def flush(self, descriptor: int) -> None:
            assert os.path.samestat(os.fstat(descriptor), tmp_path.stat())
            assert (tmp_path / "queue.db-wal").exists()
            raise OSError(errno.EIO, "Input/output error")

    async def go() -> None:
        with pytest.raises(SpoolTrouble, match=r"cannot open the queue.*Input/output error"):
            async with SqliteSpool(tmp_path, HandClock(), files=Failing(tmp_path / "content")):
                pass

    run(go())


def test_opening_by_name(tmp_path: Path) -> None:
    async def go() -> None:
        with pytest.raises(SpoolTrouble, match="there is no queue"):
            open_existing_spool(str(tmp_path / "spool"))
        async with open_spool(str(tmp_path / "spool")) as spool:
            identity = await put(spool, submission())
        async with open_existing_spool(str(tmp_path / "spool")) as spool:
            assert [message.queue_id for message in await spool.list()] == [identity]

    run(go())


# Reading


def test_a_reader_that_fails_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            identity = await put(spool, submission())
            lease = (await take(spool))[identity]
            spool.release(lease)
            spool._reader.close()
            spool._texts.close()
            with pytest.raises(SpoolTrouble, match="cannot be read"):
                await spool.lease()
            assert text_of(lease), "it had been read already"
            with pytest.raises(ContentUnreadable):
                text_of(lease)
            spool._questions.close()
            with pytest.raises(SpoolTrouble, match="cannot be read"):
                await spool.show(identity)

    run(go())


