"""What a chain of certificates proves at each level."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.model.tls import Standing, TlsLevel
from mailrider.testkit.authority import make_root, make_self_signed
from mailrider.tls.terms import Handshake, TlsTerms
from mailrider.tls.tlsa import PRIVATE, Tlsa
from mailrider.tls.verdict import Objection, judge

RELAY = "mx.example.test[192.0.2.1]:25"
ROOT = make_root("Root")
LEAF = ROOT.issue("mx.example.test", ["mx.example.test"])
CHAIN = (LEAF.der, ROOT.der)
UNKNOWN = (Objection(20, 0), Objection(21, 0))
DIGESTS = ((1, "sha256"), (2, "sha512"), (PRIVATE, "sha256"))

EE = Tlsa(3, 1, 1, hashlib.sha256(LEAF.key_der).digest())
TA = Tlsa(2, 0, 1, hashlib.sha256(ROOT.der).digest())
OTHER = Tlsa(3, 1, 1, bytes(32))


def terms(level: TlsLevel, *, names: tuple[str, ...] = ("mx.example.test",), records: tuple[Tlsa, ...] = ()) -> TlsTerms:
    return TlsTerms(level, Handshake(), names=names, records=records, digests=DIGESTS)


def test_nobody_showed_anything() -> None:
    facts = judge((), (), terms(TlsLevel.MAY), RELAY)
    assert (facts.standing, facts.matched, facts.problem) == (Standing.ANONYMOUS, False, "")


@pytest.mark.parametrize("level", [TlsLevel.MAY, TlsLevel.ENCRYPT])
def test_where_nothing_is_demanded_names_do_not_count(level: TlsLevel) -> None:
    good = judge(CHAIN, (), terms(level, names=()), RELAY)
    assert (good.standing, good.matched) == (Standing.TRUSTED, False)
    bad = judge(CHAIN, UNKNOWN, terms(level, names=()), RELAY)
    assert (bad.standing, bad.matched) == (Standing.UNTRUSTED, False)
    assert bad.problem == f"certificate verification failed for {RELAY}: untrusted issuer /O=Mailrider test/CN=Root"


@pytest.mark.parametrize("level", [TlsLevel.VERIFY, TlsLevel.SECURE])
def test_authorities_and_names(level: TlsLevel) -> None:
    assert judge(CHAIN, (), terms(level), RELAY).standing is Standing.VERIFIED
    assert judge(CHAIN, (), terms(level), RELAY).matched
    wrong = judge(CHAIN, (), terms(level, names=("other.test",)), RELAY)
    assert (wrong.standing, wrong.matched) == (Standing.UNTRUSTED, False)
    assert wrong.problem == f"server certificate verification failed for {RELAY}: num=62:hostname mismatch"
    assert not judge(CHAIN, UNKNOWN, terms(level), RELAY).matched
    assert not judge(CHAIN, (), terms(level, names=()), RELAY).matched
    assert not judge(CHAIN, (), replace(terms(level), must_fail=True), RELAY).matched


@pytest.mark.parametrize(
    ("number", "depth", "text"),
    [
        (18, 0, "certificate verification failed for {}: self-signed certificate"),
        (9, 0, "server certificate verification failed for {}: certificate not yet valid"),
        (10, 0, "server certificate verification failed for {}: certificate has expired"),
        (10, 1, "CA certificate verification failed for {}: certificate has expired"),
        (26, 0, "certificate verification failed for {}: not designated for use as a server certificate"),
        (22, 10, "certificate verification failed for {}: certificate chain longer than limit(9)"),
        (27, 0, "certificate verification failed for {}: not trusted by local or TLSA policy"),
        (24, 1, "CA certificate verification failed for {}: num=24:invalid CA certificate"),
        (999, 0, "server certificate verification failed for {}: num=999:error number 999"),
    ],
)
def test_objections_in_words(number: int, depth: int, text: str) -> None:
    facts = judge(CHAIN, (Objection(number, depth),), terms(TlsLevel.VERIFY), RELAY)
    assert facts.problem == text.format(RELAY)


def test_the_objection_that_is_nearest_to_the_server_is_told() -> None:
    objections = (Objection(10, 1), Objection(18, 0), Objection(10, 0))
    assert "self-signed" in judge(CHAIN, objections, terms(TlsLevel.VERIFY), RELAY).problem


@pytest.mark.parametrize("level", [TlsLevel.DANE, TlsLevel.DANE_ONLY, TlsLevel.HALF_DANE])
def test_records_decide_and_authorities_do_not(level: TlsLevel) -> None:
    standing = Standing.TRUSTED if level is TlsLevel.HALF_DANE else Standing.VERIFIED
    for objections in ((), UNKNOWN):
        facts = judge(CHAIN, objections, terms(level, records=(OTHER, EE)), RELAY)
        assert (facts.standing, facts.matched) == (standing, True)
        assert not judge(CHAIN, objections, terms(level, records=(OTHER,)), RELAY).matched
        assert not judge(CHAIN, objections, terms(level), RELAY).matched


def test_names_count_for_an_anchor_and_not_for_the_server_itself() -> None:
    wrong = ("other.test",)
    assert judge(CHAIN, (), terms(TlsLevel.DANE, names=wrong, records=(EE,)), RELAY).matched
    assert judge(CHAIN, (), terms(TlsLevel.DANE, records=(TA,)), RELAY).matched
    facts = judge(CHAIN, (), terms(TlsLevel.DANE, names=wrong, records=(TA,)), RELAY)
    assert not facts.matched
    assert facts.problem.endswith("num=62:hostname mismatch")
    facts = judge(CHAIN, (), terms(TlsLevel.DANE, records=(OTHER,)), RELAY)
    assert facts.problem.endswith("num=65:no matching DANE TLSA records")


def test_time_counts_for_an_anchor_and_not_for_the_server_itself() -> None:
    late = ROOT.issue("mx.example.test", ["mx.example.test"], begins_days=-9, ends_days=-1)
    ee = Tlsa(3, 0, 1, hashlib.sha256(late.der).digest())
    assert judge((late.der, ROOT.der), (), terms(TlsLevel.DANE, records=(ee,)), RELAY).matched
    assert not judge((late.der, ROOT.der), (), terms(TlsLevel.DANE, records=(TA,)), RELAY).matched


def test_a_trust_anchor_file_may_name_the_server_itself_but_its_name_counts() -> None:
    own = make_self_signed("mx.example.test", ["mx.example.test"])
    records = (Tlsa(2, 0, 0, own.der), Tlsa(3, 0, 0, own.der))
    assert judge((own.der,), UNKNOWN, terms(TlsLevel.VERIFY, records=records), RELAY).matched
    assert not judge((own.der,), UNKNOWN, terms(TlsLevel.VERIFY, records=records, names=("x.test",)), RELAY).matched


def test_fingerprints_of_certificates_and_keys() -> None:
    for data in (LEAF.der, LEAF.key_der):
        records = tuple(Tlsa(3, selector, PRIVATE, hashlib.sha256(data).digest()) for selector in (0, 1))
        assert judge(CHAIN, UNKNOWN, terms(TlsLevel.FINGERPRINT, names=(), records=records), RELAY).matched
    assert not judge(CHAIN, (), terms(TlsLevel.FINGERPRINT, records=()), RELAY).matched


LEVELS = st.sampled_from(list(TlsLevel))


@given(LEVELS, st.sampled_from([(), UNKNOWN]), st.sets(st.sampled_from([EE, TA, OTHER])), st.booleans(), st.booleans())
def test_nothing_is_matched_that_was_not_proved(
    level: TlsLevel, objections: tuple[Objection, ...], records: set[Tlsa], named: bool, must_fail: bool
) -> None:
    names = ("mx.example.test",) if named else ("other.test",)
    made = replace(terms(level, names=names, records=tuple(records)), must_fail=must_fail)
    facts = judge(CHAIN, objections, made, RELAY)
    if records:
        proved = (EE in records and (named or not level.uses_authorities)) or (TA in records and named)
    else:
        proved = level.uses_authorities and not objections and named
    assert facts.matched == (level.must_match and proved and not must_fail)
    assert (facts.standing is Standing.VERIFIED) == (facts.matched and level is not TlsLevel.HALF_DANE)
