from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from mailrider.resolver.answer import RECORDS_LIMIT, Answer, HostAddresses, Record, Resolver, Verdict, combine
from mailrider.testkit.zone import Zone, ZoneResolver

from .contract import ResolverContract

PRECEDENCE = [
    Verdict.FOUND,
    Verdict.POLICY,
    Verdict.SOFT,
    Verdict.INVALID,
    Verdict.HARD,
    Verdict.NULL_MX,
    Verdict.NULL_SRV,
    Verdict.NOT_FOUND,
]


class TestZoneResolver(ResolverContract):
    """The resolver of the tests keeps the promises of the real one."""

    @asynccontextmanager
    async def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AsyncIterator[Resolver]:
        yield ZoneResolver(zone, hosts)


def test_precedence_is_that_of_smtp() -> None:
    assert sorted(Verdict, reverse=True) == PRECEDENCE


def test_no_question_has_no_answer() -> None:
    assert combine([]) == Answer(Verdict.NOT_FOUND)


@given(st.lists(st.sampled_from(PRECEDENCE), min_size=1))
def test_the_highest_wins_and_the_last_of_equals(verdicts: list[Verdict]) -> None:
    answers = [Answer(verdict, reason=str(index)) for index, verdict in enumerate(verdicts)]
    combined = combine(answers)
    assert combined.verdict is max(verdicts)
    assert combined.reason == str(max(index for index, each in enumerate(verdicts) if each is max(verdicts)))


def test_records_and_warnings_are_joined_and_the_shortest_ttl_counts() -> None:
    first = Answer(Verdict.FOUND, (Record("A", "a", "1"),), ttl_seconds=60, warnings=("x",))
    second = Answer(Verdict.FOUND, (Record("AAAA", "a", "2"),), ttl_seconds=30, warnings=("y",))
    missing = Answer(Verdict.NOT_FOUND, reason="no", ttl_seconds=10)
    combined = combine([first, second, missing])
    assert combined == Answer(Verdict.FOUND, first.records + second.records, "", 10, ("x", "y"))


def test_a_full_list_ends_the_questions() -> None:
    full = Answer(Verdict.FOUND, (Record("A", "a", "1"),) * (RECORDS_LIMIT - 1))
    more = Answer(Verdict.FOUND, (Record("AAAA", "a", "2"),) * 5)
    after = Answer(Verdict.FOUND, (Record("AAAA", "a", "3"),), warnings=("never seen",))
    combined = combine([full, more, after])
    assert len(combined.records) == RECORDS_LIMIT
    assert combined.records[-1].data == "2"
    assert combined.warnings == ()
