"""The name server of a benchmark: `python -m benchmarks.names PORT ZONE_FILE`, ended by SIGTERM; it tells what it was asked."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from mailrider.testkit.zone import ZoneServer


async def serve(port: int, records: list[str]) -> None:
    """Answer until somebody ends the process."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with ZoneServer(records, port=port) as server:
        await over.wait()
    print(json.dumps({"asked": len(server.zone.asked)}), flush=True)


def main() -> None:
    """Serve on the port that the command line names."""
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines()))


if __name__ == "__main__":
    main()
