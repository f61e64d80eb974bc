"""What is leased is leased by one, and nothing of it is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.spool.fillings import HandClock, put, run, submission, take

from mailrider.spool.files import SMALL_OCTETS
from mailrider.spool.leasing import FRESH_LIMIT
from mailrider.spool.sqlite import SqliteSpool
from mailrider.spool.texts import Texts


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


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


@pytest.mark.plain("a double takes the place of what a module calls")
def test_a_large_message_does_not_keep_small_ones_from_being_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    look_ahead = Texts.look_ahead

    def listen(texts: Texts, keys: Sequence[int], size_octets: int) -> None:
        asked.append((len(keys), size_octets))
        look_ahead(texts, keys, size_octets)

    monkeypatch.setattr(Texts, "look_ahead", listen)

    async def go() -> None:
        async with open_here(tmp_path) as spool:
            await put(spool, submission(), b"x" * (SMALL_OCTETS + 1))
            for _ in range(3):
                await put(spool, submission(), b"small\r\n")
            assert len(await take(spool)) == 4

    run(go())
    assert asked == [(3, 21)]
