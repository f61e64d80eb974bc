"""The event loop of a process."""

from __future__ import annotations

import asyncio
import sys

import pytest

from mailrider.cli.event_loop import run_loop


@pytest.mark.parametrize("has_uvloop", [True, False])
def test_what_the_work_gives_comes_back(has_uvloop: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_uvloop:
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)

    async def work() -> tuple[int, str]:
        return 7, type(asyncio.get_running_loop()).__module__

    number, loop = run_loop(work())
    assert number == 7
    assert loop.startswith("uvloop" if has_uvloop else "asyncio")
