"""The contract: what every filling of the spool promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.spool.fillings import (
    BOUNCED,
    DEFERRED,
    FILLINGS,
    FULL_SUBMISSION,
    SENT,
    START_SECONDS,
    Filling,
    finished,
    notice,
    numbers,
    only,
    put,
    run,
    submission,
    take,
    text_of,
)

from mailrider.errors import BrokenPromise, ContentUnreadable, WrongUsage
from mailrider.model.request import Notify, Recipient
from mailrider.spool.files import SMALL_OCTETS
from mailrider.spool.queue_id import key_of
from mailrider.spool.spool import (
    ALL,
    HELD_SECONDS,
    PASSED_OVER_SECONDS,
    Accepted,
    Committed,
    InDoubt,
    NotAccepted,
    Order,
    PastFailure,
    Selection,
    Spool,
    Stir,
)
from mailrider.spool.spread import Spread

LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * (SMALL_OCTETS // 8)


@pytest.fixture(params=FILLINGS)
def filling(request: pytest.FixtureRequest, tmp_path: Path) -> Filling:
    return Filling(request.param, tmp_path / "spool")


# Coming in


@pytest.mark.parametrize("content", [b"", b"Subject: x\r\n\r\nHello\r\n", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("way", ["whole", "pieces", "stream"])
def test_what_goes_in_comes_out(filling: Filling, content: bytes, way: str) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 5000):
            yield content[start : start + 5000]

    async def go() -> None:
        async with filling.open() as spool:
            pieces = [content[:7], content[7:]]
            given = content if way == "whole" else pieces if way == "pieces" else stream()
            accepted = await spool.accept(FULL_SUBMISSION, given)
            assert isinstance(accepted, Accepted)
            assert accepted.size_octets == len(content)
        async with filling.open() as spool:
            lease = (await take(spool))[accepted.queue_id]
            message = lease.message
            assert text_of(lease) == content
            assert text_of(lease) == content, "as often as wanted"
            assert lease.content.size_octets == message.size_octets == len(content)
            told = message.envelope._replace(recipients=tuple(one._replace(token=None) for one in message.envelope.recipients))
            assert told == FULL_SUBMISSION.envelope
            assert [one.token for one in message.envelope.recipients] == numbers(lease) == [0, 1]
            assert message.client == FULL_SUBMISSION.client
            assert (message.origin, message.on_hold, message.recipients_total) == ("smtp", False, 2)
            assert (message.arrival_seconds, message.expires_seconds) == (START_SECONDS - 60, START_SECONDS + 1000)
            assert await spool.show(accepted.queue_id) == message
            content_again = await spool.content(accepted.queue_id)
            assert content_again is not None
            assert b"".join(content_again.chunks()) == content

    run(go())


def test_a_queue_id_may_be_known_before(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            wanted = spool.new_queue_id()
            assert wanted != spool.new_queue_id()
            assert await put(spool, submission(queue_id=wanted)) == wanted
            again = await spool.accept(submission(queue_id=wanted), b"\r\n")
            assert isinstance(again, NotAccepted)
            assert len(await spool.list()) == 1

    run(go())


def test_what_cannot_be_asked_for(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            with pytest.raises(WrongUsage):
                await spool.accept(submission(queue_id="NOQUEUE"), b"")
            nobody = submission()
            with pytest.raises(WrongUsage):
                await spool.accept(nobody._replace(envelope=nobody.envelope._replace(recipients=())), b"")

    run(go())


class ClientGone(Exception):
    pass


@pytest.mark.parametrize("before", [10, 3 * SMALL_OCTETS])
def test_a_door_that_breaks_off_leaves_nothing(filling: Filling, before: int) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * before
        raise ClientGone

    async def broken_stream() -> AsyncIterator[bytes]:
        yield b"x" * before
        raise ClientGone

    async def go() -> None:
        async with filling.open() as spool:
            for content in (broken(), broken_stream()):
                with pytest.raises(ClientGone):
                    await spool.accept(submission(), content)
            assert await spool.list() == ()
            assert (await spool.stats()).messages == 0
        assert not list(filling.folder.glob("content/*"))

    run(go())


def test_many_at_the_same_moment(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            given = [spool.accept(submission(f"b{number}@b.example"), b"%d\r\n" % number) for number in range(200)]
            answers = await asyncio.gather(*given)
            ids = [answer.queue_id for answer in answers if isinstance(answer, Accepted)]
            assert len(set(ids)) == 200
            leases = await take(spool)
            for number, queue_id in enumerate(ids):
                assert text_of(leases[queue_id]) == b"%d\r\n" % number
                assert only(leases[queue_id]).recipient.address == f"b{number}@b.example"

    run(go())


# Going out


def test_a_recipient_is_leased_once(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await put(spool, submission())
            assert len(await spool.lease()) == 1
            assert await spool.lease() == ()

    run(go())


def test_what_a_dead_process_has_leased_comes_back(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            assert await spool.settle(lease, finished(0)) is Committed.DONE
        async with filling.open() as spool:
            assert numbers((await take(spool))[identity]) == [1]

    run(go())


def test_a_message_is_gone_with_its_last_recipient(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"), LARGE)
            lease = (await take(spool))[identity]
            first, second = spool.settle(lease, finished(0)), spool.settle(lease, finished(1))
            assert (await first, await second) == (Committed.DONE, Committed.REMOVED)
            assert await spool.settle(lease, finished(1)) is Committed.DONE, "nobody is there any more"
            assert await spool.show(identity) is None
            assert await spool.content(identity) is None
            with pytest.raises(ContentUnreadable):
                text_of(lease)
        assert not list(filling.folder.glob("content/*"))
        async with filling.open() as spool:
            assert await spool.lease() == ()

    run(go())


def test_both_at_once(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            assert await spool.settle(lease, finished(0, 1)) is Committed.REMOVED

    run(go())


def test_a_deferral_waits_for_its_time_and_keeps_its_reason(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            doubt = InDoubt("mx.b.example[192.0.2.1]:25", START_SECONDS)
            assert await spool.defer(lease, [0], DEFERRED, START_SECONDS + 300) is Committed.DONE
            assert await spool.defer(lease, [1], DEFERRED, START_SECONDS + 600, in_doubt=doubt) is Committed.DONE
            assert await spool.lease() == ()
            filling.clock.now_seconds += 299.9
            assert await spool.lease() == ()
            filling.clock.now_seconds += 0.2
            one = only((await take(spool))[identity])
            assert one.latest == PastFailure(DEFERRED, START_SECONDS)
            assert (one.number, one.attempts, one.not_before_seconds, one.in_doubt) == (0, 1, START_SECONDS + 300, None)
        async with filling.open() as spool:
            filling.clock.now_seconds += 400
            both = (await take(spool))[identity]
            assert numbers(both) == [0, 1]
            assert both.message.recipients[1].in_doubt == doubt
            again = spool.defer(both, [1], DEFERRED, filling.clock.now_seconds + 1)
            assert await again is Committed.DONE
            filling.clock.now_seconds += 2
            one = only((await take(spool))[identity])
            assert (one.attempts, one.in_doubt) == (2, doubt), "a doubt stays until the recipient is settled"

    run(go())


def test_a_deferral_until_now_is_handed_out_at_once(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identities = [await put(spool, submission()) for _ in range(3)]
            for lease in (await take(spool)).values():
                await spool.defer(lease, [0], DEFERRED, START_SECONDS - 10)
            assert sorted(await take(spool)) == sorted(identities)

    run(go())


def test_what_is_released_is_handed_out_again(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example", "d@d.example"))
            lease = (await take(spool))[identity]
            spool.release(lease, [1])
            part = (await take(spool))[identity]
            assert numbers(part) == [1]
            await spool.settle(part, finished(1))
            spool.release(lease)
            back = (await take(spool))[identity]
            assert numbers(back) == [0, 2]
            assert back.message.recipients[0].attempts == 0
            spool.release(lease)
            spool.release(back)
            assert numbers((await take(spool))[identity]) == [0, 2]

    run(go())


def test_a_lease_is_bounded(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            for _ in range(5):
                await put(spool, submission(*[f"b{number}@b.example" for number in range(10)]))
            first = await spool.lease(2)
            assert [len(lease.message.recipients) for lease in first] == [10, 10]
            second = await spool.lease(10, 15)
            assert sum(len(lease.message.recipients) for lease in second) == 15
            third = await spool.lease()
            assert sum(len(lease.message.recipients) for lease in third) == 15
            assert await spool.lease() == ()
            part = {lease.message.queue_id for lease in second} & {lease.message.queue_id for lease in third}
            assert len(part) == 1, "a message comes in parts where it does not fit"

    run(go())


def test_the_longest_due_comes_first(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            late = await put(spool, submission(not_before_seconds=START_SECONDS + 20))
            soon = await put(spool, submission(not_before_seconds=START_SECONDS + 10))
            filling.clock.now_seconds += 30
            assert [lease.message.queue_id for lease in await spool.lease(1)] == [soon]
            assert [lease.message.queue_id for lease in await spool.lease(1)] == [late]

    run(go())


def test_new_mail_and_old_mail_take_turns(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            old = {await put(spool, submission()) for _ in range(20)}
        async with filling.open() as spool:
            new = {await put(spool, submission()) for _ in range(20)}
            leased = {lease.message.queue_id for lease in await spool.lease(10)}
            assert leased & old
            assert leased & new or filling.name == "memory", "in memory the older is always first"
            rest = {lease.message.queue_id for lease in await spool.lease(100)}
            assert leased | rest == old | new

    run(go())


def test_a_domain_may_be_passed_over(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@Dead.example", "c@alive.example", "nobody"))
            asked: list[str] = []

            def passes_over(domain: str) -> bool:
                asked.append(domain)
                return domain == "dead.example"

            leases = await spool.lease(passes_over=passes_over)
            assert [numbers(lease) for lease in leases] == [[1, 2]]
            assert sorted(set(asked)) == ["", "alive.example", "dead.example"]
            filling.clock.now_seconds += PASSED_OVER_SECONDS + 0.1
            assert await spool.wait(0.0) == Stir.MAIL
            assert [(lease.message.queue_id, numbers(lease)) for lease in await spool.lease()] == [(identity, [0])]

    run(go())


def test_a_sender_may_be_passed_over(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await put(spool, submission("1@a.example", "2@b.example", "3@c.example", sender="crowd@here.example"))
            other = await put(spool, submission("1@a.example", "2@b.example", sender="other@here.example"))
            asked: list[tuple[str, str]] = []

            def passes_over_sender(domain: str, sender: str) -> bool:
                asked.append((domain, sender))
                return sender == "crowd@here.example"

            leases = await spool.lease(
                passes_over=lambda domain: {"a.example": None, "b.example": True}.get(domain, False),
                passes_over_sender=passes_over_sender,
            )
            found = {(lease.message.envelope.sender, *numbers(lease)) for lease in leases}
            assert found == {("crowd@here.example", 2), ("other@here.example", 0)}
            assert {domain for domain, _ in asked} == {"a.example"}
            assert await spool.lease() == (), "not yet"
            spool.look_again()
            assert await spool.wait(0.0) == Stir.MAIL
            rest = {(lease.message.queue_id == other, *numbers(lease)) for lease in await spool.lease()}
            assert rest == {(False, 0, 1), (True, 1)}

    run(go())


def test_of_a_mailing_only_so_many_are_out_at_a_time(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await put(spool, submission(*(f"u{number}@b.example" for number in range(11))))
            small = await put(spool, submission())
            leases = {lease.message.queue_id: lease for lease in await spool.lease(mailing_limit=4)}
            (large,) = set(leases) - {small}
            assert [len(numbers(lease)) for lease in leases.values()] == [4, 1]
            assert await spool.wait(0.0) == Stir.NOTHING
            await spool.settle(leases[large], finished(0))
            assert await spool.lease(mailing_limit=4) == ()
            waiting = asyncio.ensure_future(spool.wait(30.0))
            await asyncio.sleep(0)
            await spool.settle(leases[large], finished(2))
            assert await waiting == Stir.MAIL
            (second,) = await spool.lease(mailing_limit=4)
            assert numbers(second) == [4, 5]
            await spool.defer(leases[large], [1, 3], DEFERRED, START_SECONDS + 1000)
            (third,) = await spool.lease(mailing_limit=4)
            assert numbers(third) == [6, 7]
            await spool.settle(second, finished(4, 5))
            await spool.settle(third, finished(6, 7))
            (fourth,) = await spool.lease(mailing_limit=4)
            assert numbers(fourth) == [8, 9, 10]
            assert await spool.wait(0.0) == Stir.NOTHING
            filling.clock.now_seconds += 1000
            (fifth,) = await spool.lease(mailing_limit=4)
            assert len(numbers(fifth)) == 1
            await spool.settle(fourth, finished(8, 9, 10))
            assert len(await spool.lease(mailing_limit=4)) == 1

    run(go())


class ByDomain:
    """A share: some domains; for `unsure` ones it depends on the recipient."""

    def __init__(self, *domains: str, unsure: str | None = None, own: tuple[str, str] = ("", "")) -> None:
        self._domains = domains
        self._unsure = unsure
        self._own = own

    def has_domain(self, domain: str) -> bool | None:
        return None if domain == self._unsure else domain in self._domains

    def has_recipient(self, sender: str, address: str) -> bool:
        return (sender, address) == self._own


def test_of_a_share_nothing_else_is_handed_out(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            ours, theirs = ByDomain("a.example"), ByDomain("b.example", "")
            await put(spool, submission("1@a.example", "2@B.example", "nobody", "3@a.example"))
            assert [numbers(lease) for lease in await spool.lease(share=ours)] == [[0, 3]]
            await put(spool, submission("1@b.example"))
            await put(spool, submission("1@a.example"))
            assert [numbers(lease) for lease in await spool.lease(share=ours)] == [[0]]
            assert await spool.wait(0.0) == Stir.NOTHING, "what is another's is not for us"
            assert [numbers(lease) for lease in await spool.lease(share=theirs)] == [[1, 2], [0]]
            assert await spool.lease() == ()

    run(go())


def test_whose_a_recipient_is_may_depend_on_sender_and_address(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            share = ByDomain(unsure="a.example", own=("räk@here.example", "Two\udcff@A.example"))
            own = await put(spool, submission("one@a.example", "Two\udcff@A.example", sender="räk@here.example"))
            await put(spool, submission("Two\udcff@A.example", sender="other@here.example"))
            leases = await spool.lease(share=share)
            assert [(lease.message.queue_id, numbers(lease)) for lease in leases] == [(own, [1])]
            everybody = await spool.lease()
            assert sorted(number for lease in everybody for number in numbers(lease)) == [0, 0]

    run(go())


# Notices


def test_a_notice_comes_with_what_it_speaks_of(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            spool.settle(lease, finished(0))
            bounce = notice(content=b"Subject: bounce\r\n\r\n")
            assert await spool.discharge(lease, finished(1, outcome=BOUNCED), (), bounce) is Committed.REMOVED
            leases = await take(spool)
            (sent,) = leases.values()
            assert sent.message.envelope.sender == ""
            assert sent.message.origin == "notice"
            assert text_of(sent) == b"Subject: bounce\r\n\r\n"
            assert identity not in leases

    run(go())


def test_a_notice_that_is_owed_survives_its_writer(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            assert await spool.settle(lease, finished(0, outcome=BOUNCED, owed=True)) is Committed.DONE
            assert await spool.lease() == (), "an owed recipient stays in the lease"
        async with filling.open() as spool:
            lease = (await take(spool))[identity]
            owed, still_open = lease.message.recipients
            assert (owed.owed, still_open.owed) == (True, False)
            assert owed.latest == PastFailure(BOUNCED, START_SECONDS)
            assert await spool.settle(lease, finished(1)) is Committed.DONE
            assert await spool.discharge(lease, (), [0], None) is Committed.REMOVED
            assert await spool.list() == ()

    run(go())


def test_a_delay_notice_is_remembered(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            assert await spool.warn(lease, [1], notice()) is Committed.DONE
            assert await spool.defer(lease, [0, 1], DEFERRED, START_SECONDS + 10) is Committed.DONE
            filling.clock.now_seconds += 20
            leases = await take(spool)
            assert [one.warned for one in leases.pop(identity).message.recipients] == [False, True]
            assert [lease.message.envelope.sender for lease in leases.values()] == [""]

    run(go())


def test_a_doubt_is_written_down(filling: Filling) -> None:
    async def go() -> None:
        doubt = InDoubt("mx[192.0.2.1]:25", START_SECONDS + 0.5)
        async with filling.open() as spool:
            identity = await put(spool, submission())
            assert await spool.mark_in_doubt((await take(spool))[identity], [0], doubt) is Committed.DONE
            assert await spool.lease() == ()
        async with filling.open() as spool:
            assert only((await take(spool))[identity]).in_doubt == doubt

    run(go())


def test_a_large_notice(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            lease = (await take(spool))[identity] if (identity := await put(spool, submission())) else None
            assert lease is not None
            assert await spool.discharge(lease, finished(0), (), notice(content=LARGE)) is Committed.REMOVED
            (sent,) = (await take(spool)).values()
            assert text_of(sent) == LARGE

    run(go())


# Waiting


def test_waiting_ends_when_mail_comes_in(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await spool.lease()
            assert await spool.wait(0.0) == Stir.NOTHING
            waiting = asyncio.ensure_future(spool.wait(30.0))
            await asyncio.sleep(0)
            await put(spool, submission())
            assert await waiting == Stir.MAIL
            assert await spool.wait(30.0) == Stir.MAIL, "until somebody has looked"
            await spool.lease()
            assert await spool.wait(0.0) == Stir.NOTHING

    run(go())


def test_waiting_ends_when_a_turn_comes(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await put(spool, submission(not_before_seconds=START_SECONDS + 100))
            assert await spool.lease() == ()
            assert await spool.wait(0.0) == Stir.NOTHING
            filling.clock.now_seconds += 100
            assert await spool.wait(30.0) == Stir.MAIL
            assert len(await spool.lease()) == 1

    run(go())


def test_waiting_ends_when_an_operator_flushes(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission())
            await spool.defer((await take(spool))[identity], [0], DEFERRED, START_SECONDS + 4000)
            assert await spool.lease() == ()
            assert await spool.administer(Order.FLUSH, ALL) == 1
            assert await spool.wait(30.0) == Stir.MAIL | Stir.FLUSH
            one = only((await take(spool))[identity])
            assert (one.attempts, one.not_before_seconds) == (1, START_SECONDS)
            assert await spool.wait(0.0) == Stir.NOTHING

    run(go())


# Operating


def test_hold_and_release(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            one, other = await put(spool, submission()), await put(spool, submission())
            third = await put(spool, submission(on_hold=True))
            assert await spool.administer(Order.HOLD, Selection((one,))) == 1
            assert await spool.administer(Order.HOLD, Selection((one,))) == 0
            assert set(await take(spool)) == {other}
            shown = await spool.show(one)
            assert shown is not None
            assert shown.on_hold
            assert only_due(shown.recipients) == HELD_SECONDS
            assert (await spool.stats()).on_hold_messages == 2
            assert await spool.administer(Order.FLUSH, ALL) == 1, "what is on hold is not flushed"
            assert await spool.lease() == ()
            assert await spool.administer(Order.RELEASE, ALL) == 2
            assert set(await take(spool)) == {one, third}

    run(go())


def only_due(recipients: tuple[object, ...]) -> float:
    (due,) = {getattr(one, "not_before_seconds") for one in recipients}  # noqa: B009
    assert isinstance(due, float)
    return due


@pytest.mark.parametrize("order", [Order.RELEASE, Order.FLUSH])
def test_turns_one_after_the_other_the_oldest_first(filling: Filling, order: Order) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            ids = [
                await put(spool, submission("b@b.example", "c@c.example", arrival_seconds=START_SECONDS - age))
                for age in (10, 30, 20)
            ]
            for lease in (await take(spool)).values():
                await spool.defer(lease, [0, 1], DEFERRED, START_SECONDS + 4000)
            if order is Order.RELEASE:
                await spool.administer(Order.HOLD, ALL)
            assert await spool.administer(order, ALL, Spread(START_SECONDS, 5.0)) == 3
        async with filling.open() as spool:  # the turns stand in the spool
            seen = []
            for _ in range(11):
                assert bool(await spool.wait(0.0) & Stir.MAIL) is (filling.clock.now_seconds % 5 == 0)
                taken = await take(spool)
                assert all(numbers(lease) == [0, 1] for lease in taken.values()), "a message has one turn"
                seen += [(filling.clock.now_seconds - START_SECONDS, ids.index(it)) for it in taken]
                filling.clock.now_seconds += 1
            assert seen == [(0, 1), (5, 2), (10, 0)]

    run(go())


def test_a_spread_flush_makes_nobody_wait_whose_turn_has_come(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            late = await put(spool, submission("b@b.example", "c@c.example"))
            held = await put(spool, submission(on_hold=True))
            await spool.defer((await take(spool))[late], [0], DEFERRED, START_SECONDS + 4000)
            due = await put(spool, submission())
            assert await spool.administer(Order.FLUSH, ALL, Spread(START_SECONDS + 7, 5.0)) == 1
            assert await spool.administer(Order.FLUSH, Selection((due,)), Spread(START_SECONDS, 5.0)) == 0
            turns = {}
            for identity in (late, held, due):
                shown = await spool.show(identity)
                assert shown is not None
                turns[identity] = [one.not_before_seconds - START_SECONDS for one in shown.recipients]
            assert turns == {late: [7, 0], held: [HELD_SECONDS - START_SECONDS], due: [0]}
            assert await spool.wait(0.0) & Stir.FLUSH

    run(go())


@pytest.mark.parametrize("order", [Order.HOLD, Order.REQUEUE, Order.DELETE])
def test_other_orders_give_no_turns(filling: Filling, order: Order) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            await put(spool, submission())
            with pytest.raises(BrokenPromise, match="turn"):
                await spool.administer(order, ALL, Spread(START_SECONDS, 5.0))
            assert len(await take(spool)) == 1

    run(go())


def test_hold_catches_what_is_under_way(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            assert await spool.administer(Order.HOLD, ALL) == 1
            await spool.settle(lease, finished(1))
            await spool.defer(lease, [0], DEFERRED, START_SECONDS + 1)
            filling.clock.now_seconds += 10
            assert await spool.lease() == ()
            await spool.administer(Order.RELEASE, ALL)
            one = only((await take(spool))[identity])
            assert (one.number, one.attempts) == (0, 1)

    run(go())


def test_requeue_forgets_what_was(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example", arrival_seconds=START_SECONDS - 500))
            lease = (await take(spool))[identity]
            await spool.settle(lease, finished(1, outcome=BOUNCED, owed=True))
            await spool.warn(lease, [0], None)
            await spool.defer(lease, [0], DEFERRED, START_SECONDS + 4000, in_doubt=InDoubt("mx", 1.0))
            spool.release(lease)
            await spool.administer(Order.HOLD, ALL)
            assert await spool.administer(Order.REQUEUE, Selection(domain="B.example")) == 1
            message = (await take(spool))[identity].message
            still_open, owed = message.recipients
            assert (still_open.attempts, still_open.latest, still_open.in_doubt, still_open.warned) == (0, None, None, False)
            assert owed.owed
            assert owed.latest is not None
            assert (message.on_hold, message.arrival_seconds) == (False, START_SECONDS - 500)

    run(go())


def test_delete(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            one = await put(spool, submission("b@b.example"), LARGE)
            other = await put(spool, submission("c@c.example"))
            lease = (await take(spool))[one]
            assert await spool.administer(Order.DELETE, Selection(domain="b.example")) == 1
            assert await spool.administer(Order.DELETE, Selection((one, "nonsense"))) == 0
            assert await spool.settle(lease, finished(0)) is Committed.DONE
            assert await spool.defer(lease, [0], DEFERRED, START_SECONDS) is Committed.DONE
            with pytest.raises(ContentUnreadable):
                text_of(lease)
            assert [message.queue_id for message in await spool.list()] == [other]
            assert await spool.lease() == ()
        assert not list(filling.folder.glob("content/*"))

    run(go())


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (ALL, [0, 1, 2]),
        (Selection(), []),
        (Selection(domain="B.EXAMPLE"), [0, 2]),
        (Selection(sender="x@example.com"), [1, 2]),
        (Selection(sender="x@example.com", domain="b.example"), [2]),
        (Selection(sender=""), []),
        (Selection(("NOQUEUE",)), []),
    ],
)
def test_selections(filling: Filling, selection: Selection, found: list[int]) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            ids = [
                await put(spool, submission("b@b.example", "c@c.example")),
                await put(spool, submission("c@c.example", sender="x@example.com")),
                await put(spool, submission("b@b.example", sender="x@example.com")),
            ]
            assert [ids.index(message.queue_id) for message in await spool.list(selection)] == found
            assert await spool.list(Selection((ids[1],))) == (await spool.show(ids[1]),)
            assert await spool.administer(Order.HOLD, selection) == len(found)

    run(go())


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(recipient="b@b.example"), [0]),
        (Selection(recipient='b"\\@b.example'), [1]),
        (Selection(recipient="b@b.exampl"), []),
        (Selection(recipient="B@B.example"), [0]),
        (Selection(recipient='B"\\@b.Example'), [1]),
        (Selection(sender="A@Example.com"), [0, 1]),
        (Selection(reason="REFUSED"), [0]),
        (Selection(reason="4.4.1 connect to mx"), [0]),
        (Selection(reason="4.4.2"), []),
        (Selection(reason="", domain="b.example"), [0]),
        (Selection(reason="%"), []),
        (Selection(arrived_before_seconds=START_SECONDS), [1]),
        (Selection(arrived_before_seconds=START_SECONDS - 100), []),
        (Selection(recipient="b@b.example", reason="refused", domain="c.example"), [0]),
        (Selection(recipient="b@b.example", arrived_before_seconds=START_SECONDS), []),
    ],
)
def test_selections_by_what_has_happened(filling: Filling, selection: Selection, found: list[int]) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            full = Recipient('b"\\@b.example', "x@x.example", notify=Notify.NEVER)
            given = submission(arrival_seconds=START_SECONDS - 100)
            ids = [
                await put(spool, submission("b@b.example", "c@c.example")),
                await put(spool, given._replace(envelope=given.envelope._replace(recipients=(full,)))),
            ]
            await spool.defer((await take(spool))[ids[0]], [1], DEFERRED, START_SECONDS + 4000)
            assert sorted(ids.index(message.queue_id) for message in await spool.list(selection)) == found
            assert await spool.administer(Order.HOLD, selection) == len(found)

    run(go())


def test_a_list_comes_in_pages(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            ids = [await put(spool, submission(f"b{number}@b.example", "c@c.example")) for number in range(10)]
            assert ids == sorted(ids, key=lambda identity: key_of(identity) or 0)
            seen: list[str] = []
            while page := await spool.list(after=seen[-1] if seen else "", limit=3):
                assert len(page) <= 3
                assert all(len(message.recipients) == 2 for message in page)
                seen += [message.queue_id for message in page]
            assert seen == ids
            assert await spool.list(after="no queue id") == ()

    run(go())


def test_counts(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            empty = await spool.stats()
            assert (empty.messages, empty.size_octets, empty.recipients, empty.due, empty.deferred) == (0, 0, 0, 0, 0)
            assert empty.domains == ()
            await put(spool, submission("b@b.example", "c@c.example", arrival_seconds=START_SECONDS - 50), b"12\r\n")
            await put(spool, submission("b@b.example", not_before_seconds=START_SECONDS + 9), b"1\r\n")
            await put(spool, submission("d@d.example", on_hold=True), b"\r\n")
            stats = await spool.stats()
            assert (stats.messages, stats.size_octets, stats.recipients) == (3, 9, 4)
            assert (stats.due, stats.deferred, stats.on_hold_messages) == (2, 1, 1)
            assert stats.oldest_arrival_seconds == START_SECONDS - 50
            assert [(count.domain, count.recipients) for count in stats.domains] == [
                ("b.example", 2), ("c.example", 1), ("d.example", 1),
            ]  # fmt: skip
            first = stats.domains[0]
            assert (first.oldest_arrival_seconds, first.next_due_seconds) == (START_SECONDS - 50, START_SECONDS - 50)

    run(go())


def test_nothing_is_shown_of_what_is_not_there(filling: Filling) -> None:
    async def go() -> None:
        async with filling.open() as spool:
            for identity in (spool.new_queue_id(), "", "NOQUEUE", "z" * 40):
                assert await spool.show(identity) is None
                assert await spool.content(identity) is None

    run(go())


def test_a_large_mailing(filling: Filling) -> None:
    """More rows than one statement takes."""

    async def go() -> None:
        async with filling.open() as spool:
            identity = await put(spool, submission(*[f"b{number}@d{number % 7}.example" for number in range(3000)]))
            seen: set[int] = set()
            while leases := await spool.lease(recipients_limit=1000):
                for lease in leases:
                    assert lease.message.recipients_total == 3000
                    seen.update(numbers(lease))
                    left = 3000 - len(seen)
                    done = await spool.settle(lease, finished(*numbers(lease)))
                    assert done is (Committed.DONE if left else Committed.REMOVED)
            assert len(seen) == 3000
            assert await spool.show(identity) is None

    run(go())


def test_the_protocol_is_kept(filling: Filling) -> None:
    spool: Spool = filling.open()
    assert isinstance(Recipient("a").address, str)
    assert {name for name in dir(Spool) if not name.startswith("_")} <= set(dir(spool))
    assert SENT.status_code == "2.0.0"
