"""The sink of those who have no smtp-sink: `python -m benchmarks.sink PORT`, ended by a signal."""

from __future__ import annotations

import asyncio
import sys

from mailrider.testkit.sink import CountingSink


async def serve(port: int) -> None:
    """Take mail until somebody ends the process."""
    async with CountingSink(port=port):
        print("ready", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve on the port that the command line names."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(int(sys.argv[1])))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
