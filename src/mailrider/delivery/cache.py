"""Open connections that wait for another message.

A session lies under the keys it was kept for: the destination (so that dead servers in front of it are skipped) and the
endpoint.  It is taken out whole by whoever finds it first.  An idle session closes when its time is up, when its server
hangs up, or when the server says something unasked.
"""

from __future__ import annotations

from collections.abc import Hashable

from mailrider.delivery.session import Session
from mailrider.events import ConnectionClosed
from mailrider.net.connection import Connection

KEPT_LIMIT = 5000
"""Idle sessions in one process; each costs a file descriptor and about 10 kB."""


class ConnectionCache:
    """Idle sessions by key, and `open`: all sessions of an agent that are not closed yet."""

    __slots__ = ("_count", "_sessions", "open")

    def __init__(self) -> None:
        self._sessions: dict[Hashable, list[Session]] = {}
        self._count = 0
        self.open: set[Session] = set()

    def adopt(self, session: Session) -> None:
        """A session has been opened: know when it closes."""
        self.open.add(session)

        def forget(_: Connection) -> None:
            self.open.discard(session)
            if session.kept_for:
                self._remove(session)
            session.observer(ConnectionClosed(session.server, session.uses))

        session.connection.when_gone = forget

    def keep(self, session: Session, keys: tuple[Hashable, ...]) -> None:
        """Let a session wait under these keys."""
        if self.lend(session, keys):
            session.connection.rest(session.profile.cache.idle_seconds)
        else:
            session.connection.close()

    def lend(self, session: Session, keys: tuple[Hashable, ...]) -> bool:
        """Let another delivery take a session whose last message has been sent and not been answered yet.

        False if that cannot be.  Whoever lends a session calls `settle` when the answer is there.
        """
        if self._count >= KEPT_LIMIT or not keys:
            return False
        self._count += 1
        session.kept_for = keys
        for key in keys:
            self._sessions.setdefault(key, []).append(session)
        return True

    def settle(self, session: Session) -> None:
        """The answer is there.  If nobody has taken the session meanwhile it begins to rest."""
        connection = session.connection
        if session.kept_for and connection.is_idle:
            if connection.reusable:
                connection.rest(session.profile.cache.idle_seconds)
            elif not connection.is_leaving:
                connection.close()

    def take(self, key: Hashable) -> Session | None:
        """The session that was kept last under this key and is still good.

        One that is no good is closed, unless it is lent: then its lender still waits for an answer on it.
        """
        for session in reversed(self._sessions.get(key, ())):
            if session.connection.reusable:
                self._remove(session)
                session.connection.wake()
                return session
            if session.connection.is_idle:
                session.connection.close()
        return None

    def _remove(self, session: Session) -> None:
        self._count -= 1
        for key in session.kept_for:
            sessions = self._sessions[key]
            sessions.remove(session)
            if not sessions:
                del self._sessions[key]
        session.kept_for = ()

    def close(self) -> None:
        """Close all that wait."""
        for sessions in list(self._sessions.values()):
            for session in list(sessions):
                session.connection.close()

    def __len__(self) -> int:
        return self._count
