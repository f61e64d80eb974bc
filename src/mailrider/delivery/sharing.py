"""One request and the connections that processes share (`smtp_connection_cache_shared`).

What is found must be what this request would open: in clear text, without a login, under a policy that allows that.  What does
not fit is closed, since it has been taken out of the cache.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from mailrider.delivery.cache import ConnectionCache
from mailrider.delivery.hop import Hops
from mailrider.delivery.progress import Progress
from mailrider.delivery.session import Session
from mailrider.delivery.shared_cache import Found, Place, SharedCache, describe_session, restore_session
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.net.deadline import DeadlineWheel
from mailrider.trust.decision import IN_CLEAR
from mailrider.trust.policy import Policy


class Sharing:
    """Takes and gives for one request.  Sessions that it makes are the `own` cache's to look after."""

    __slots__ = ("_hops", "_own", "_progress", "_shared", "_wheel")

    def __init__(self, shared: SharedCache, own: ConnectionCache, progress: Progress, hops: Hops, wheel: DeadlineWheel) -> None:
        self._shared = shared
        self._own = own
        self._progress = progress
        self._hops = hops
        self._wheel = wheel

    async def find_destination(self, nexthop: str, candidates: Sequence[Server]) -> Session | None:
        """A connection that was kept for the next hop; `candidates` are its servers."""
        if self._hops.strictness or not await self._goes_in_clear(candidates[0]):
            return None
        found = await self._shared.find_destination(self._place(nexthop))
        if found is None:
            return None
        facts = found.facts
        server = next((one for one in candidates if one.address == facts.address), None)
        if server is None:
            # The names have changed since.  Until 3.8 Postfix does not keep the port: it is that of the next hop.
            family = _family_of(facts.address)
            server = Server(facts.host, facts.address, facts.port or candidates[0].port, family)
        elif facts.host:
            server = server._replace(host=facts.host, port=facts.port or server.port)
        return await self._restore(found, server)

    async def find_endpoint(self, server: Server, policy: Policy) -> Session | None:
        """A connection to this server."""
        if self._hops.strictness or policy.level > TlsLevel.MAY or self._logs_in_at(server):
            return None
        found = await self._shared.find_endpoint(self._place("", server, policy.level))
        return await self._restore(found, server) if found is not None else None

    async def save(self, session: Session, nexthop: str) -> bool:
        """Give a connection at rest to all; `nexthop`: under which destination, if any.  False if it is none for all."""
        policy = session.policy
        if not self._shared.is_available or session.connection.is_leaving:
            return False
        if session.tls is not None or session.login is not None or policy is IN_CLEAR or policy.level > TlsLevel.MAY:
            return False
        if self._hops.strictness or session.strictness or self._logs_in_at(session.server):
            return False
        facts = describe_session(session, self._progress.clock.wall_seconds())
        descriptor = session.connection.give_away()
        if descriptor < 0:
            return False
        place = self._place(nexthop, session.server, policy.level)
        try:
            await self._shared.save(descriptor, place, facts, self._progress.profile.cache.idle_seconds)
        finally:
            os.close(descriptor)
        return True

    async def _goes_in_clear(self, server: Server) -> bool:
        policy = await self._hops.find_policy(server)
        return isinstance(policy, Policy) and policy.level <= TlsLevel.MAY

    def _logs_in_at(self, server: Server) -> bool:
        login = self._progress.profile.login
        if login is None:
            return False
        return login.identity(self._progress.request.envelope.sender, server.host, self._hops.nexthop) is not None

    def _place(self, nexthop: str, server: Server | None = None, level: TlsLevel = TlsLevel.NONE) -> Place:
        request, profile = self._progress.request, self._progress.profile
        by_sender = profile.login is not None and profile.settings.smtp_sender_dependent_authentication
        return Place(
            service=request.service,
            nexthop=nexthop.removeprefix("unix:").removeprefix("inet:"),
            element=self._hops.nexthop.removeprefix("unix:").removeprefix("inet:"),
            host=server.host if server is not None else "",
            address=server.address if server is not None else "",
            port=server.port if server is not None else 0,
            level=level,
            sender=request.envelope.sender if by_sender else None,
            logs_in=profile.login is not None,
            smtputf8=request.envelope.smtputf8,
        )

    async def _restore(self, found: Found, server: Server) -> Session | None:
        progress, facts = self._progress, found.facts
        policy = await self._hops.find_policy(server)
        fits = isinstance(policy, Policy) and policy.level is facts.level and policy.level <= TlsLevel.MAY
        if not fits or self._logs_in_at(server) or (progress.request.envelope.smtputf8 and not facts.offered.smtputf8):
            os.close(found.descriptor)
            return None
        session = restore_session(
            found, server, progress.profile, progress.request, self._wheel, progress.observer, progress.clock.wall_seconds()
        )
        if session is None:
            return None
        assert isinstance(policy, Policy)
        session.policy = policy
        self._own.adopt(session)
        if session.is_expired(session.connection.now_seconds):
            session.connection.close()
            return None
        return session


def _family_of(address: str) -> Family:
    if "/" in address:
        return Family.UNIX
    return Family.IPV6 if ":" in address else Family.IPV4
