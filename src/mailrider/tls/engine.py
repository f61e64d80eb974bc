"""The TLS engine of a process: contexts and sessions by the terms under which they may be used."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

from mailrider.tls.sessions import SessionCache
from mailrider.tls.terms import TlsTerms

if TYPE_CHECKING:
    from mailrider.tls.channel import BrokenChannel, Channel
    from mailrider.tls.context import Unavailable

CONTEXTS_LIMIT = 50
"""Contexts that are kept; one may hold all the authorities of a system, about 1 MB."""


class TlsEngine:
    """Makes channels.  Nothing is loaded before the first.

    `session_seconds` is how long a session may be resumed, 0 for never.
    """

    __slots__ = ("_contexts", "_sessions")

    def __init__(self, session_seconds: float, now_seconds: Callable[[], float]) -> None:
        self._contexts: dict[Hashable, Any] = {}
        self._sessions = SessionCache(session_seconds, now_seconds)

    def prepare(self, terms: TlsTerms) -> Any | Unavailable:
        """What `open` wants for these terms, or why there can be no TLS."""
        from mailrider.tls.context import make_context

        key = (terms.handshake, terms.authorities, terms.identity, terms.depth)
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= CONTEXTS_LIMIT:
                self._contexts.clear()
            context = self._contexts[key] = make_context(*key)
        return context

    def open(self, context: Any, terms: TlsTerms, relay: str, session_key: Hashable) -> Channel | BrokenChannel:
        """A channel in what `prepare` gave, resuming the last session under this key and these terms."""
        from mailrider.tls.channel import BrokenChannel, Channel
        from mailrider.tls.context import Unusable

        if isinstance(context, Unusable):
            return BrokenChannel(context.warning)

        key = (session_key, terms)
        return Channel(context, terms, relay, kept=self._sessions.find(key), keep=partial(self._sessions.keep, key))

    def forget_session(self, terms: TlsTerms, session_key: Hashable) -> None:
        """A handshake has failed: what it would have resumed is not tried again."""
        self._sessions.forget((session_key, terms))
