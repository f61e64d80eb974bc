"""TLSA records: which can be used, which count, what they speak of."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.testkit.authority import make_self_signed
from mailrider.tls.tlsa import Digests, Tlsa, digest, find_end_entity, find_fault, matches, read_digests, select

DIGESTS = read_digests(("sha512", "sha256"))
SERVER = make_self_signed("mx.example.test", ["mx.example.test"])
SHA256, SHA512 = bytes(32), bytes(64)
RECORDS = st.builds(Tlsa, st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.sampled_from([b"", b"x", SHA256, SHA512]))


def test_the_usual_digests() -> None:
    assert Digests({2: "sha512", 1: "sha256"}, {2: 1, 1: 2}, ()) == DIGESTS


@pytest.mark.parametrize(
    ("words", "algorithms", "warning"),
    [
        (("sha256",), {1: "sha256"}, ""),
        (("sha384=3",), {3: "sha384"}, ""),
        (("sha384",), {}, "tls_dane_digests: digest algorithm sha384 needs an explicit number"),
        (("sha512=1",), {}, "tls_dane_digests: matching type 1 can only be sha256"),
        (("sha256=0",), {}, "Reserved matching type number in tls_dane_digests: sha256=0"),
        (("sha256=255",), {}, "Reserved matching type number in tls_dane_digests: sha256=255"),
        (("sha256", "sha256"), {1: "sha256"}, "tls_dane_digests: matching type 1 specified more than once"),
        (("nosuch=7",), {}, 'tls_dane_digests: digest algorithm "nosuch"(7) unknown'),
        (("shake128=7",), {}, 'tls_dane_digests: digest algorithm "shake128"(7) unknown'),
        (("=1", "sha512"), {2: "sha512"}, ""),
        (("a=b",), {}, "Invalid matching type number in tls_dane_digests: a=b"),
    ],
)
def test_reading_digests(words: tuple[str, ...], algorithms: dict[int, str], warning: str) -> None:
    found = read_digests(words)
    assert found.algorithms == algorithms
    assert found.warnings == ((warning,) if warning else ())


@given(st.lists(st.text(alphabet="sha256=012 ", max_size=8), max_size=4))
def test_no_list_of_digests_does_harm(words: list[str]) -> None:
    found = read_digests(words)
    assert set(found.algorithms) == set(found.ranks)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (Tlsa(3, 1, 1, SHA256), ""),
        (Tlsa(2, 0, 2, SHA512), ""),
        (Tlsa(3, 0, 0, SERVER.der), ""),
        (Tlsa(3, 1, 0, SERVER.key_der), ""),
        (Tlsa(0, 1, 1, SHA256), "unsupported TLSA certificate usage"),
        (Tlsa(1, 1, 1, SHA256), "unsupported TLSA certificate usage"),
        (Tlsa(4, 1, 1, SHA256), "unsupported TLSA certificate usage"),
        (Tlsa(3, 2, 1, SHA256), "unusable TLSA RR"),
        (Tlsa(3, 1, 1, SHA512), "unusable TLSA RR"),
        (Tlsa(3, 1, 1, b""), "unusable TLSA RR"),
        (Tlsa(3, 1, 7, SHA256), "unusable TLSA RR"),
        (Tlsa(3, 1, 255, SHA256), "reserved private-use matching type"),
        (Tlsa(3, 0, 0, b"no certificate"), "unusable TLSA RR"),
        (Tlsa(3, 1, 0, SERVER.der), "unusable TLSA RR"),
    ],
)
def test_what_can_be_used(record: Tlsa, fault: str) -> None:
    assert find_fault(record, DIGESTS) == fault


def test_only_the_strongest_digest_of_a_usage_and_selector_counts_beside_the_thing_itself() -> None:
    weak, strong, full = Tlsa(3, 1, 1, SHA256), Tlsa(3, 1, 2, SHA512), Tlsa(3, 1, 0, SERVER.key_der)
    other = Tlsa(3, 0, 1, SHA256)
    assert select([weak, strong, full, other, weak], DIGESTS) == (strong, full, other)
    assert select([weak, strong], read_digests(("sha256", "sha512"))) == (weak,)


@given(st.lists(RECORDS, max_size=8))
def test_of_usable_records_some_always_count(records: list[Tlsa]) -> None:
    usable = [record for record in records if not find_fault(record, DIGESTS)]
    chosen = select(usable, DIGESTS)
    assert set(chosen) <= set(usable)
    assert bool(chosen) == bool(usable)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_what_a_record_speaks_of(selector: int, matching: int) -> None:
    thing = SERVER.key_der if selector else SERVER.der
    data = [thing, hashlib.sha256(thing).digest(), hashlib.sha512(thing).digest()][matching]
    record = Tlsa(3, selector, matching, data)
    assert matches(record, SERVER.der, SERVER.key_der, DIGESTS.algorithms)
    assert find_end_entity([record._replace(usage=2), record], SERVER.der, SERVER.key_der, DIGESTS.algorithms) == record
    other = record._replace(data=data[:-1] + bytes([data[-1] ^ 1]))
    assert find_end_entity([other], SERVER.der, SERVER.key_der, DIGESTS.algorithms) is None


def test_an_unknown_digest_matches_nothing() -> None:
    assert digest("nosuch", b"x") is None
    assert not matches(Tlsa(3, 1, 9, b""), SERVER.der, SERVER.key_der, {})


def test_a_long_record_is_shown_without_its_middle() -> None:
    assert str(Tlsa(3, 1, 1, b"\xab\xcd")) == "3 1 1 ABCD"
    assert str(Tlsa(3, 0, 0, bytes(100))) == "3 0 0 " + "00" * 32 + "..." + "00" * 32
    assert str(Tlsa(3, 1, 1, b"")) == "3 1 1 ..."
