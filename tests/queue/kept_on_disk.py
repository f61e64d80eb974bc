"""A spool in SQLite for tests in virtual time: the clock stands still while its thread writes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailrider.spool import sqlite_schema
from mailrider.spool.sqlite import SqliteSpool
from mailrider.spool.writer import Job
from virtual_time import VirtualClock, VirtualTimeLoop


def _connect(path: Path) -> sqlite3.Connection:
    """Without flushes: nobody fails here."""
    connection = sqlite_schema.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def sqlite_spool(folder: Path) -> Callable[[VirtualClock], SqliteSpool]:
    """For a `Yard`."""

    def make(clock: VirtualClock) -> SqliteSpool:
        spool = SqliteSpool(folder, clock, sweeps=True, connect=_connect)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        submit = spool._desk.submit

        def submit_and_stop_the_clock(job: Job) -> None:
            def tell(done: Any) -> None:
                loop.threads_at_work -= 1
                job.tell(done)

            loop.threads_at_work += 1
            submit(job._replace(tell=tell))

        spool._desk.submit = spool._desk.leave = submit_and_stop_the_clock
        return spool

    return make
