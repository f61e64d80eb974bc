"""Dead destinations are remembered for a time, and not without bound."""

from __future__ import annotations

import asyncio

import pytest

from mailrider.model.outcome import DestinationTrouble
from mailrider.queue import suspension
from mailrider.queue.suspension import Graves, Key
from virtual_time import VirtualClock, run

FIRST = DestinationTrouble("4.4.1", "connect to mx: refused")
SECOND = DestinationTrouble("4.4.2", "lost")


def name(number: int) -> Key:
    return "smtp", f"x{number}.test"


def test_the_first_failure_counts_until_its_time_is_over() -> None:
    async def main() -> None:
        graves = Graves(VirtualClock())
        graves.bury(name(1), FIRST, 10.0)
        await asyncio.sleep(6)
        graves.bury(name(1), SECOND, 10.0)
        grave = graves.find(name(1))
        assert grave is not None
        assert grave.trouble is FIRST
        await asyncio.sleep(4)
        assert graves.find(name(1)) is None
        assert not graves
        assert graves.find(name(2)) is None

    run(main())


def test_who_died_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(suspension, "GRAVES_LIMIT", 3)
        graves = Graves(VirtualClock())
        for number in range(5):
            graves.bury(name(number), FIRST, 10.0)
        assert list(graves) == [name(2), name(3), name(4)]
        graves.revive(name(3))
        graves.revive(name(0))
        assert list(graves) == [name(2), name(4)]

    run(main())
