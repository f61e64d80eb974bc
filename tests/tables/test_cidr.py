from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.tables.cidr import Address, WrongNetwork, parse_address, parse_network
from mailrider.tables.opening import open_table

# The table and the answers with which Postfix tests its own.
TABLE = """172.16.0.0/21		554 match bad netblock 172.16.0.0/21
172.16.8.0/21		554 match bad netblock 172.16.8.0/21
172.16.0.0/16		554 match bad netblock 172.16.0.0/16
172.17.1.1		554 match bad naked address
172.16.1.3/21		whatever
172.16.1.3/33		whatever
172.999.0.0/21		whatever
172.16.1.999		whatever
172.16.1.4
if 1.2.0.0/16
if 1.2.3.4/30
1.2.3.3		1.2.3.3 can't happen
1.2.3.4		1.2.3.4 can happen
1.2.3.7		1.2.3.7 can happen
1.2.3.8		1.2.3.8 can't happen
endif
endif
if !1.2.3.4/30
1.2.3.3		1.2.3.3 can happen
1.2.3.8		1.2.3.8 can happen
endif
if ::f4/126
::f3		::f3 can't happen
::f4		::f4 can happen
endif
if !::f4/126
::f3		::f3 can happen
endif
2001:240:5c7:0:2d0:b7ff:fe88:2ca7 match 2001:240:5c7:0:2d0:b7ff:fe88:2ca7
2001:240:5c7::/64	match netblock 2001:240:5c7::/64
1.0.0.0/0		match 0.0.0.0/0
! ! 0.0.0.0/0		match 0.0.0.0/0
1::/0			match ::/0
::/0			match ::/0
[1234			can't happen
[1234]junk		can't happen
172.16.1.3/3x		can't happen
endif
endif junk
if 1:2::3:4
if 1:2::3:5
if !
!
"""
ANSWERS = {
    "172.16.0.0": "554 match bad netblock 172.16.0.0/21",
    "172.16.7.255": "554 match bad netblock 172.16.0.0/21",
    "172.16.8.1": "554 match bad netblock 172.16.8.0/21",
    "172.16.17.1": "554 match bad netblock 172.16.0.0/16",
    "172.17.1.1": "554 match bad naked address",
    "172.17.1.2": "match 0.0.0.0/0",
    "2001:240:5c7:0:2d0:b7ff:fe88:2ca7": "match 2001:240:5c7:0:2d0:b7ff:fe88:2ca7",
    "2001:240:5c7:0:2d0:b7ff:febe:ca9f": "match netblock 2001:240:5c7::/64",
    "1:1:1:1:1:1:1:1": "match ::/0",
    "1.2.3.3": "1.2.3.3 can happen",
    "1.2.3.4": "1.2.3.4 can happen",
    "1.2.3.7": "1.2.3.7 can happen",
    "1.2.3.8": "1.2.3.8 can happen",
    "::f3": "::f3 can happen",
    "::f4": "::f4 can happen",
    "mail.example.test": None,
    "1.2.3": None,
    "01.2.3.4": None,
    "": None,
}


def test_a_table_answers_as_in_postfix(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text(TABLE)
    warnings: list[str] = []
    table = open_table(f"cidr:{path}", warn=warnings.append)
    assert {key: table.find(key) for key in ANSWERS} == ANSWERS
    warned = [int(warning.split("line ")[1].split(":")[0]) for warning in warnings]
    assert warned == [5, 6, 7, 8, 9, 31, 33, 35, 36, 37, 38, 39, 42, 43, 41, 40]


@pytest.mark.parametrize(
    ("title", "answers"),
    [
        ("cidr:{{!192.0.2.0/24 out}}", {"192.0.2.1": None, "192.0.3.1": "out", "::1": None}),
        (
            "cidr:{{[::1] six}, {[2001:db8::]/32 doc}, {[fe80::/10] link}}",
            {"::1": "six", "2001:DB8::5": "doc", "fe80::1": "link"},
        ),
        ("cidr:{{if 10.0.0.0/8}, {::1 never}, {endif}, {::1 yes}}", {"::1": "yes", "10.1.1.1": None}),
        ("cidr:{{if 10.0.0.0/8}, {10.1.1.1 yes}}", {"10.1.1.1": "yes"}),
    ],
)
def test_rules(title: str, answers: dict[str, str | None]) -> None:
    table = open_table(title)
    assert {key: table.find(key) for key in answers} == answers


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.1/24", "192.0.2.0/24 has not"),
        ("2001:db8::1/64", "2001:db8::/64 has not"),
        ("192.0.2.0/", "no prefix length of 0 to 32"),
        ("192.0.2.0/²4", "no prefix length"),
        ("[::1", "no ] at its end"),
        ("[::1]x", "no ] at its end"),
        ("[10.0.0.0/8]/8", "no prefix length"),
        ("example.test", "is no address"),
    ],
)
def test_wrong_networks_are_explained(text: str, hint: str) -> None:
    with pytest.raises(WrongNetwork) as trouble:
        parse_network(text)
    assert hint in str(trouble.value)


@settings(deadline=None)
@given(st.ip_addresses(), st.data())
def test_networks_hold_what_the_standard_library_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, address.max_prefixlen))
    network = ipaddress.ip_network((address, length), strict=False)
    other = data.draw(st.ip_addresses(v=address.version) | st.ip_addresses(network=network))
    found = parse_address(str(other))
    assert found == Address(other.max_prefixlen, int(other))
    assert parse_network(str(network)).holds(found) is (other in network)


@settings(deadline=None)
@given(st.text(st.characters() | st.sampled_from("0123456789abcdef:./[]%"), max_size=60))
def test_any_text_is_a_network_or_wrong(text: str) -> None:
    parse_address(text)
    try:
        network = parse_network(text)
    except WrongNetwork:
        return
    assert network.value & network.mask == network.value
