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
    from mailrider.tls.trace import Trace

CONTEXTS_LIMIT = 50
"""Contexts that are kept; one may hold all the authorities of a system, about 1 MB."""


class TlsEngine:
    """Makes channels.  Nothing is loaded before the first.

    `session_seconds` is how long a session may be resumed, 0 for never.  `obstacle` is why there can be no TLS at all, and
    `warn` hears of what is no obstacle.
    """

    __slots__ = ("_contexts", "_obstacle", "_sessions", "_warn")

    def __init__(
        self,
        session_seconds: float,
        now_seconds: Callable[[], float],
        obstacle: str = "",
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._obstacle = obstacle
        self._warn = warn
        self._contexts: dict[Hashable, Any] = {}
        self._sessions = SessionCache(session_seconds, now_seconds)

    def prepare(self, terms: TlsTerms) -> Any | Unavailable:
        """What `open` wants for these terms, or why there can be no TLS."""
        from mailrider.tls.context import Unavailable, make_context

        if self._obstacle:
            return Unavailable((self._obstacle, "disabling TLS support"))
        key = (terms.handshake, terms.authorities, terms.identity, terms.depth)
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= CONTEXTS_LIMIT:
                self._contexts.clear()
            context = self._contexts[key] = make_context(*key, self._warn)
        return context

    def open(
        self, context: Any, terms: TlsTerms, relay: str, session_key: Hashable, trace: Trace | None = None
    ) -> Channel | BrokenChannel:
        """A channel in what `prepare` gave, resuming the last session under this key and these terms.

        With a `trace` it is listened to, in a context of its own.
        """
        from mailrider.tls.channel import BrokenChannel, Channel
        from mailrider.tls.context import Unusable

        if isinstance(context, Unusable):
            return BrokenChannel(context.warning)
        if trace is not None:
            context = _make_traced(context, terms, trace)

        key = (session_key, terms)
        keep = partial(self._sessions.keep, key)
        return Channel(context, terms, relay, kept=self._sessions.find(key), keep=keep, trace=trace)

    def forget_session(self, terms: TlsTerms, session_key: Hashable) -> None:
        """A handshake has failed: what it would have resumed is not tried again."""
        self._sessions.forget((session_key, terms))


def _make_traced(context: Any, terms: TlsTerms, trace: Trace) -> Any:
    """A context like this one that `trace` hears of; this one, where the library does not tell or files have gone since."""
    from OpenSSL import SSL

    from mailrider.tls.context import make_context
    from mailrider.tls.trace import attach

    own = make_context(terms.handshake, terms.authorities, terms.identity, terms.depth, lambda _: None)
    if isinstance(own, SSL.Context) and attach(own, trace):
        return own
    trace.give_up()
    return context
