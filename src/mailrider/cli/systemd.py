"""What systemd wants to know of a service: a datagram to the socket in `$NOTIFY_SOCKET` (sd_notify(3)), by hand."""

from __future__ import annotations

import os
import socket
import time


def notify_systemd(*assignments: str) -> bool:
    """Send `READY=1` and the like; False where nobody listens.  Never raises: nobody's mail depends on it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto("\n".join(assignments).encode(), address)
    except OSError:
        return False
    return True


def tell_reloading() -> bool:
    """`Type=notify-reload` wants the time with it."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return notify_systemd("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
