"""The names of clients: what the name service says of an address, believed where the name leads back to it (smtpd(8)).

A client without such a name is `unknown`.  Answers are remembered for `KEPT_SECONDS`.  What can go wrong: a slow name service;
after `PATIENCE_SECONDS` the client is `unknown`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from mailrider.intake.terms import UNKNOWN

KEPT_SECONDS = 300.0
"""The system does not tell how long an answer is good for; names of hosts change seldom."""

KEPT_LIMIT = 1000
"""As many as there can be connections (`listener.CONNECTIONS_LIMIT`)."""

PATIENCE_SECONDS = 5.0
"""A client waits for its greeting; RFC 5321 §4.5.3.2.1 gives it five minutes, and people have less."""

THREADS = 4
"""Slow questions must not take the threads that write messages."""

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


class PeerNames:
    """Asks and remembers.  `asks` False: everybody is `unknown` (`smtpd_peername_lookup = no`)."""

    def __init__(self, *, asks: bool = True) -> None:
        self.asks = asks
        self._known: dict[str, tuple[float, str]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def recall(self, address: str) -> str | None:
        """The name that is known, or None where it has to be asked for."""
        if not self.asks:
            return UNKNOWN
        until, name = self._known.get(address, (0.0, ""))
        return name if until > time.monotonic() else None

    async def find(self, address: str) -> str:
        """Ask for the name."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "mailrider-names")
        question = asyncio.get_running_loop().run_in_executor(self._threads, find_name, address)
        try:
            name = await asyncio.wait_for(question, PATIENCE_SECONDS)
        except TimeoutError:
            name = UNKNOWN
        if len(self._known) >= KEPT_LIMIT:
            del self._known[next(iter(self._known))]
        self._known[address] = (time.monotonic() + KEPT_SECONDS, name)
        return name

    def close(self) -> None:
        """Ask no more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def find_name(address: str) -> str:
    """Blocks."""
    try:
        name, _ = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)
        if len(name) > 255 or _NAME.fullmatch(name) is None:
            return UNKNOWN
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return UNKNOWN
    wanted = ipaddress.ip_address(address)
    return name if any(ipaddress.ip_address(one) == wanted for one in found) else UNKNOWN
