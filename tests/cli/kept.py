"""What a command has put into a queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailrider.spool.opening import open_spool
from mailrider.spool.spool import StoredMessage


def list_kept(queue: str | Path) -> list[tuple[StoredMessage, bytes]]:
    """Each message and its content."""

    async def go() -> list[tuple[StoredMessage, bytes]]:
        found = []
        async with open_spool(str(queue)) as spool:
            for message in await spool.list():
                content = await spool.content(message.queue_id)
                assert content is not None
                found.append((message, b"".join(content.chunks())))
        return found

    return asyncio.run(go())
