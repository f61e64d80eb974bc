"""TLS in the life of one session: what the policy says becomes a turn of the opening script, and what came of it is told.

`Security` is what a transport has for all its sessions: the engine that decides, the engine that encrypts, and how much is
logged.  `SecureTurn` is one session's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailrider.clock import Clock
from mailrider.delivery.loglevel import TlsLog, TlsLogLevels, open_loglevels
from mailrider.delivery.required_tls import RequiredTls, Strictness, open_required_tls
from mailrider.delivery.tls_tables import open_tls_tables
from mailrider.delivery.tls_trace import Traces, open_traces
from mailrider.errors import WireTrouble
from mailrider.events import Noted, Observer, TlsEstablished, TlsFailed, Warned
from mailrider.model import status as status_code
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsFacts, TlsLevel
from mailrider.resolver.answer import Resolver
from mailrider.route.policy import DnsSupport
from mailrider.settings import Settings
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.starttls import TlsTurn, TlsWish
from mailrider.tls.engine import TlsEngine
from mailrider.tls.openssl_settings import load_openssl
from mailrider.trust.dane import Dane, DaneTerms
from mailrider.trust.decision import TrustEngine
from mailrider.trust.demands import Demands, find_doubts, find_obstacle, read_demands
from mailrider.trust.mta_sts_fetch import FetchTerms
from mailrider.trust.mta_sts_finder import StsPolicies
from mailrider.trust.mta_sts_store import PolicyStore
from mailrider.trust.policy import Policy

if TYPE_CHECKING:
    from mailrider.tls.channel import BrokenChannel, Channel


@dataclass(frozen=True, slots=True)
class Security:
    """TLS for all sessions of a transport.

    `wrapper` is `smtp_tls_wrappermode`, `notes_offer` `smtp_tls_note_starttls_offer`.  `linger_seconds` is how long a server's
    end of TLS is waited for (`tls_fast_shutdown_enable`).
    """

    trust: TrustEngine
    engine: TlsEngine
    levels: TlsLogLevels
    required: RequiredTls
    wrapper: bool = False
    notes_offer: bool = False
    traces: Traces | None = None
    linger_seconds: float = 0.0

    def find_obstacle(self, policy: Policy, server: Server) -> str:
        """Why a server is passed over in spite of its policy: a warning, or empty."""
        if self.wrapper and policy.level < TlsLevel.ENCRYPT and server.family is not Family.UNIX:
            return 'smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)'
        if not policy.admits(server.host):
            domain = policy.external.domain if policy.external is not None else ""
            return f"MX name '{server.host}' does not match STS MX pattern for '{domain}'"
        return ""


def make_security(settings: Settings, resolver: Resolver, clock: Clock, warn: Callable[[str], None]) -> Security:
    """Read the settings and open the tables.  Raises `WrongConfiguration`."""
    demands = read_demands(settings)
    for warning in find_doubts(demands):
        warn(warning)
    loaded = load_openssl(settings.tls_config_file, settings.tls_config_name)
    if loaded.problem:
        warn(loaded.problem)
    obstacle = find_obstacle(demands) if loaded.usable else loaded.problem
    session_seconds = settings.smtp_tls_session_cache_timeout if settings.smtp_tls_session_cache_database else 0.0
    dane = Dane(resolver, _read_dane_terms(settings, demands), warn)
    return Security(
        trust=TrustEngine(demands, open_tls_tables(settings, warn), dane, warn, _make_sts(settings, resolver, clock, warn)),
        engine=TlsEngine(session_seconds, clock.monotonic_seconds, obstacle, warn),
        levels=open_loglevels(settings, warn),
        required=open_required_tls(settings, warn),
        wrapper=settings.smtp_tls_wrappermode,
        notes_offer=settings.smtp_tls_note_starttls_offer,
        traces=open_traces(settings, clock.wall_seconds),
        linger_seconds=0.0 if settings.tls_fast_shutdown_enable else settings.smtp_starttls_timeout,
    )


def _make_sts(
    settings: Settings, resolver: Resolver, clock: Clock, warn: Callable[[str], None]
) -> StsPolicies | None:
    if not settings.smtp_tls_mta_sts or settings.disable_dns_lookups:
        return None
    store = PolicyStore(settings.tls_mta_sts_cache_directory, settings.tls_mta_sts_cache_limit, warn)
    terms = FetchTerms(settings.tls_mta_sts_CAfile, settings.tls_mta_sts_timeout, settings.tls_mta_sts_port)
    return StsPolicies(resolver, store, terms, clock, warn)


def _read_dane_terms(settings: Settings, demands: Demands) -> DaneTerms:
    support = settings.smtp_dns_support_level or ("disabled" if settings.disable_dns_lookups else "enabled")
    obstacle = ""
    if "dns" not in settings.smtp_host_lookup or DnsSupport(support) is not DnsSupport.DNSSEC:
        obstacle = "{} configured with dnssec lookups disabled"
    elif demands.prefix == "smtp" and settings.ignore_mx_lookup_error:
        obstacle = "{} configured with MX lookup errors ignored"
    elif settings.smtp_dns_resolver_options:
        obstacle = "dns resolver options incompatible with {} TLS"
    return DaneTerms(
        obstacle=obstacle,
        insecure_mx_level=demands.insecure_mx_level,
        force=settings.smtp_tls_force_insecure_host_tlsa_lookup,
        digests=demands.digests,
        probe=settings.dnssec_probe,
    )


class SecureTurn:
    """TLS of one session.  `channel` is there as soon as the handshake has begun, `facts` when it has ended well.

    `strictness` is how strictly the sender's REQUIRETLS is taken.
    """

    __slots__ = (
        "_context", "_log", "_observer", "_queue_id", "_security", "_server", "_session_key", "channel", "facts", "policy",
        "strictness",
    )  # fmt: skip

    def __init__(
        self, security: Security, policy: Policy, server: Server, session_key: Hashable, queue_id: str, observer: Observer
    ) -> None:
        self._security = security
        self._server = server
        self._session_key = session_key
        self._queue_id = queue_id
        self._observer = observer
        self._context: Any = None
        self._log = TlsLog()
        self.policy = policy
        self.strictness = Strictness.DISABLE
        self.channel: Channel | BrokenChannel | None = None
        self.facts: TlsFacts | None = None

    def terms(self) -> TlsTurn:
        """What the opening script has to know.  Files are read here, if that has not been done before."""
        level, security = self.policy.level, self._security
        if level is TlsLevel.NONE:
            return TlsTurn(notes_offer=security.notes_offer)
        required = level.required or self.strictness >= Strictness.STARTTLS
        return TlsTurn(
            wish=TlsWish.REQUIRED if required else TlsWish.IF_OFFERED,
            wrapper=security.wrapper,
            prepare=self._prepare,
            check_peer=self._check_peer,
            failed=self._fail,
        )

    def _prepare(self) -> bool:
        """Load the library and the files; False where that cannot be done."""
        from mailrider.tls.context import Unavailable

        assert self.policy.terms is not None
        self._context = self._security.engine.prepare(self.policy.terms)
        if isinstance(self._context, Unavailable):
            for warning in self._context.warnings:
                self._observer(Warned(warning))
            return False
        return True

    def make_channel(self, server_name: str) -> Channel | BrokenChannel:
        """Begin.  `server_name` is how the server called itself: behind one address may be several."""
        assert self.policy.terms is not None
        self._session_key = key = (self._session_key, server_name)
        self._log = self._security.levels.find(self._server)
        traces = self._security.traces if self._log.trace else None
        trace = traces.begin(self._server.address, self._observer) if traces is not None else None
        relay = self._server.relay.lower()
        self.channel = self._security.engine.open(self._context, self.policy.terms, relay, key, trace)
        self.channel.linger_seconds = self._security.linger_seconds
        return self.channel

    def _check_peer(self) -> Refusal | None:
        assert self.channel is not None
        self.facts = facts = self.channel.facts
        assert facts is not None
        log = self._log
        if facts.peer.problem and (facts.level.must_match or log.untrusted):
            self._observer(Noted(facts.peer.problem))
        if facts.peer.matched_by and log.matches:
            self._observer(Noted(f"{self._server.relay.lower()}: {facts.peer.matched_by}"))
        if log.certificates and facts.peer.certificate:
            self._observer(Noted(f"{self._server.relay.lower()}: {_describe_peer(facts)}"))
        self._observer(TlsEstablished(self._queue_id, self._server, facts, log.summary))
        if facts.level.must_match and not facts.peer.matched:
            return Refusal(Scope.SITE, status_code.TLS_NOT_VERIFIED, "Server certificate not verified")
        return None

    def _fail(self, cause: WireTrouble) -> None:
        from mailrider.tls.context import Unusable

        if isinstance(self._context, Unusable):  # nothing of it was the server's fault
            relay, text = self._server.relay.lower(), str(cause)
            self._observer(Warned(text if text.lower().startswith(relay) else f"{relay}: {text}"))
        else:
            self._observer(TlsFailed(self._queue_id, self._server, str(cause) or "lost connection"))
        if self.policy.terms is not None:
            self._security.engine.forget_session(self.policy.terms, self._session_key)


def _describe_peer(facts: TlsFacts) -> str:
    peer = facts.peer
    return (
        f"subject_CN={peer.subject}, issuer={peer.issuer}, cert fingerprint={peer.certificate_digest},"
        f" pkey fingerprint={peer.key_digest}"
    )
