"""One thread writes, and takes together what waits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from tests.spool.fillings import HandClock, finished, run, submission, take

from mailrider.spool import writer as writer_module
from mailrider.spool.spool import Accepted, Committed
from mailrider.spool.sqlite import SqliteSpool


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


@pytest.mark.plain("a double takes the place of what a module calls")
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
