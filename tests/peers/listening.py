"""Waiting for a server that was started."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

START_SECONDS = 90.0
"""More than any of them takes on a busy machine."""

PAUSE_SECONDS = 0.05


async def wait_until_it_listens(process: subprocess.Popen[Any], port: int) -> bool:
    """Whether it takes connections at its port, before it has ended and in good time."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.poll() is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    writer.close()
                    return True
    except TimeoutError:
        pass
    return False
