"""What every client gets: the same messages, in memory, and how many of them each connection is to send."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.messages import recipient_address, sender_address


class Workload:
    """`messages` messages over `connections` connections to `host`:`port`.

    The message texts are read before anything is sent and stay in memory (Mailrider reads a file for each message, so the
    favour is the others').
    """

    def __init__(self, port: int, messages: int, connections: int, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.messages = messages
        self.connections = min(connections, messages)
        self._texts = [path.read_bytes().replace(b"\n", b"\r\n") for path in sorted(folder.glob("*.eml"))]

    def share(self, connection: int) -> Iterator[tuple[str, str, bytes]]:
        """(sender, recipient, text) of each message that this connection sends."""
        for number in range(connection, self.messages, self.connections):
            yield sender_address(number), recipient_address(number), self._texts[number % len(self._texts)]


def parse_workload(parser: argparse.ArgumentParser) -> tuple[Workload, argparse.Namespace]:
    """The workload that the command line asks for."""
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    return Workload(given.port, given.messages, given.connections, given.folder), given
