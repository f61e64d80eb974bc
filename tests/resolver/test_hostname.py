from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.model.server import Family
from mailrider.resolver.hostname import (
    canonical_address,
    family_of,
    is_valid_address,
    is_valid_hostname,
    is_valid_ipv4,
    to_ascii,
)


@pytest.mark.parametrize(
    "name",
    ["a", "a.test", "A-1.test", "under_score.test", "_25._tcp.a.test", "1-2", "1a.2", "x" * 63, ".".join(["a" * 63] * 3)],
)
def test_host_names(name: str) -> None:
    assert is_valid_hostname(name)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a.-b", "1.2.3", "192.0.2.1", "a b", "a/b", "ä.test", "a\n", "a:b",
        "x" * 64, ".".join(["a" * 63] * 4) + ".a", "*.a", "*",
    ],
)  # fmt: skip
def test_no_host_names(name: str) -> None:
    assert not is_valid_hostname(name)


@pytest.mark.parametrize(("name", "valid"), [("*.a", True), ("*", False), ("*a", False), ("a.*", False), ("*.*.a", False)])
def test_wildcards(name: str, valid: bool) -> None:
    assert is_valid_hostname(name, wildcard=True) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("192.0.2.1", True), ("0.0.0.0", True), ("0.1.2.3", False), ("255.255.255.255", True), ("256.0.0.1", False),
        ("1.2.3", False), ("1.2.3.4.5", False), ("1.2.3.4.", False), ("01.2.3.4", True), ("1..2.3", False), ("", False),
        ("١.2.3.4", False), ("1.2.3.4\n", False),
    ],
)  # fmt: skip
def test_ipv4(text: str, valid: bool) -> None:
    assert is_valid_ipv4(text) == valid
    assert is_valid_address(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("::", True), ("::1", True), ("fd00:77::2", True), ("1:2:3:4:5:6:7:8", True), ("::ffff:192.0.2.1", True),
        ("1:2:3", False), ("fe80::1%eth0", False), ("ipv6:::1", False), ("g::1", False), (":", False), ("::1\0", False),
        ("[::1]", False),
    ],
)  # fmt: skip
def test_ipv6(text: str, valid: bool) -> None:
    assert is_valid_address(text) == valid


@given(st.text(max_size=300))
def test_any_text_is_judged_and_no_name_is_an_address(text: str) -> None:
    assert not (is_valid_hostname(text) and is_valid_address(text))


@given(st.ip_addresses())
def test_addresses_have_one_canonical_form(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    for text in (str(address), address.exploded):
        if is_valid_address(text):  # 0.x.y.z is none
            assert ipaddress.ip_address(canonical_address(text)) == address
            assert canonical_address(canonical_address(text)) == canonical_address(text)
            assert family_of(text) is (Family.IPV4 if address.version == 4 else Family.IPV6)


def test_canonical_form_of_odd_spellings() -> None:
    assert canonical_address("FD00:0077::0002") == "fd00:77::2"
    assert canonical_address("fe80::1%eth0") == "fe80::1"
    assert canonical_address("192.000.002.001") == "192.0.2.1"


@pytest.mark.parametrize(
    ("name", "ascii_name"),
    [
        ("a.test", "a.test"),
        ("Bad..Name", "Bad..Name"),
        ("Bücher.test", "xn--bcher-kva.test"),
        ("faß.test", "xn--fa-hia.test"),
        ("i\u2764.test", "xn--i-7iq.test"),
        ("a_b.ü", "a_b.xn--tda"),
        ("ü.xn--mnchen-3ya", "xn--tda.xn--mnchen-3ya"),
        ("m\u00fcnchen\u3002test", "xn--mnchen-3ya.test"),
        ("ü.xn--mnchen", None),
        ("ü.xn--a", None),
        ("ü.xn--\u20ac", None),
        ("\u0301ü.test", None),
        ("-ü.test", None),
        ("ab--ü.test", None),
        ("ü.ab--c", None),
        ("\u180e\u0c50.test", None),
        ("ü-.test", None),
        ("ü..test", None),
        ("ü" * 70, None),
        ("\ud800.test", None),
    ],
)
def test_a_labels(name: str, ascii_name: str | None) -> None:
    assert to_ascii(name) == ascii_name


def test_a_labels_of_2003() -> None:
    assert to_ascii("faß.test", idna2003=True) == "fass.test"
    assert to_ascii("i\u2764\u200d.test", idna2003=True) == "xn--i-7iq.test"
    assert to_ascii("-ü.test", idna2003=True) is None
    assert to_ascii("ü..test", idna2003=True) is None


@given(st.text(max_size=80), st.booleans())
def test_a_labels_of_any_text(text: str, idna2003: bool) -> None:
    converted = to_ascii(text, idna2003=idna2003)
    assert converted is None or converted == text or is_valid_hostname(converted)
