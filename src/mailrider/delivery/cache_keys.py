"""The keys under which a request looks for kept connections and leaves its own: of the destination, and of an endpoint.

A key tells all that two requests must have in common to use one connection: the service, SMTPUTF8, how strictly REQUIRETLS is
taken, who we are to the server, and for an endpoint the terms of TLS.
"""

from __future__ import annotations

from collections.abc import Hashable

from mailrider.delivery.hop import Hops
from mailrider.delivery.profile import Profile
from mailrider.delivery.session import Session
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.route.nexthop import Destination
from mailrider.trust.policy import Policy


class CacheKeys:
    """The keys of one request.

    `destination` is that of its first destination; None before it is known, and when it has been given up: only the first
    connection that is fit to be kept lies under it.
    """

    __slots__ = ("_hops", "_profile", "_request", "destination")

    def __init__(self, request: DeliveryRequest, profile: Profile, hops: Hops) -> None:
        self._request = request
        self._profile = profile
        self._hops = hops
        self.destination: tuple[Hashable, ...] | None = None

    def open_destination(self, destination: Destination) -> None:
        """Connections may be kept for this one."""
        request, policy = self._request, self._profile.login
        login = policy.sender_identity(request.envelope.sender) if policy is not None else None  # it may be up to the server
        self.destination = (
            "destination", request.service, request.envelope.smtputf8, self._hops.strictness, login, destination.text,
        )  # fmt: skip

    def nexthop(self) -> str:
        """The destination as it was written; empty where it has been given up."""
        return str(self.destination[-1]) if self.destination is not None else ""

    def of_endpoint(self, server: Server, policy: Policy, login: Hashable | None = None) -> Hashable:
        """The key of a server under a policy; `login` is who we are to it, where that is known."""
        request = self._request
        if login is None and self._profile.login is not None:
            login = self._login_at(server)
        return (
            "endpoint", request.service, request.envelope.smtputf8, self._hops.strictness, login, policy.identity,
            server.address, server.port,
        )  # fmt: skip

    def take(self, session: Session) -> tuple[Hashable, ...]:
        """The keys of a good session; only the first one lies under the destination."""
        destination, self.destination = self.destination, None
        endpoint = self.of_endpoint(session.server, session.policy, session.login)
        return (endpoint,) if destination is None else (destination, endpoint)

    async def still_fits(self, session: Session) -> bool:
        """Whether a connection that was kept for the destination would be opened in the same way today."""
        if session.login is not None and session.login != self._login_at(session.server):
            return False  # the password has changed since
        policy = await self._hops.find_policy(session.server)
        return isinstance(policy, Policy) and policy.identity == session.policy.identity

    def _login_at(self, server: Server) -> Hashable | None:
        """Who we would be to a server: a connection serves only those who would log in with the same credential."""
        policy = self._profile.login
        if policy is None:
            return None
        return policy.identity(self._request.envelope.sender, server.host, self._hops.nexthop)
