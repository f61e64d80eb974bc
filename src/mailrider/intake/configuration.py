"""The settings as terms of the doors: lists and tables opened, certificates loaded.  Raises `WrongConfiguration`.

It is done while there are still the rights of root, because a private key may be for root alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mailrider.content.whole_address import make_completion
from mailrider.errors import WrongConfiguration
from mailrider.intake.door import Facilities
from mailrider.intake.listener import Bound, Listener, Place, bind
from mailrider.intake.login import MECHANISMS
from mailrider.intake.names import PeerNames
from mailrider.intake.notices import Notices
from mailrider.intake.passwords import Passwords
from mailrider.intake.terms import Client, Terms
from mailrider.model.request import Transport
from mailrider.resolver.interfaces import read_interface_addresses
from mailrider.settings import Settings
from mailrider.spool.spool import Spool
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import MatchList, open_host_list
from mailrider.tls.protocols import parse_protocols

Warn = Callable[[str], None]

LOOPBACK = ("127.0.0.0/8", "[::1]/128")
"""Who may relay where `mynetworks` is not set: this host.  (smtpd(8) would take in the networks of all its interfaces.)"""

_PROTOCOL_FLAGS = {
    "TLSv1": ssl.OP_NO_TLSv1, "TLSv1.1": ssl.OP_NO_TLSv1_1, "TLSv1.2": ssl.OP_NO_TLSv1_2, "TLSv1.3": ssl.OP_NO_TLSv1_3,
}  # fmt: skip
_REWRITE_LOCAL = ("permit_inet_interfaces", "permit_mynetworks")


class OutOfReach(WrongConfiguration):
    """A file that this user may not read."""


class _Lists(NamedTuple):
    networks: MatchList
    forwarders: MatchList
    event_exceptions: MatchList
    bare_lf_exceptions: MatchList


class Intake:
    """The doors of a node: bound on making, open from `start` to `close`."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._names = PeerNames(asks=settings.smtpd_peername_lookup)
        self._ready = _prepare(settings, self._warn, make_tls(settings))
        self._notices = Notices(settings, tell)
        self._listener = Listener(_bind_all(settings))

    def _warn(self, text: str) -> None:
        self._tell(f"warning: {text}")

    @property
    def places(self) -> tuple[str, ...]:
        """Where it listens."""
        return self._listener.places

    async def start(self, spool: Spool) -> None:
        """Open the doors."""
        self._spool = spool
        self._notices.spool = spool
        self._put(self._ready)
        await self._listener.start()

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Make new settings ready; what comes back puts them into effect, for clients that come from then on.

        The places stay, and so does a certificate with a key that was for root alone: a node is not root any more.  Raises
        `WrongConfiguration` for settings that make no sense; nothing has changed then.
        """
        try:
            tls = make_tls(settings)
        except OutOfReach as trouble:
            tls = self._ready.tls
            if tls is None:
                raise
            self._warn(f"{trouble}; the certificate that was loaded before stays")
        ready = _prepare(settings, self._warn, tls)

        def put() -> None:
            self._ready = ready
            self._notices.settings = settings
            self._names.asks = settings.smtpd_peername_lookup
            self._put(ready)

        return put

    def reload(self, settings: Settings) -> None:
        """New settings at once, see `prepare`."""
        self.prepare(settings)()

    async def close(self, grace_seconds: float) -> None:
        """Close the doors."""
        await self._listener.close(grace_seconds)
        await self._notices.finish()

    def discard(self) -> None:
        """Give up the places, where nothing was started."""
        self._listener.discard()

    def _put(self, ready: _Ready) -> None:
        listener, lists = self._listener, ready.lists
        listener.connection_limit = ready.connection_limit
        listener.is_excepted = lambda address: lists.event_exceptions.matches("unknown", address)
        listener.facilities = Facilities(
            ready.terms, ready.classify, self._names, ready.passwords, ready.tls, self._spool, self._tell,
            self._notices.open_history if self._notices.are_wanted else None,
        )  # fmt: skip


class _Ready(NamedTuple):
    terms: Terms
    lists: _Lists
    classify: Callable[[str, str, str], Client]
    passwords: Passwords | None
    tls: ssl.SSLContext | None
    connection_limit: int


def _prepare(settings: Settings, warn: Warn, tls: ssl.SSLContext | None) -> _Ready:
    lists = _open_lists(settings, warn)
    passwords = _open_passwords(settings, warn)
    own = frozenset(read_interface_addresses()) | {"127.0.0.1", "::1"}
    words = frozenset(settings.local_header_rewrite_clients)
    for word in words - set(_REWRITE_LOCAL):
        warn(f"local_header_rewrite_clients: {word} has no effect here")
    classify = partial(_classify, lists, own, words)
    terms = make_terms(settings, has_tls=tls is not None, has_logins=passwords is not None)
    return _Ready(terms, lists, classify, passwords, tls, settings.smtpd_client_connection_count_limit)


def make_terms(settings: Settings, *, has_tls: bool, has_logins: bool) -> Terms:
    """The terms of every conversation."""
    return Terms(
        host_name=settings.myhostname,
        mail_name=settings.mail_name,
        banner=settings.smtpd_banner,
        completion=make_completion(settings),
        message_size_limit=settings.message_size_limit,
        recipient_limit=settings.smtpd_recipient_limit,
        line_length_limit=settings.line_length_limit,
        soft_error_limit=settings.smtpd_soft_error_limit,
        hard_error_limit=settings.smtpd_hard_error_limit,
        junk_command_limit=settings.smtpd_junk_command_limit,
        error_sleep_seconds=settings.smtpd_error_sleep_time,
        hop_limit=settings.hopcount_limit,
        smtputf8=settings.smtputf8_enable,
        has_tls=has_tls,
        needs_tls=settings.smtpd_tls_security_level == "encrypt",
        login_mechanisms=MECHANISMS if has_logins else (),
        login_needs_tls=settings.smtpd_tls_auth_only or settings.smtpd_tls_security_level == "encrypt",
        helo_required=settings.smtpd_helo_required,
        tells_login=settings.smtpd_sasl_authenticated_header,
        tells_tls=settings.smtpd_tls_received_header,
        completes_all=settings.always_add_missing_headers,
        passes_requiretls=settings.requiretls_enable and settings.requiretls_esmtp_header,
        hidden_keywords=frozenset(word.lower() for word in settings.smtpd_discard_ehlo_keywords),
        refuses_bare_lf=settings.smtpd_forbid_bare_newline == "reject",
        bare_lf_code=settings.smtpd_forbid_bare_newline_reject_code,
        timeout_seconds=settings.smtpd_timeout,
    )


def _open_lists(settings: Settings, warn: Warn) -> _Lists:
    def members(name: str) -> tuple[str, ...]:
        given: tuple[str, ...] = getattr(settings, name)
        return given

    def hosts(name: str, given: tuple[str, ...]) -> MatchList:
        parents = name in settings.parent_domain_matches_subdomains
        return open_host_list(name, " ".join(given), parent_domains=parents, warn=warn)

    networks = members("mynetworks") if settings.is_set("mynetworks") else LOOPBACK

    def with_networks(name: str) -> MatchList:
        given = members(name)
        return hosts(name, given if given or settings.is_set(name) else networks)

    return _Lists(
        hosts("mynetworks", networks),
        hosts("smtpd_authorized_xforward_hosts", members("smtpd_authorized_xforward_hosts")),
        with_networks("smtpd_client_event_limit_exceptions"),
        with_networks("smtpd_forbid_bare_newline_exclusions"),
    )


def _classify(lists: _Lists, own: frozenset[str], words: frozenset[str], name: str, address: str, port: str) -> Client:
    """Who a client is; one without a port is on a socket of this host.  Raises `TableTrouble`."""
    may_relay = not port or lists.networks.matches(name, address)
    is_own = "permit_inet_interfaces" in words and (not port or address in own)
    return Client(
        name,
        address,
        port,
        may_relay=may_relay,
        is_local=is_own or ("permit_mynetworks" in words and may_relay),
        may_forward=lists.forwarders.matches(name, address),
        may_send_bare_lf=lists.bare_lf_exceptions.matches(name, address),
    )


def _open_passwords(settings: Settings, warn: Warn) -> Passwords | None:
    if not settings.smtpd_sasl_auth_enable:
        return None
    given = settings.intake_password_maps
    if not given:
        raise WrongConfiguration("smtpd_sasl_auth_enable = yes: intake_password_maps must name a table of passwords")
    maps = open_maps("intake_password_maps", " ".join(given), warn=warn, find_parameter=settings.find_text)
    return Passwords(maps.find)


def make_tls(settings: Settings) -> ssl.SSLContext | None:
    """The certificate and the key of the doors, or None where STARTTLS is not offered.  Raises `WrongConfiguration`."""
    if settings.smtpd_tls_security_level not in ("may", "encrypt"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_versions(context, settings)
    chains: list[tuple[str, str | None]] = [(path, None) for path in settings.smtpd_tls_chain_files]
    if not chains and settings.smtpd_tls_cert_file and settings.smtpd_tls_cert_file != "none":
        chains.append((settings.smtpd_tls_cert_file, settings.smtpd_tls_key_file or None))
    if not chains:
        level = settings.smtpd_tls_security_level
        raise WrongConfiguration(
            f"smtpd_tls_security_level = {level}: smtpd_tls_chain_files must name a certificate and its key"
        )
    for certificate, key in chains:
        _load_chain(context, certificate, key)
    return context


def _load_chain(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    shown = f"the certificate in {certificate} and the key in {key or certificate}"
    try:
        for path in (certificate, key or certificate):
            with open(path, "rb"):
                pass  # OpenSSL does not say which file it could not open
        context.load_cert_chain(certificate, key, password=lambda: "")  # nobody is there to be asked
    except ssl.SSLError as cause:
        reason = cause.reason.lower().replace("_", " ") if cause.reason else "expected PEM without a passphrase"
        raise WrongConfiguration(f"smtpd_tls: cannot use {shown}: {reason}") from None
    except PermissionError as cause:
        raise OutOfReach(f"smtpd_tls: cannot read {path}: {cause.strerror}") from None
    except (OSError, ValueError) as cause:
        told = cause.strerror if isinstance(cause, OSError) else cause
        raise WrongConfiguration(f"smtpd_tls: cannot read {path}: {told}") from None


def _set_versions(context: ssl.SSLContext, settings: Settings) -> None:
    mandatory = settings.smtpd_tls_security_level == "encrypt"
    name = "smtpd_tls_mandatory_protocols" if mandatory else "smtpd_tls_protocols"
    text = settings.smtpd_tls_mandatory_protocols if mandatory else settings.smtpd_tls_protocols
    protocols = parse_protocols(text)
    if protocols is None:
        raise WrongConfiguration(f"{name} = {text}: expected protocol versions such as >=TLSv1.2")
    context.minimum_version = ssl.TLSVersion(max(protocols.floor, ssl.TLSVersion.TLSv1_2))
    if protocols.ceiling:
        context.maximum_version = ssl.TLSVersion(max(protocols.ceiling, context.minimum_version))
    for version, flag in _PROTOCOL_FLAGS.items():
        if version in protocols.excluded:
            context.options |= flag


def _bind_all(settings: Settings) -> list[Bound]:
    bound: list[Bound] = []
    try:
        for name, transport in (("intake_smtp_listen", Transport.SMTP), ("intake_lmtp_listen", Transport.LMTP)):
            given: tuple[Place, ...] = getattr(settings, name)
            for place in given:
                bound += bind(Place(*place), transport, name)
    except WrongConfiguration:
        for one in bound:
            one.socket.close()
        raise
    return bound
