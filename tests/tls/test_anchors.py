"""Chains against trust anchors: what usage 2 of DANE accepts and what it does not."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mailrider.testkit.authority import Certificate, make_root, make_self_signed
from mailrider.tls.anchors import CHAIN_LIMIT, find_anchor
from mailrider.tls.tlsa import Tlsa

ALGORITHMS = {1: "sha256", 2: "sha512"}
ROOT, STRANGER = make_root("Root"), make_root("Stranger")
INTERMEDIATE = ROOT.issue("Intermediate", is_authority=True)
DIRECT = ROOT.issue("mx", ["mx.example.test"])
LEAF = INTERMEDIATE.issue("mx", ["mx.example.test"])

FULL_CHAIN = (LEAF.der, INTERMEDIATE.der, ROOT.der)


def record(of: Certificate, selector: int, matching: int, usage: int = 2) -> Tlsa:
    thing = of.key_der if selector else of.der
    return Tlsa(usage, selector, matching, [thing, hashlib.sha256(thing).digest(), hashlib.sha512(thing).digest()][matching])


def accepts(chain: tuple[bytes, ...], *records: Tlsa, depth: int = 9) -> bool:
    return find_anchor(chain, records, ALGORITHMS, depth) is not None


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("anchor", [ROOT, INTERMEDIATE], ids=["root", "intermediate"])
def test_an_anchor_that_the_server_shows(anchor: Certificate, selector: int, matching: int) -> None:
    assert accepts(FULL_CHAIN, record(anchor, selector, matching))
    assert not accepts(FULL_CHAIN, record(STRANGER, selector, matching))
    assert not accepts(FULL_CHAIN, record(anchor, selector, matching, usage=3))


@pytest.mark.parametrize("selector", [0, 1])
def test_an_anchor_that_the_record_brings_need_not_be_shown(selector: int) -> None:
    assert accepts((LEAF.der, INTERMEDIATE.der), record(ROOT, selector, 0))
    assert accepts((LEAF.der,), record(INTERMEDIATE, selector, 0))
    assert not accepts((LEAF.der,), record(ROOT, selector, 0))
    assert not accepts((LEAF.der, INTERMEDIATE.der), record(ROOT, selector, 1))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1])
def test_a_record_of_usage_2_never_speaks_of_the_servers_own_certificate(selector: int, matching: int) -> None:
    assert not accepts((DIRECT.der,), record(DIRECT, selector, matching))
    assert not accepts((DIRECT.der, DIRECT.der), record(DIRECT, selector, matching))


def test_a_bare_key_that_signed_the_servers_own_certificate() -> None:
    own = make_self_signed("mx", ["mx.example.test"])
    assert accepts((own.der,), record(own, 1, 0))
    assert not accepts((own.der,), record(own, 1, 1))


def test_an_anchor_helps_only_what_it_has_signed() -> None:
    assert not accepts((LEAF.der, STRANGER.der), record(STRANGER, 0, 1))
    assert not accepts((STRANGER.issue("mx").der, ROOT.der), record(ROOT, 0, 1))


@pytest.mark.parametrize("days", [(-30.0, -1.0), (1.0, 30.0)])
def test_time_counts_below_an_anchor_and_at_it(days: tuple[float, float]) -> None:
    late = ROOT.issue("mx", begins_days=days[0], ends_days=days[1])
    assert not accepts((late.der, ROOT.der), record(ROOT, 0, 1))
    authority = ROOT.issue("CA", is_authority=True, begins_days=days[0], ends_days=days[1])
    assert not accepts((authority.issue("mx").der, authority.der), record(authority, 0, 1))


def test_who_is_no_authority_cannot_sign() -> None:
    assert not accepts((DIRECT.issue("mx").der, DIRECT.der), record(ROOT, 0, 0))
    assert not accepts((DIRECT.issue("mx").der, DIRECT.der, ROOT.der), record(ROOT, 0, 1))


def test_a_certificate_must_be_for_servers() -> None:
    client = ROOT.issue("mx", purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    assert not accepts((client.der, ROOT.der), record(ROOT, 0, 1))


def test_a_chain_that_is_too_long() -> None:
    authorities = [ROOT]
    for number in range(4):
        authorities.append(authorities[-1].issue(f"CA {number}", is_authority=True))
    leaf = authorities[-1].issue("mx")
    chain = (leaf.der, *(each.der for each in reversed(authorities)))
    assert accepts(chain, record(ROOT, 0, 1), depth=3)
    assert not accepts(chain, record(ROOT, 0, 1), depth=2)


def test_more_certificates_than_anybody_needs_are_not_looked_at() -> None:
    chain = (DIRECT.der, *([STRANGER.der] * CHAIN_LIMIT), ROOT.der)
    assert not accepts(chain, record(ROOT, 0, 1))
    assert accepts((DIRECT.der, *([STRANGER.der] * (CHAIN_LIMIT - 2)), ROOT.der), record(ROOT, 0, 1))


def test_what_makes_no_sense_is_not_trusted() -> None:
    assert not accepts((), record(ROOT, 0, 1))
    assert not accepts((b"x", ROOT.der), record(ROOT, 0, 1))
    assert accepts((DIRECT.der, b"x", ROOT.der), record(ROOT, 0, 1))
    assert not accepts((DIRECT.der, ROOT.der), Tlsa(2, 0, 0, b"x"), Tlsa(2, 1, 0, b"x"))
