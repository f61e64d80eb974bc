"""aiosmtplib: 20 connections in one process, each reused for all its messages."""

from __future__ import annotations

import argparse
import asyncio
import sys

import aiosmtplib

from benchmarks.clients.workload import Workload, parse_workload


async def send_share(workload: Workload, connection: int) -> None:
    """All messages of one connection."""
    client = aiosmtplib.SMTP(
        hostname=workload.host, port=workload.port, local_hostname="client.example.test", start_tls=False
    )
    async with client:
        for sender, recipient, text in workload.share(connection):
            refused, _ = await client.sendmail(sender, [recipient], text)
            assert not refused


async def send(workload: Workload) -> None:
    """All messages."""
    async with asyncio.TaskGroup() as group:
        for connection in range(workload.connections):
            group.create_task(send_share(workload, connection))


def main() -> int:
    """Exit status 0 when all mail was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uvloop", action="store_true")
    workload, given = parse_workload(parser)
    if given.uvloop:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(send(workload))
    else:
        asyncio.run(send(workload))
    return 0


if __name__ == "__main__":
    sys.exit(main())
