"""The sink of those who have no smtp-sink, or want TLS or CHUNKING: `python -m benchmarks.sink PORT`, ended by a signal.

It tells what it counted when it gets SIGTERM: one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
from pathlib import Path

from benchmarks.clients.memory import allow_descriptors
from mailrider.testkit.sink import SINK_KEYWORDS, CountingSink


async def serve(port: int, host: str, keywords: tuple[str, ...], tls: ssl.SSLContext | None) -> None:
    """Take mail until somebody ends the process."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with CountingSink(host=host, port=port, keywords=keywords, tls=tls) as sink:
        await over.wait()
        counted = {name: getattr(sink, name) for name in ("connections", "messages", "handshakes", "resumed")}
    print(json.dumps(counted), flush=True)


def main() -> None:
    """Serve on the port that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--chunking", action="store_true", help="offer CHUNKING")
    parser.add_argument("--certificate", type=Path, help="a PEM file with key and certificates: offer STARTTLS")
    given = parser.parse_args()
    allow_descriptors()
    keywords = SINK_KEYWORDS + (("CHUNKING",) if given.chunking else ())
    tls = None
    if given.certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given.certificate)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(given.port, given.host, keywords, tls))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(given.port, given.host, keywords, tls))


if __name__ == "__main__":
    main()
