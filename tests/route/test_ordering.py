from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.model.server import Family, Server
from mailrider.resolver.answer import Record
from mailrider.route.ordering import (
    balance_families,
    cut_before,
    find_own,
    shuffle,
    sort_by_preference,
    sort_exchangers,
    sort_services,
)


def server(address: str, preference: int = 0) -> Server:
    return Server("m.test", address, 25, Family.IPV6 if ":" in address else Family.IPV4, preference)


def addresses(servers: list[Server]) -> str:
    return " ".join(each.address for each in servers)


def made_of(text: str) -> list[Server]:
    """`4` and `6` as servers of that family, numbered."""
    return [server(f"10.0.0.{index}" if kind == "4" else f"fd00::{index + 1:x}") for index, kind in enumerate(text)]


any_servers = st.lists(
    st.tuples(st.booleans(), st.integers(0, 255), st.integers(0, 3)).map(
        lambda each: server(f"fd00::{each[1]:x}" if each[0] else f"10.0.0.{each[1]}", each[2])
    )
)


def test_preference_comes_first_and_order_stays() -> None:
    servers = [server("10.0.0.3", 20), server("fd00::1", 10), server("10.0.0.1", 10), server("fd00::2", 10)]
    assert addresses(sort_by_preference(servers, None)) == "fd00::1 10.0.0.1 fd00::2 10.0.0.3"
    assert addresses(sort_by_preference(servers, Family.IPV4)) == "10.0.0.1 fd00::1 fd00::2 10.0.0.3"
    assert addresses(sort_by_preference(servers, Family.IPV6)) == "fd00::1 fd00::2 10.0.0.1 10.0.0.3"


def test_exchangers_are_sorted_and_order_stays() -> None:
    records = [Record("MX", "a", name, preference) for name, preference in (("x", 20), ("b", 10), ("a", 10))]
    assert [record.data for record in sort_exchangers(records)] == ["b", "a", "x"]


def test_shuffling_is_by_the_chance_given() -> None:
    servers = made_of("444466")
    assert shuffle(servers, random.Random(1)) == shuffle(servers, random.Random(1))
    assert {tuple(shuffle(servers[:3], random.Random(seed))) for seed in range(100)} == {
        tuple(servers[index] for index in order) for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    }


@given(any_servers, st.integers())
def test_shuffling_loses_nothing(servers: list[Server], seed: int) -> None:
    assert Counter(shuffle(servers, random.Random(seed))) == Counter(servers)


def test_finding_and_cutting_at_ourselves() -> None:
    servers = [server("10.0.0.1", 10), server("10.0.0.2", 20), server("10.0.0.3", 20), server("10.0.0.4", 30)]
    own = find_own(servers, {"10.0.0.3", "10.0.0.4"})
    assert own is servers[2]
    assert cut_before(servers, own.preference) == servers[:1]
    assert find_own(servers, frozenset()) is None
    assert cut_before(servers, 10) == []


@pytest.mark.parametrize(
    ("families", "limit", "kept"),
    [
        ("666666444444", 5, "6 6 6 4 4"),
        ("444444666666", 5, "4 4 4 6 6"),
        ("6666664", 5, "6 6 6 6 4"),
        ("4666666", 5, "4 6 6 6 6"),
        ("66666644", 5, "6 6 6 4 4"),
        ("4444446", 5, "4 4 4 4 6"),
        ("44466", 5, "4 4 4 6 6"),
        ("4444444", 5, "4 4 4 4 4 4 4"),
        ("4466", 2, "4 6"),
        ("6644", 1, "6"),
        ("4466", 1, "4"),
        ("4" * 150 + "6" * 150, 1000, "4 " * 50 + "6 " * 49 + "6"),
    ],
)
def test_families_are_balanced(families: str, limit: int, kept: str) -> None:
    result = balance_families(made_of(families), limit)
    assert " ".join("4" if each.family is Family.IPV4 else "6" for each in result) == kept


@given(any_servers, st.integers(1, 120))
def test_balancing_keeps_order_and_the_limit(servers: list[Server], limit: int) -> None:
    result = balance_families(servers, limit)
    position = 0
    for kept in result:
        position = servers.index(kept, position) + 1
    both = len({each.family for each in servers}) == 2
    assert len(result) == (min(limit, len(servers), 100) if both and len(servers) > min(limit, 100) else len(servers))
    if both and limit > 1:
        assert len({each.family for each in result}) == 2


def service(target: str, priority: int, weight: int) -> Record:
    return Record("SRV", "s", target, priority, weight, 25)


def test_services_go_by_priority_and_then_by_weight() -> None:
    records = [service("heavy", 10, 90), service("light", 10, 10), service("best", 5, 0), service("last", 20, 50)]
    chance = random.Random(7)
    orders = Counter(tuple(record.data for record in sort_services(records, chance)) for _ in range(1000))
    assert set(orders) == {("best", "heavy", "light", "last"), ("best", "light", "heavy", "last")}
    assert 850 < orders["best", "heavy", "light", "last"] < 940


@given(st.lists(st.builds(service, st.text(max_size=2), st.integers(0, 3), st.integers(0, 3)), max_size=20), st.integers())
def test_no_service_is_lost(records: list[Record], seed: int) -> None:
    result = sort_services(records, random.Random(seed))
    assert Counter(result) == Counter(records)
    priorities = [record.preference for record in result]
    assert priorities == sorted(priorities)
