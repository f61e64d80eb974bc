from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from mailrider.errors import TableTrouble
from mailrider.events import Event, Noted, Warned
from mailrider.resolver.answer import Answer, HostAddresses, Record, Resolver, Verdict
from mailrider.resolver.reply_filter import FilteringResolver, tell_record
from mailrider.testkit.zone import Zone, ZoneResolver

from .contract import ResolverContract

RECORDS = ["a.test A 192.0.2.1", "a.test A 192.0.2.2", "a.test AAAA 2001:db8::1", "a.test MX 10 a.test"]


class TestFilterThatDropsNothing(ResolverContract):
    @asynccontextmanager
    async def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AsyncIterator[Resolver]:
        yield FilteringResolver(ZoneResolver(zone, hosts), lambda text: None)


def ask(find: Callable[[str], str | None], *types: str, faults: dict[str, str] | None = None) -> tuple[Answer, list[Event]]:
    events: list[Event] = []
    resolver = FilteringResolver(ZoneResolver(Zone(RECORDS, faults=faults)), find, observer=events.append)
    return asyncio.run(resolver.ask("a.test", types)), events


@pytest.mark.parametrize("action", ["IGNORE", "ignore", "IGNORE because", "Ignore\tso"])
def test_records_are_dropped_and_told(action: str) -> None:
    answer, events = ask({"a.test. 60 IN A 192.0.2.1": action}.get, "A")
    assert [record.data for record in answer.records] == ["192.0.2.2"]
    assert events == [Noted("ignoring DNS RR: a.test. 60 IN A 192.0.2.1")]


def test_nothing_is_left() -> None:
    answer, _ = ask(lambda text: "IGNORE", "MX")
    assert answer.verdict is Verdict.POLICY
    assert answer.reason == "Error looking up name=a.test type=MX: DNS reply filter drops all results"


def test_each_type_stands_by_itself() -> None:
    def drop_ipv4(text: str) -> str | None:
        return "IGNORE" if " IN A " in text else None

    answer, _ = ask(drop_ipv4, "A", "AAAA")
    assert [record.data for record in answer.records] == ["2001:db8::1"]
    failed, _ = ask(drop_ipv4, "A", "AAAA", faults={"a.test/AAAA": "SERVFAIL"})
    assert failed.verdict is Verdict.POLICY


@pytest.mark.parametrize("action", ["REJECT", "", "IGNORED"])
def test_unknown_actions(action: str) -> None:
    answer, events = ask(lambda text: action, "MX")
    assert answer.verdict is Verdict.SOFT
    assert answer.reason == "Error looking up name=a.test type=MX: Invalid DNS reply filter syntax"
    assert events == [Warned(f'smtp_dns_reply_filter: unknown DNS filter action: "{action}"')]


def test_a_table_that_cannot_answer() -> None:
    def broken(text: str) -> str | None:
        raise TableTrouble("the table is gone")

    answer, events = ask(broken, "MX")
    assert answer.verdict is Verdict.SOFT
    assert events == [Warned("the table is gone")]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (Record("MX", "a.test", "b.test", 10, ttl_seconds=5), "a.test. 5 IN MX 10 b.test."),
        (Record("SRV", "a.test", "b.test", 1, 2, 3, 5), "a.test. 5 IN SRV 1 2 3 b.test."),
        (Record("CNAME", "a.test", "b.test", ttl_seconds=5), "a.test. 5 IN CNAME b.test."),
        (Record("TLSA", "a.test", "3 1 1 ab", ttl_seconds=5), "a.test. 5 IN TLSA 3 1 1 ab"),
        (Record("TXT", "a.test", "x y", ttl_seconds=5), "a.test. 5 IN TXT x y"),
    ],
)
def test_records_as_text(record: Record, text: str) -> None:
    assert tell_record(record) == text
