"""The login policy of a transport, out of its settings."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailrider.content.generic import Extensions
from mailrider.delivery.login import LoginPolicy
from mailrider.delivery.lookups import own_domain_test
from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.sasl import kerberos
from mailrider.sasl.choice import Rules
from mailrider.settings import Settings
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import open_string_list
from mailrider.trust.credentials import CredentialBook, CredentialRules
from mailrider.trust.failed_logins import FailedLogins, find_file
from mailrider.trust.tokens import EndpointTerms, TokenKeeper

TOKEN_MECHANISMS = frozenset(("oauthbearer", "xoauth2"))

Warn = Callable[[str], None]


def make_login_policy(settings: Settings, warn: Warn) -> LoginPolicy | None:
    """None where `smtp_sasl_auth_enable` is off.  Raises `WrongConfiguration`."""
    if not settings.smtp_sasl_auth_enable:
        return None
    prefix = settings.transport.value
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
