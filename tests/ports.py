"""Ports for servers that take a number and no socket."""

from __future__ import annotations

import random
import socket

PORTS = (20_000, 30_000)
"""Where a free one is looked for: below those that the system gives to outgoing connections."""


def free_ports(count: int) -> list[int]:
    """Different ones that nobody listens at, and that no outgoing connection is given."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.add(port)
    return list(found)


def free_port() -> int:
    """One of them."""
    (port,) = free_ports(1)
    return port
