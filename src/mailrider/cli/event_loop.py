"""How a process that delivers runs its event loop, and how seldom it looks for garbage meanwhile."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

GARBAGE_THRESHOLD = 400_000
"""Objects between two looks for cyclic garbage: more than a memory full of mail has (20,000 messages of 18 objects each).

A delivery makes none, whether it ends well or badly, and Python's 700 would have it look all the time; with 100,000 a node that
reads its queue and opens a thousand connections stands still for a tenth of a second, twice."""


def look_seldom_for_garbage() -> None:
    """What has been loaded stays, so it is not looked through again; the rest is looked through seldom."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on uvloop where the platform has it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
