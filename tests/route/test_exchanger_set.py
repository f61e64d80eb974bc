"""Which exchangers a next hop names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.model.request import Transport
from mailrider.route.exchanger_set import ExchangerSet, Unknown, find_exchanger_set
from mailrider.route.nexthop import parse_nexthop
from mailrider.route.policy import DnsSupport, RoutePolicy
from mailrider.testkit.zone import Zone, ZoneResolver

KNOWN = {"smtp": 25, "submission": 587, "lmtp": 24}
RECORDS = [
    "one.example MX 10 MX2.host.example", "one.example MX 20 mx1.host.example",
    "two.example MX 5 mx1.host.example", "two.example MX 5 mx2.host.example", "two.example MX 7 mx2.host.example",
    "null.example MX 0 .", "bare.example A 192.0.2.1",
]  # fmt: skip
BOTH = ("mx1.host.example", "mx2.host.example")


def find(nexthop: str, *, faults: dict[str, str] | None = None, **policy: Any) -> ExchangerSet | Unknown | None:
    terms = RoutePolicy(**policy)
    destinations = parse_nexthop(nexthop, terms.transport, "smtp", KNOWN)
    return asyncio.run(find_exchanger_set(destinations, ZoneResolver(Zone(RECORDS, faults=faults)), terms))


@pytest.mark.parametrize("nexthop", ["one.example", "two.example", "TWO.example"])
def test_neither_order_nor_preference_nor_case_makes_another_set(nexthop: str) -> None:
    assert find(nexthop) == ExchangerSet(BOTH, 25)


def test_another_port_is_another_set() -> None:
    assert find("one.example:587") == ExchangerSet(BOTH, 587)
    assert str(find("one.example:587")) == "mx1.host.example,mx2.host.example:587"


@pytest.mark.parametrize(
    ("nexthop", "policy"),
    [
        ("[one.example]", {}),
        ("[192.0.2.1]", {}),
        ("one.example, two.example", {}),
        ("null.example", {}),
        ("bare.example", {}),
        ("nowhere.example", {}),
        ("one.example", {"dns": DnsSupport.DISABLED}),
        ("one.example", {"transport": Transport.LMTP}),
        ("unix:/run/lmtp", {"transport": Transport.LMTP}),
    ],
)
def test_who_names_none(nexthop: str, policy: dict[str, Any]) -> None:
    assert find(nexthop, **policy) is None


def test_a_name_server_that_cannot_answer() -> None:
    answer = find("one.example", faults={"one.example/MX": "SERVFAIL"})
    assert isinstance(answer, Unknown)
    assert "one.example" in answer.reason
