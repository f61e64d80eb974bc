"""When a policy is fetched, how long it binds, and what an attacker who holds the network can do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailrider.trust.mta_sts import Mode
from mailrider.trust.mta_sts_fetch import FETCH_ERROR
from mailrider.trust.mta_sts_finder import StsFinding, policy_domain
from trust.policy_host import DOMAIN, ENFORCE, PolicyHost, Scenery, page
from virtual_time import run

pytest.importorskip("httpx", reason="httpx is not installed: pip install mailrider[mta-sts]")

DAY = 86400.0
SHORT = ENFORCE.replace(b"604800", b"3000")
NONE = b"version: STSv1\nmode: none\nmax_age: 604800\n"


def play(
    work: Callable[[Scenery, PolicyHost], Awaitable[None]], *answers: bytes | None, directory: str = "", limit: float = 7200.0
) -> None:
    async def main() -> None:
        async with PolicyHost(*answers) as host:
            scenery = Scenery(host, directory)
            try:
                await work(scenery, host)
            finally:
                await scenery.finder.close()

    run(main(), limit_seconds=limit)


async def find(scenery: Scenery) -> StsFinding:
    found = await scenery.finder.find(DOMAIN, DOMAIN)
    assert found is not None
    return found


def test_the_first_delivery_fetches_and_the_others_know() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        found = await find(scenery)
        assert found.policy is not None
        assert found.policy.mode is Mode.ENFORCE
        assert found.enforced
        for _ in range(5):
            assert await find(scenery) == found
        assert len(host.heads) == 1
        assert not scenery.warnings

    play(work)


def test_deliveries_at_once_wait_for_one_fetch() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        found = await asyncio.gather(*(find(scenery) for _ in range(10)))
        assert all(each.enforced for each in found)
        assert len(host.heads) == 1

    play(work)


def test_who_is_cancelled_does_not_take_the_others_along() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        first = asyncio.create_task(find(scenery))
        second = asyncio.create_task(find(scenery))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).enforced
        assert len(host.heads) == 1

    play(work)


def test_a_domain_that_announces_nothing_is_not_bothered() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        assert await scenery.finder.find("other.test", "other.test") is None
        assert not host.heads

    play(work)


def test_a_changed_id_brings_the_new_policy() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        scenery.announce("two")
        found = await find(scenery)
        assert found.policy is not None
        assert found.policy.mode is Mode.NONE
        assert found.kept is not None
        assert found.kept.id == "two"
        await find(scenery)
        assert len(host.heads) == 2

    play(work, page(), page(NONE))


def test_a_changed_id_without_a_policy_behind_it_changes_nothing() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        scenery.announce("two")
        found = await find(scenery)
        assert found.enforced
        assert found.kept is not None
        assert found.kept.id == "one"
        await find(scenery)
        assert len(host.heads) == 2  # not again within five minutes
        await asyncio.sleep(301)
        await find(scenery)
        assert len(host.heads) == 3
        assert "cannot be fetched again" in scenery.warnings[0]

    play(work, page(), page(status=404))


def test_a_record_that_has_gone_does_not_free_anybody() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        scenery.zone.faults[(f"_mta-sts.{DOMAIN}", "TXT")] = next(iter(type_of_fault(scenery)))
        assert (await find(scenery)).enforced
        assert len(host.heads) == 1

    def type_of_fault(scenery: Scenery) -> list[object]:
        from mailrider.testkit.zone import Fault

        return [Fault.NXDOMAIN]

    play(work)


def test_a_policy_expires() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        assert (await find(scenery)).enforced
        await asyncio.sleep(2999 - 1500)  # not yet past the middle
        assert (await find(scenery)).enforced
        assert len(host.heads) == 1
        await asyncio.sleep(1502)
        found = await find(scenery)
        assert found.policy is None
        assert found.failure is not None
        assert found.failure.result == FETCH_ERROR
        assert "is announced but cannot be had" in scenery.warnings[-1]

    play(work, page(SHORT), page(status=500))


def test_a_policy_in_its_second_half_is_fetched_again_beside_the_mail() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        first = await find(scenery)
        assert first.kept is not None
        await asyncio.sleep(2000)
        assert await find(scenery) == first  # nobody waits
        while len(host.heads) < 2 or scenery.finder._background:
            await asyncio.sleep(0.001)
        again = await find(scenery)
        assert again.kept is not None
        assert again.kept.fetched_seconds >= first.kept.fetched_seconds + 2000
        await asyncio.sleep(1400)
        assert (await find(scenery)).enforced  # the first one would have expired by now

    play(work, page(SHORT))


def test_once_a_day_where_there_is_mail() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        await asyncio.sleep(DAY - 10)
        await find(scenery)
        assert len(host.heads) == 1
        await asyncio.sleep(20)
        await find(scenery)
        while scenery.finder._background:
            await asyncio.sleep(0.001)
        assert len(host.heads) == 2

    play(work, limit=3 * DAY)


def test_policies_without_mail_are_fetched_before_they_expire() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        await asyncio.sleep(4 * DAY)  # of seven
        await scenery.finder.find("other.test", "other.test")  # mail to somebody else
        while scenery.finder._background:
            await asyncio.sleep(0.001)
        assert len(host.heads) == 2
        await asyncio.sleep(6 * DAY)
        kept = scenery.store.find(DOMAIN, scenery.clock.wall_seconds())
        assert kept is not None

    play(work, limit=20 * DAY)


def test_failures_of_a_policy_that_is_none_are_nobodys_business() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        await find(scenery)
        scenery.announce("two")
        found = await find(scenery)
        assert not found.enforced
        assert not scenery.warnings

    play(work, page(NONE), page(status=404))


def test_the_policy_survives_a_restart_even_if_its_host_does_not(tmp_path: Path) -> None:
    async def first(scenery: Scenery, host: PolicyHost) -> None:
        assert (await find(scenery)).enforced

    async def second(scenery: Scenery, host: PolicyHost) -> None:
        found = await find(scenery)
        assert found.enforced
        assert not host.heads

    play(first, directory=str(tmp_path))
    play(second, page(status=404), directory=str(tmp_path))


def test_a_host_that_hangs_holds_the_mail_up_once() -> None:
    async def work(scenery: Scenery, host: PolicyHost) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await find(scenery)
        assert found.failure is not None
        assert loop.time() - began == pytest.approx(30.0, abs=1.0)
        began = loop.time()
        await find(scenery)
        assert loop.time() == began
        assert len(host.heads) == 1

    play(work, None)


@pytest.mark.parametrize(
    ("nexthop", "domain", "wanted"),
    [
        ("dest.test", "dest.test", "dest.test"),
        ("Dest.Test:587", "Dest.Test", "dest.test"),
        ("bücher.test", "bücher.test", "xn--bcher-kva.test"),
        ("[dest.test]", "dest.test", None),
        ("[192.0.2.1]", "192.0.2.1", None),
        ("192.0.2.1", "192.0.2.1", None),
        ("localhost", "localhost", None),
        ("/run/socket", "me.test", None),
        ("", "", None),
    ],
)
def test_whose_policy_counts(nexthop: str, domain: str, wanted: str | None) -> None:
    assert policy_domain(nexthop, domain) == wanted
