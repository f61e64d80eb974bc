"""What the servers of a destination must prove, as one request meets them; and when TLS that failed may be done without.

A second try in clear is for level may only, and for mail that has waited for `minimal_backoff_time` before its turn came (or a
probe), so that new mail does not go out in clear because of one bad moment; and never where we would log in, since the
password should not be the price (postconf(5), `smtp_tls_security_level`).
"""

from __future__ import annotations

from mailrider.delivery.profile import Profile
from mailrider.delivery.required_tls import Strictness, note_level, object_to_level, says_no_tls_required
from mailrider.delivery.security import Security
from mailrider.delivery.tls_status import TlsStatus
from mailrider.delivery.trouble import Failure
from mailrider.events import Noted, Observer, Warned
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Record
from mailrider.route.nexthop import Destination
from mailrider.smtp.refusal import Scope
from mailrider.trust.decision import IN_CLEAR, NOT_OVER_UNIX
from mailrider.trust.policy import NoPolicy, Policy

SUBMISSIONS_PORT = 465
"""Where servers begin with TLS (RFC 8314 §3.3)."""


class Hops:
    """The hops of one request.

    `nexthop` is the element that is being worked on, as tables know it, `domain` the same without brackets and port;
    `strictness` is how strictly REQUIRETLS is taken there.  `status` hears what was chosen for a server.
    """

    __slots__ = (
        "_clear", "_exchanger", "_observer", "_profile", "_relaxed", "_request", "_security", "_status", "domain", "nexthop",
        "strictness",
    )  # fmt: skip

    def __init__(
        self,
        request: DeliveryRequest,
        profile: Profile,
        security: Security,
        observer: Observer,
        status: TlsStatus | None = None,
    ) -> None:
        self._request = request
        self._status = status
        self._profile = profile
        self._security = security
        self._observer = observer
        self._exchanger: Record | None = None
        self.domain = ""
        self._clear: set[tuple[str, int]] = set()  # servers that are tried in clear next time
        self._relaxed: bool | None = None  # the message says "TLS-Required: no"; None: nobody has looked
        self.nexthop = ""
        self.strictness = Strictness.DISABLE

    def turn_to(self, destination: Destination, exchanger: Record | None) -> None:
        """Another element of the next hop; `exchanger` is its best MX record."""
        self._exchanger = exchanger
        self.nexthop = destination.path or destination.text
        self.domain = destination.host or self._profile.own_name
        if self._request.envelope.requiretls:
            self.strictness = self._security.required.judge(self.domain)
        if destination.port == SUBMISSIONS_PORT and not self._security.wrapper and self._profile.settings.helpful_warnings:
            prefix = self._profile.transport.value
            self._observer(
                Noted(
                    f'SMTPS wrappermode (TCP port 465) requires setting "{prefix}_tls_wrappermode = yes",'
                    f' and "{prefix}_tls_security_level = encrypt" (or stronger)'
                )
            )

    @property
    def plain(self) -> Policy | None:
        """The one policy of a transport that never uses TLS, see `TrustEngine.plain`."""
        return self._security.trust.plain

    async def find_policy(self, server: Server) -> Policy | NoPolicy:
        """What a server must prove to us, clear text left out of account."""
        trust = self._security.trust
        if trust.plain is not None:
            return trust.plain
        if self._is_relaxed():
            policy = trust.relax(self.nexthop, self.domain, server, wrapper=self._security.wrapper)
        else:
            policy = await trust.decide(self.nexthop, self.domain, server, self._exchanger)
        if isinstance(policy, Policy) and policy.level is TlsLevel.MAY and server.family is Family.UNIX:
            self._observer(Warned("opportunistic TLS encryption is not appropriate for unix-domain destinations."))
            return NOT_OVER_UNIX
        return policy

    def _is_relaxed(self) -> bool:
        """The message would rather go in clear than not go (RFC 8689 §3), and no REQUIRETLS says otherwise."""
        if self._relaxed is None:
            heeds = self._security.required.heeds_header
            wishes = self._request.envelope.requiretls and self._security.required.members is not None
            self._relaxed = heeds and not wishes and says_no_tls_required(self._request.content)
        return self._relaxed

    async def choose_policy(self, server: Server) -> Policy | Failure | None:
        """The policy for a new connection, a reason why there will be none, or None for "pass this server over"."""
        endpoint = (server.address, server.port)
        policy = await self.find_policy(server)
        if self._status is not None:
            self._status.choose(policy, self.strictness, refused=False)
        if isinstance(policy, NoPolicy):
            where = f"{self.nexthop}/{server.host}" if server.family is not Family.UNIX else f"{server.host}/{server.address}"
            word = "error for" if server.family is Family.UNIX else "for"
            self._observer(Warned(f"TLS policy lookup {word} {where}: {policy.text}"))
            return Failure(Scope.SITE, policy.status, policy.text)
        if self._request.envelope.requiretls:
            complaint = object_to_level(self.strictness, policy.level, server.host)
            if complaint is not None:
                if self._status is not None:
                    self._status.choose(policy, self.strictness, refused=True)
                return Failure(Scope.MESSAGE, complaint.status, complaint.text)
            note = note_level(self.strictness, policy.level, server.host)
            if note:
                self._observer(Noted(note, self._request.queue_id))
        obstacle = self._security.find_obstacle(policy, server)
        if obstacle:
            self._observer(Warned(obstacle))
            return None
        if endpoint in self._clear:
            self._clear.discard(endpoint)
            return IN_CLEAR
        return policy

    def may_fall_back(self, policy: Policy, server: Server) -> bool:
        """Whether this mail may go to this server in clear if TLS fails."""
        request = self._request
        if policy.level is not TlsLevel.MAY or self.strictness >= Strictness.STARTTLS:
            return False
        waited_seconds = request.active_seconds - request.arrival_seconds
        if not request.probe and waited_seconds < self._profile.settings.minimal_backoff_time:
            return False
        login = self._profile.login
        return login is None or login.identity(request.envelope.sender, server.host, self.nexthop) is None

    def fall_back(self, server: Server) -> None:
        """TLS has failed: the next connection to this server is in clear."""
        self._clear.add((server.address, server.port))
