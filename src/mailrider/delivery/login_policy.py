"""The login policy of a transport: what it is, and how it is made of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from mailrider.content.generic import Extensions
from mailrider.delivery.lookups import own_domain_test
from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.model.request import Transport
from mailrider.model.tls import TlsFacts
from mailrider.sasl import kerberos
from mailrider.sasl.choice import Rules
from mailrider.sasl.secret import Secret
from mailrider.settings import Settings
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import open_string_list
from mailrider.trust.credentials import CredentialBook, CredentialRules
from mailrider.trust.failed_logins import FailedLogins, find_file
from mailrider.trust.tokens import EndpointTerms, TokenKeeper

TOKEN_MECHANISMS = frozenset(("oauthbearer", "xoauth2"))

Warn = Callable[[str], None]


class TokenSource(Protocol):
    """Where access tokens come from (`trust.tokens.TokenKeeper`)."""

    async def get(self, path: str) -> Secret | str:
        """A token that is good for a while, or, as text, why there is none."""

    def distrust(self, path: str) -> None:
        """A server did not take the token, whatever its time of expiry says."""


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """What the settings say about logging in over one transport.

    `accepts` is `smtp_sasl_mechanism_filter`, None where there is none.  `clear`, `encrypted` and `verified` are the rules
    of the three states of a session.  `is_required`: nothing is sent without login (`smtp_sasl_auth_required`).
    """

    book: CredentialBook
    clear: Rules
    encrypted: Rules
    verified: Rules
    accepts: Callable[[str], bool] | None = None
    tokens: TokenSource | None = None
    failed: FailedLogins | None = None
    sends_authzid: bool = False
    soft_bounce: bool = True
    withholds_sender: bool = False
    is_required: bool = False

    def rules_for(self, tls: TlsFacts | None) -> Rules:
        """What a mechanism must be in this session."""
        if tls is None:
            return self.clear
        return self.verified if tls.verified else self.encrypted

    def sender_identity(self, sender: str) -> Hashable | None:
        """The credential that a sender has, whatever the server; None where it has none."""
        try:
            credential = self.book.find_for_sender(sender)
        except TableTrouble:
            return _nobody()
        return credential.identity if credential is not None else None

    def identity(self, sender: str, host: str, destination: str) -> Hashable | None:
        """Who a sender would be to a server; None where there would be no login."""
        try:
            credential = self.book.find(sender, host, destination)
        except TableTrouble:
            return _nobody()
        return credential.identity if credential is not None else None


def _nobody() -> Hashable:
    """What equals nothing: where a table cannot answer, no connection is shared."""
    return object()


def make_login_policy(settings: Settings, warn: Warn) -> LoginPolicy | None:
    """None where `smtp_sasl_auth_enable` is off.  Raises `WrongConfiguration`."""
    prefix = settings.transport.value
    if not settings.smtp_sasl_auth_enable:
        if settings.smtp_sasl_auth_required:
            text = f"{prefix}_sasl_auth_required = yes: nothing could ever be sent; set {prefix}_sasl_auth_enable = yes, too"
            raise WrongConfiguration(text)
        return None
    tables = settings.smtp_sasl_password_maps
    if not tables:
        text = f"specify a password table via the `{prefix}_sasl_password_maps' configuration parameter"
        raise WrongConfiguration(text)
    allowed = frozenset(settings.smtp_sasl_extra_mechanisms)
    if "gssapi" in allowed and not kerberos.is_there():
        raise WrongConfiguration(
            f"{prefix}_sasl_extra_mechanisms: gssapi needs the package gssapi: pip install mailrider[gssapi]"
        )
    rules = CredentialRules(
        delimiter=settings.smtp_sasl_password_result_delimiter,
        by_sender=settings.smtp_sender_dependent_authentication and settings.transport is Transport.SMTP,
        takes_tokens=bool(allowed & TOKEN_MECHANISMS),
        extensions=Extensions(settings.recipient_delimiter),
        own_domain=own_domain_test(settings, warn),
    )
    passwords = open_maps(
        f"{prefix}_sasl_password_maps", " ".join(tables), warn=warn, find_parameter=settings.find_text
    )
    return LoginPolicy(
        book=CredentialBook(passwords, rules),
        clear=Rules(frozenset(settings.smtp_sasl_security_options), allowed),
        encrypted=Rules(frozenset(settings.smtp_sasl_tls_security_options), allowed),
        verified=Rules(frozenset(settings.smtp_sasl_tls_verified_security_options), allowed),
        accepts=_open_filter(settings, warn),
        tokens=_open_tokens(settings, warn) if rules.takes_tokens else None,
        failed=_open_failed_logins(settings, warn),
        sends_authzid=settings.send_cyrus_sasl_authzid,
        soft_bounce=settings.smtp_sasl_auth_soft_bounce,
        withholds_sender=settings.smtp_send_dummy_mail_auth,
        is_required=settings.smtp_sasl_auth_required,
    )


def _open_filter(settings: Settings, warn: Warn) -> Callable[[str], bool] | None:
    members = settings.smtp_sasl_mechanism_filter
    if not members:
        return None
    return open_string_list(f"{settings.transport.value}_sasl_mechanism_filter", " ".join(members), warn=warn).matches


def _open_failed_logins(settings: Settings, warn: Warn) -> FailedLogins | None:
    name = settings.smtp_sasl_auth_cache_name
    if not name:
        return None
    return FailedLogins(find_file(name), settings.smtp_sasl_auth_cache_time, time.time, warn)


def _open_tokens(settings: Settings, warn: Warn) -> TokenKeeper:
    terms = EndpointTerms(
        ca_file=settings.smtp_sasl_oauth_CAfile,
        timeout_seconds=settings.smtp_sasl_oauth_timeout,
        allows_clear_loopback=settings.smtp_sasl_oauth_clear_loopback,
    )
    return TokenKeeper(terms, time.time, warn)
