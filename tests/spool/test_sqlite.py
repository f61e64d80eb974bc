"""What only the spool in SQLite promises: several processes, files, groups, what lies on the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, finished, only, put, run, submission, take, text_of

from mailrider.errors import ContentUnreadable, SpoolTrouble
from mailrider.spool import writer as writer_module
from mailrider.spool.files import SMALL_OCTETS, WRITE_OCTETS, Files
from mailrider.spool.leasing import FRESH_LIMIT
from mailrider.spool.opening import open_existing_spool, open_spool
from mailrider.spool.spool import ALL, Accepted, Committed, Order, Stir
from mailrider.spool.sqlite import SqliteSpool

LARGE = b"0123456789abcde\n" * (SMALL_OCTETS // 8)


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


# Several processes


def test_mail_that_another_process_brings_is_noticed(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as node, open_here(tmp_path, clock) as other:
            await node.lease()
            await node.wait(0.0)
            clock.now_seconds += 10
            await node.lease()
            waiting = asyncio.ensure_future(node.wait(30.0))
            await asyncio.sleep(0)
            identity = await put(other, submission(arrival_seconds=START_SECONDS - 100))
            clock.now_seconds += 10
            assert await waiting == Stir.MAIL
            assert set(await take(node)) == {identity}

    run(go())


def test_a_flush_by_another_process_is_noticed(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as node, open_here(tmp_path, clock) as other:
            identity = await put(node, submission())
            await node.defer((await take(node))[identity], [0], DEFERRED, START_SECONDS + 4000)
            assert await node.lease() == ()
            await node.wait(0.0)
            clock.now_seconds += 10
            assert await other.administer(Order.FLUSH, ALL) == 1
            assert Stir.FLUSH in await node.wait(30.0)
            clock.now_seconds += 10
            assert set(await take(node)) == {identity}

    run(go())


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


# Groups


def test_many_changes_share_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    carry_out = writer_module.carry_out
    gate = threading.Event()

    def count(connection: sqlite3.Connection, changes: object) -> object:
        gate.wait(10)
        sizes.append(len(changes))  # type: ignore[arg-type]
        return carry_out(connection, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(writer_module, "carry_out", count)

    async def go() -> None:
        async with open_here(tmp_path) as spool:
            given = [asyncio.ensure_future(spool.accept(submission(), b"\r\n")) for _ in range(100)]
            await asyncio.sleep(0)
            gate.set()
            assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*given))
            leases = await take(spool)
            done = [spool.settle(lease, finished(0)) for lease in leases.values()]
            assert set(await asyncio.gather(*done)) == {Committed.REMOVED}

    run(go())
    assert sum(sizes) == 200
    assert max(sizes) > 40
    assert len(sizes) <= 20


def test_what_is_in_line_is_finished_on_the_way_out(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            first = spool.settle(lease, finished(0))
            second = asyncio.ensure_future(spool.accept(submission(), b"\r\n"))
            await asyncio.sleep(0)
        assert await first is Committed.DONE
        assert isinstance(await second, Accepted)
        async with open_here(tmp_path) as spool:
            assert len(await spool.list()) == 2

    run(go())


def test_who_gives_up_waiting_leaves_no_trouble(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            giving = asyncio.ensure_future(spool.accept(submission(), b"\r\n"))
            await asyncio.sleep(0)
            giving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await giving
            assert await spool.administer(Order.HOLD, ALL) == 1, "it may be there: better twice than lost"

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


def test_opening_by_name(tmp_path: Path) -> None:
    async def go() -> None:
        with pytest.raises(SpoolTrouble, match="there is no queue"):
            open_existing_spool(str(tmp_path / "spool"))
        async with open_spool(str(tmp_path / "spool")) as spool:
            identity = await put(spool, submission())
        async with open_existing_spool(str(tmp_path / "spool")) as spool:
            assert [message.queue_id for message in await spool.list()] == [identity]

    run(go())


# The walk through the index


def test_more_fresh_mail_than_is_remembered(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            addresses = [f"b{number}@b.example" for number in range(FRESH_LIMIT // 2 + 1)]
            for _ in range(2):
                await put(spool, submission(*addresses))
            count = 0
            while leases := await spool.lease(500, 5000):
                count += sum(len(lease.message.recipients) for lease in leases)
            assert count == 2 * len(addresses)

    run(go())


def test_a_clock_that_goes_back(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as spool:
            clock.now_seconds += 1000
            first = await put(spool, submission())
            assert set(await take(spool)) == {first}
            clock.now_seconds -= 900
            second = await put(spool, submission())
            assert set(await take(spool)) == {second}

    run(go())


def test_a_lease_that_is_cancelled_gives_everything_back(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            identities = {await put(spool, submission()) for _ in range(250)}
            leasing = asyncio.ensure_future(spool.lease())
            await asyncio.sleep(0)
            leasing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leasing
            assert set(await take(spool)) == identities

    run(go())


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


def test_mail_before_and_behind_the_walk(tmp_path: Path) -> None:
    """Recipients come back at times before and after where the walk is."""

    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as spool:
            ids = [await put(spool, submission()) for _ in range(4)]
            leases = await take(spool)
            clock.now_seconds += 100
            await spool.defer(leases[ids[0]], [0], DEFERRED, START_SECONDS + 50)
            await spool.defer(leases[ids[1]], [0], DEFERRED, START_SECONDS + 150)
            assert set(await take(spool)) == {ids[0]}
            clock.now_seconds += 100
            await spool.defer(leases[ids[2]], [0], DEFERRED, START_SECONDS + 120)
            spool.release(leases[ids[3]])
            back = await take(spool)
            assert set(back) == {ids[1], ids[2], ids[3]}
            assert only(back[ids[1]]).attempts == 1

    run(go())
