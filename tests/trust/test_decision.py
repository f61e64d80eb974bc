"""The engine as a whole: table, parameter and DNS become a policy that knows where it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from mailrider.model.tls import TlsLevel
from mailrider.settings import HostFacts, load_settings
from mailrider.tls.tlsa import read_digests
from mailrider.trust.dane import Dane, DaneTerms
from mailrider.trust.decision import Tables, TrustEngine
from mailrider.trust.demands import read_demands
from mailrider.trust.policy import CONFIGURATION_PROBLEM, NoPolicy, Policy, SourceKind

from .test_sources import Known
from .zone import EXCHANGER, SERVER, Zone, tlsa


def engine(
    policies: Mapping[str, str] | None = None, sites: Mapping[str, str] | None = None, zone: Zone | None = None, **settings: str
) -> TrustEngine:
    overrides = [f"{name}={value}" for name, value in settings.items()]
    demands = read_demands(load_settings(None, overrides, host=HostFacts("me.example.test")))
    terms = DaneTerms("", TlsLevel.DANE, False, read_digests(("sha256",)), "")
    warn: list[str] = []
    tables = Tables(Known(policies) if policies is not None else None, Known(sites) if sites is not None else None)
    return TrustEngine(demands, tables, Dane(zone or Zone({}), terms, warn.append), warn.append)


def decide(made: TrustEngine, nexthop: str = "example.com") -> Policy | NoPolicy:
    return asyncio.run(made.decide(nexthop, "example.com", SERVER, EXCHANGER))


def policy(made: TrustEngine, nexthop: str = "example.com") -> Policy:
    found = decide(made, nexthop)
    assert isinstance(found, Policy)
    return found


def test_who_wants_no_tls_is_asked_nothing() -> None:
    made = engine()
    assert made.plain is policy(made)
    assert made.plain is not None
    assert made.plain.level is TlsLevel.NONE
    assert engine({}).plain is None
    assert engine(sites={}).plain is None
    assert engine(smtp_tls_security_level="may").plain is None


def test_a_parameter() -> None:
    found = policy(engine(smtp_tls_security_level="encrypt", smtp_tls_connection_reuse="yes"))
    assert (found.level, found.reuse) == (TlsLevel.ENCRYPT, True)
    assert str(found.source) == "smtp_tls_security_level = encrypt"
    assert found.terms is not None
    assert found.requested is None


def test_a_policy_table_wins_over_the_parameter_and_over_a_site_table() -> None:
    made = engine({"example.com": "none"}, {"example.com": "MUST"}, smtp_tls_security_level="encrypt")
    assert policy(made).level is TlsLevel.NONE
    assert policy(made).terms is None
    assert policy(made).source.kind is SourceKind.POLICY_TABLE
    assert policy(made, "example.net").level is TlsLevel.ENCRYPT


def test_a_site_table() -> None:
    found = policy(engine(sites={"mx.example.com": "MUST"}))
    assert found.level is TlsLevel.VERIFY
    assert str(found.source) == 'smtp_tls_policy_maps: "mx.example.com" = "MUST"'


@pytest.mark.parametrize("entry", ["bogus", "verify tafile=/nosuch", "fingerprint"])
def test_an_entry_that_makes_no_sense_is_no_policy(entry: str) -> None:
    assert decide(engine({"example.com": entry})) == CONFIGURATION_PROBLEM


def test_dns_may_change_the_level_and_that_is_told() -> None:
    found = policy(engine({"example.com": "dane"}))
    assert (found.level, found.requested, found.reason) == (TlsLevel.MAY, TlsLevel.DANE, "no TLSA records found")
    zone = Zone({"_25._tcp.mx.example.com/TLSA": tlsa("3 1 1 " + "ab" * 32)})
    found = policy(engine(zone=zone, smtp_tls_security_level="dane"))
    assert (found.level, found.requested) == (TlsLevel.DANE, None)
    assert found.terms is not None
    assert found.terms.server_name == "mx.example.com"
    assert decide(engine({"example.com": "dane-only"})) == NoPolicy("4.7.5", "no TLSA records found")


def test_patterns_of_an_outside_policy_bind_only_where_names_do() -> None:
    sts = "policy_type=sts policy_domain=example.com mx_host_pattern=*.example.net"
    assert not policy(engine({"example.com": f"secure match=x {sts}"})).admits("mx.example.com")
    assert policy(engine({"example.com": f"encrypt {sts}"})).admits("mx.example.com")


@pytest.mark.parameter("smtp_tls_enforce_sts_mx_patterns")
def test_patterns_of_an_outside_policy_need_not_be_enforced() -> None:
    sts = "secure match=mail.example.org policy_type=sts policy_domain=example.com mx_host_pattern=*.example.net"
    strict, old = (policy(engine({"example.com": sts}, smtp_tls_enforce_sts_mx_patterns=word)) for word in ("yes", "no"))
    assert (strict.admits("mx.example.com"), old.admits("mx.example.com")) == (False, True)
    assert strict.terms is not None
    assert old.terms is not None
    assert (strict.terms.names, old.terms.names) == (("mx.example.com",), ("mail.example.org",))
    assert old.external is not None
    assert old.external.mx_patterns == ("*.example.net",), "reports tell the policy as it is"


def test_equal_demands_have_equal_identities() -> None:
    made = engine({"example.com": "encrypt", "example.net": "encrypt", "example.org": "encrypt ciphers=high"})
    assert policy(made).identity == policy(made, "example.net").identity
    assert policy(made).identity != policy(made, "example.org").identity
