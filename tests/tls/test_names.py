"""Whose certificate is it?"""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.tls.names import CertificateNames, find_match, fits

LABELS = st.text(alphabet="abcdefgh0123456789-", min_size=1, max_size=8).filter(lambda label: label.strip("-") == label)
NAMES = st.lists(LABELS, min_size=3, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "name", "one_label", "many_labels"),
    [
        ("mx.example.com", "mx.example.com", True, True),
        ("MX.Example.COM", "mx.example.com", True, True),
        ("mx.example.com", "mx2.example.com", False, False),
        ("*.example.com", "mx.example.com", True, True),
        ("*.example.com", "a.mx.example.com", False, True),
        ("*.example.com", "example.com", False, False),
        ("*.example.com", ".example.com", True, True),
        ("*.com", "example.com", False, False),
        ("*", "example", False, False),
        ("*.*.com", "a.b.com", False, False),
        ("m*.example.com", "mx.example.com", False, False),
        ("*x.example.com", "mx.example.com", False, False),
        ("mx.*.com", "mx.example.com", False, False),
        ("xn--a.*.com", "xn--a.b.com", False, False),
        ("*.example.com", "xn--mx.example.com", True, True),
        ("*.example.com", "*.example.com", True, True),
        ("mx.example.com", ".example.com", True, True),
        ("a.b.example.com", ".example.com", True, True),
        ("example.com", ".example.com", False, False),
        ("notexample.com", ".example.com", False, False),
        ("mx.example.com\0.evil.com", "mx.example.com", False, False),
        ("evil.com\0.example.com", ".example.com", False, False),
        ("", "", False, False),
        ("*.exa mple.com", "x.exa mple.com", False, False),
        ("*.example.com", "m\u0101.example.com", False, False),
        ("\u212a.example.com", "k.example.com", False, False),  # the Kelvin sign is not a k
        ("mx.example.com.", "mx.example.com", False, False),
    ],
)
def test_a_name_against_a_pattern(pattern: str, name: str, one_label: bool, many_labels: bool) -> None:
    assert fits(pattern, name, multiple_labels=False) is one_label
    assert fits(pattern, name, multiple_labels=True) is many_labels


@given(NAMES)
def test_every_name_fits_itself_its_parents_and_their_wildcard(name: str) -> None:
    label, _, parent = name.partition(".")
    assert fits(name, name.upper(), multiple_labels=False)
    assert fits(name, "." + parent, multiple_labels=False)
    assert fits("*." + parent, name, multiple_labels=False)
    assert not fits(parent, name, multiple_labels=True)
    assert not fits(label + "x." + parent, name, multiple_labels=True)


@given(NAMES, st.text(alphabet="ab*.\0-", max_size=10))
def test_nothing_in_a_pattern_makes_it_fit_another_domain(name: str, pattern: str) -> None:
    if fits(pattern, name, multiple_labels=True):
        assert pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def match(wanted: tuple[str, ...], **names: tuple[object, ...]) -> str | None:
    return find_match(CertificateNames(**names), wanted, multiple_labels=True)  # type: ignore[arg-type]


def test_a_common_name_counts_only_where_there_is_no_dns_name() -> None:
    assert match(("mx.example.com",), common=("mx.example.com",)) == "mx.example.com"
    assert match(("mx.example.com",), common=("mx.example.com",), dns=("other.example.com",)) is None
    assert match(("mx.example.com",), common=("a", "mx.example.com")) == "mx.example.com"
    assert match(("mx.example.com",), common=("*.example.com",)) == "*.example.com"


def test_any_of_the_names_will_do() -> None:
    assert match(("a.example", ".example.com"), dns=("x.test", "mx.example.com")) == "mx.example.com"
    assert match((), dns=("x.test",)) is None


def test_an_address_is_found_among_addresses_only() -> None:
    address = ipaddress.ip_address("192.0.2.1").packed
    assert match(("192.0.2.1",), dns=("192.0.2.1",), common=("192.0.2.1",)) is None
    assert match(("192.0.2.1",), addresses=(address,)) == "192.0.2.1"
    assert match(("2001:db8::1",), addresses=(ipaddress.ip_address("2001:DB8:0::1").packed,)) == "2001:db8::1"


def test_an_address_and_a_name_must_both_be_there() -> None:
    address = ipaddress.ip_address("192.0.2.1").packed
    wanted = ("192.0.2.1", ".example.com")
    assert match(wanted, addresses=(address,)) is None
    assert match(wanted, dns=("mx.example.com",)) is None
    assert match(wanted, addresses=(address,), dns=("mx.example.com",)) == "mx.example.com"
