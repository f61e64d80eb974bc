"""TLS sessions that may be resumed, in the memory of this process.

A session is kept with what its peer had proved, because a resumed handshake shows no certificates; so it may only be found
under the very terms under which that was judged.  The newest session of a key takes the place of older ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from mailrider.model.tls import PeerFacts

SESSIONS_LIMIT = 2000
"""Sessions that are kept, about 10 kB each; the one that was kept first goes first."""


class KeptSession(NamedTuple):
    """A session of OpenSSL, and what the peer of its first handshake was worth."""

    session: Any
    peer: PeerFacts


class SessionCache:
    """Sessions by key, for `lifetime_seconds` each; 0 keeps none."""

    __slots__ = ("_lifetime_seconds", "_now", "_sessions")

    def __init__(self, lifetime_seconds: float, now_seconds: Callable[[], float]) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._now = now_seconds
        self._sessions: OrderedDict[Hashable, tuple[float, KeptSession]] = OrderedDict()

    def find(self, key: Hashable) -> KeptSession | None:
        """A session that is not too old."""
        found = self._sessions.get(key)
        if found is None:
            return None
        if found[0] <= self._now():
            del self._sessions[key]
            return None
        return found[1]

    def keep(self, key: Hashable, session: KeptSession) -> None:
        """Keep a session in the place of what was there."""
        if self._lifetime_seconds <= 0:
            return
        self._sessions.pop(key, None)
        self._sessions[key] = (self._now() + self._lifetime_seconds, session)
        if len(self._sessions) > SESSIONS_LIMIT:
            self._sessions.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """The session of this key is no good."""
        self._sessions.pop(key, None)

    def __len__(self) -> int:
        return len(self._sessions)
