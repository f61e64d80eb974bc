from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from mailrider.model.server import Family
from mailrider.resolver.answer import Answer, HostAddresses, Record, Resolver, Search, Verdict
from mailrider.resolver.cache import FOUND_LIMIT_SECONDS, NOT_FOUND_LIMIT_SECONDS, CachingResolver
from mailrider.testkit.zone import Zone, ZoneResolver

from .contract import ResolverContract


class MovableClock:
    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def monotonic_seconds(self) -> float:
        return self.now_seconds

    def wall_seconds(self) -> float:
        return self.now_seconds


class TestCached(ResolverContract):
    @asynccontextmanager
    async def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AsyncIterator[Resolver]:
        yield CachingResolver(ZoneResolver(zone, hosts), MovableClock())


class Inner:
    """Answers with what it was given, counts the questions, and can be held up."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        self.asked.append((name, types, dnssec, search))
        await self.gate.wait()
        return self.answer._replace(reason=f"{name}/{types[0]}")

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        self.asked.append((host, family))
        return HostAddresses(("192.0.2.1",))


def found(ttl_seconds: int = 60) -> Answer:
    return Answer(Verdict.FOUND, (Record("A", "a.test", "192.0.2.1"),), ttl_seconds=ttl_seconds)


def run(
    answer: Answer, story: Callable[[CachingResolver, Inner, MovableClock], Awaitable[None]], entries_limit: int = 100
) -> Inner:
    async def main() -> Inner:
        inner, clock = Inner(answer), MovableClock()
        await story(CachingResolver(inner, clock, entries_limit=entries_limit), inner, clock)
        return inner

    return asyncio.run(main())


def asked_after(answer: Answer, seconds: float) -> int:
    """How often the inner resolver is asked by two questions with a pause between them."""

    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        first = await cache.ask("a.test", ("A",))
        clock.now_seconds += seconds
        assert await cache.ask("a.test", ("A",)) == first

    return len(run(answer, story).asked)


@pytest.mark.parametrize(
    ("answer", "kept_seconds"),
    [
        (found(60), 60),
        (found(10**6), FOUND_LIMIT_SECONDS),
        (Answer(Verdict.NOT_FOUND, ttl_seconds=30), 30),
        (Answer(Verdict.NOT_FOUND, ttl_seconds=10**6), NOT_FOUND_LIMIT_SECONDS),
        (Answer(Verdict.NULL_MX, ttl_seconds=30), 30),
        (Answer(Verdict.NULL_SRV, ttl_seconds=30), 30),
    ],
)
def test_how_long_answers_are_kept(answer: Answer, kept_seconds: float) -> None:
    assert asked_after(answer, kept_seconds - 0.5) == 1
    assert asked_after(answer, kept_seconds) == 2


@pytest.mark.parametrize("verdict", [Verdict.SOFT, Verdict.HARD, Verdict.INVALID, Verdict.POLICY])
def test_failures_are_not_kept(verdict: Verdict) -> None:
    assert asked_after(Answer(verdict, ttl_seconds=60), 0) == 2


def test_what_has_no_ttl_is_not_kept() -> None:
    assert asked_after(found(0), 0) == 2


def test_questions_are_told_apart() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        for _ in range(2):
            await cache.ask("a.test", ("A",))
            await cache.ask("A.test", ("A",))
            await cache.ask("a.test", ("MX",))
            await cache.ask("a.test", ("A",), dnssec=True)
            await cache.ask("a.test", ("A",), search=Search.DNSRCH)

    assert run(found(), story).asked == [
        ("a.test", ("A",), False, Search.NONE),
        ("A.test", ("A",), False, Search.NONE),
        ("a.test", ("MX",), False, Search.NONE),
        ("a.test", ("A",), True, Search.NONE),
        ("a.test", ("A",), False, Search.DNSRCH),
    ]


def test_several_types_are_one_question() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        for _ in range(2):
            await cache.ask("a.test", ("A", "AAAA"))
            await cache.ask("a.test", ("AAAA",))

    assert [types for _, types, _, _ in run(found(), story).asked] == [("A", "AAAA"), ("AAAA",)]


def test_an_answer_of_which_a_part_failed_is_not_kept() -> None:
    zone = Zone(["a.test A 192.0.2.1"], faults={"a.test/AAAA": "SERVFAIL"})

    async def main() -> None:
        cache = CachingResolver(ZoneResolver(zone), MovableClock())
        for _ in range(2):
            assert (await cache.ask("a.test", ("A", "AAAA"))).verdict is Verdict.FOUND

    asyncio.run(main())
    assert len(zone.asked) == 4


def test_one_question_serves_all_who_ask_at_once() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        inner.gate.clear()
        waiting = [asyncio.create_task(cache.ask("a.test", ("A",))) for _ in range(5)]
        await asyncio.sleep(0)
        inner.gate.set()
        answers = await asyncio.gather(*waiting)
        assert len(set(answers)) == 1

    assert len(run(found(0), story).asked) == 1


def test_who_goes_away_does_not_take_the_answer_along() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        inner.gate.clear()
        first = asyncio.create_task(cache.ask("a.test", ("A",)))
        second = asyncio.create_task(cache.ask("a.test", ("A",)))
        await asyncio.sleep(0)
        first.cancel()
        inner.gate.set()
        assert (await second).verdict is Verdict.FOUND
        with pytest.raises(asyncio.CancelledError):
            await first

    assert len(run(found(), story).asked) == 1


def test_the_memory_is_bounded_and_the_oldest_goes() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        for name in ("a.test", "b.test", "c.test", "c.test", "b.test", "a.test"):
            await cache.ask(name, ("A",))

    asked = [name for name, *_ in run(found(), story, entries_limit=2).asked]
    assert asked == ["a.test", "b.test", "c.test", "a.test"]


def test_forgetting() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        await cache.ask("a.test", ("A",))
        cache.forget()
        await cache.ask("a.test", ("A",))

    assert len(run(found(), story).asked) == 2


def test_closing_breaks_off_what_is_under_way() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        inner.gate.clear()
        waiting = asyncio.create_task(cache.ask("a.test", ("A",)))
        await asyncio.sleep(0)
        await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(found(), story)


def test_an_inner_fault_reaches_all_and_is_not_kept() -> None:
    class Broken(Inner):
        async def ask(self, name: str, types: tuple[str, ...], **_: object) -> Answer:  # type: ignore[override]
            self.asked.append((name,))
            raise RuntimeError("a fault")

    async def main() -> None:
        inner = Broken(found())
        cache = CachingResolver(inner, MovableClock())
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await cache.ask("a.test", ("A",))
        assert len(inner.asked) == 2

    asyncio.run(main())


def test_the_native_name_service_is_asked_every_time() -> None:
    async def story(cache: CachingResolver, inner: Inner, clock: MovableClock) -> None:
        for _ in range(2):
            assert (await cache.ask_host("a.test", Family.IPV4)).addresses == ("192.0.2.1",)

    assert run(found(), story).asked == [("a.test", Family.IPV4)] * 2
