from __future__ import annotations

import pytest

from mailrider.delivery import login_policy
from mailrider.delivery.login_policy import LoginPolicy
from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.model.request import Transport
from mailrider.model.tls import PeerFacts, TlsFacts, TlsLevel

from .scene import profile_of

MAPS = "static:user:secret"


def policy_of(transport: Transport = Transport.SMTP, **settings: object) -> LoginPolicy:
    given: dict[str, object] = {"smtp_sasl_auth_enable": True, "smtp_sasl_password_maps": MAPS}
    if transport is Transport.LMTP:
        given = {name.replace("smtp_", "lmtp_"): value for name, value in given.items()}
    policy = profile_of(transport, **given, **settings).login
    assert policy is not None
    return policy


def test_without_login_there_is_no_policy() -> None:
    assert profile_of(smtp_sasl_password_maps=MAPS).login is None
    assert profile_of(lmtp_sasl_auth_enable=True, lmtp_sasl_password_maps=MAPS).login is None


@pytest.mark.parametrize("transport", list(Transport))
def test_login_without_passwords_is_a_mistake(transport: Transport) -> None:
    name = transport.value
    with pytest.raises(WrongConfiguration, match=f"specify a password table via the `{name}_sasl_password_maps'"):
        profile_of(transport, **{f"{name}_sasl_auth_enable": True})


@pytest.mark.parametrize("transport", list(Transport))
def test_to_require_a_login_and_never_log_in_is_a_mistake(transport: Transport) -> None:
    name = transport.value
    with pytest.raises(WrongConfiguration, match=f"^{name}_sasl_auth_required = yes: .* set {name}_sasl_auth_enable = yes"):
        profile_of(transport, **{f"{name}_sasl_auth_required": True})


def test_the_state_of_the_session_decides_what_a_mechanism_must_be() -> None:
    policy = policy_of(
        smtp_sasl_security_options="noplaintext",
        smtp_sasl_tls_security_options="mutual_auth",
        smtp_sasl_tls_verified_security_options="noanonymous",
    )
    encrypted = TlsFacts(TlsLevel.MAY, "TLSv1.3", "X", 256, 256, PeerFacts())
    verified = encrypted._replace(peer=PeerFacts(matched=True))
    assert [policy.rules_for(tls).demands for tls in (None, encrypted, verified)] == [
        {"noplaintext"}, {"mutual_auth"}, {"noanonymous"},
    ]  # fmt: skip


def test_the_options_follow_each_other() -> None:
    policy = policy_of(smtp_sasl_security_options="noactive")
    assert policy.clear == policy.encrypted == policy.verified
    assert policy_of().clear.demands == {"noplaintext", "noanonymous"}


def test_a_sender_counts_where_it_is_meant_to() -> None:
    assert policy_of().sender_identity("a@example.test") is None
    by_sender = {"smtp_sender_dependent_authentication": True}
    assert policy_of(**by_sender).sender_identity("a@example.test") is not None
    assert policy_of(**by_sender).sender_identity("") is None
    lmtp = policy_of(Transport.LMTP, lmtp_sender_dependent_authentication=True)
    assert lmtp.sender_identity("a@example.test") is None


def test_where_a_table_cannot_answer_nothing_is_shared() -> None:
    class Broken:
        def find(self, key: str, *, partial: bool = False) -> str | None:
            raise TableTrouble("no answer")

    policy = policy_of(smtp_sender_dependent_authentication=True)
    policy.book._maps = Broken()
    assert policy.identity("a@b", "host", "x") != policy.identity("a@b", "host", "x")
    assert policy.sender_identity("a@b") != policy.sender_identity("a@b")


def test_tokens_are_there_for_those_who_use_them() -> None:
    assert policy_of().tokens is None
    assert policy_of(smtp_sasl_extra_mechanisms="external").tokens is None
    assert policy_of(smtp_sasl_extra_mechanisms="XOAUTH2").tokens is not None


def test_a_cache_of_failures_is_there_where_it_has_a_name() -> None:
    assert policy_of().failed is None
    assert policy_of(smtp_sasl_auth_cache_name="proxy:internal:x").failed is not None
    with pytest.raises(WrongConfiguration, match="must start with"):
        policy_of(smtp_sasl_auth_cache_name="btree:/x")


def test_a_filter_is_there_where_it_names_something() -> None:
    assert policy_of().accepts is None
    accepts = policy_of(smtp_sasl_mechanism_filter="plain, !login, static:all").accepts
    assert accepts is not None
    assert [accepts(name) for name in ("PLAIN", "LOGIN", "CRAM-MD5")] == [True, False, True]


def test_gssapi_without_its_library_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_policy.kerberos, "is_there", lambda: False)
    with pytest.raises(WrongConfiguration, match=r"gssapi needs the package gssapi: pip install mailrider\[gssapi\]"):
        policy_of(smtp_sasl_extra_mechanisms="gssapi")


def test_an_unknown_extra_mechanism_is_refused() -> None:
    with pytest.raises(WrongConfiguration):
        policy_of(smtp_sasl_extra_mechanisms="magic")
