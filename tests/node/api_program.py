"""A program with a node of its own: `python -m tests.node.api_program FOLDER DOMAINS LIFE PAUSE`.

Hands in mail until its standard input ends; then works until its queue is empty.  The recipients of each message that was
taken are a line on standard output.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from tests.node.far_side import SENDER

import mailrider

TOGETHER = 5
"""Callers at once."""

DRAIN_SECONDS = 120.0
"""How long what is left may take at the end."""


async def call(node: mailrider.Node, addresses: list[str]) -> None:
    await node.enqueue(b"Subject: api\r\n\r\nhello\r\n", sender=SENDER, recipients=addresses)
    sys.stdout.write(" ".join(addresses) + "\n")
    sys.stdout.flush()


async def main(folder: str, domains: int, life: int, pause_seconds: float) -> None:
    ending = threading.Event()

    def read() -> None:
        sys.stdin.read()
        ending.set()

    threading.Thread(target=read, daemon=True).start()
    number = 0
    async with mailrider.Node(folder) as node:
        while not ending.is_set():
            batch = []
            for _ in range(TOGETHER):
                number += 1
                user = "bad" if number % 10 == 0 else "good"
                batch.append(call(node, [f"{user}-api{life}.{number}@d{number % domains}.example"]))
            await asyncio.gather(*batch)
            await asyncio.sleep(pause_seconds * TOGETHER)
        end = time.monotonic() + DRAIN_SECONDS
        while (await node.spool.stats()).messages and time.monotonic() < end:
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
