"""Time limits: each stage has its own, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from mailrider.errors import PeerBabbles, TimedOut
from mailrider.net.deadline import TICK_SECONDS
from mailrider.net.patience import PATIENCE
from mailrider.smtp.handshake import Opening, Terms
from mailrider.smtp.reply import REPLY_LIMIT_OCTETS
from mailrider.smtp.stage import (
    CONTENT,
    DATA,
    DOT,
    EHLO,
    GREETING,
    HELO,
    LHLO,
    MAIL,
    PROBE,
    QUIT,
    RCPT,
    RSET,
    XFORWARD_HELO,
    XFORWARD_NAME,
    Stage,
)
from mailrider.smtp.trouble import Trouble
from virtual_time import run

from .wired import LIMITS, OK, PEER, Wired, envelope, make, replies_to_envelope, verdicts

pytestmark = pytest.mark.usefixtures("departures")

LARGE = [b"x" * 998 + b"\r\n"] * 500
FORWARDING = ((XFORWARD_NAME, b"XFORWARD NAME=x\r\n"), (XFORWARD_HELO, b"XFORWARD HELO=x\r\n"))


def is_about(seconds: float, limit: float) -> bool:
    """Never early, and one tick late at most."""
    return limit <= seconds <= limit + TICK_SECONDS + 1e-6


@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize(
    ("said", "stage"),
    [(b"", PROBE), (OK, XFORWARD_NAME), (OK * 2, XFORWARD_HELO), (OK * 3, MAIL), (OK * 4, RCPT), (OK * 5, DATA)],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_each_stage_of_an_envelope_has_its_own_limit(said: bytes, stage: Stage, per_request: bool, pipelining: bool) -> None:
    async def main() -> None:
        wired = Wired(pipelining=pipelining, per_request=per_request)
        transaction = make(check_alive=True, before=FORWARDING)
        done = wired.submit(transaction)
        await asyncio.sleep(20)
        wired.peer.say(said)
        if not said:
            await asyncio.sleep(0)
        seconds = await wired.until_gone()
        await done
        assert transaction.trouble is not None
        assert isinstance(transaction.trouble.cause, TimedOut)
        assert transaction.trouble.stage is stage
        assert is_about(seconds + (0 if said else 20), LIMITS[stage])

    run(main())


def test_the_end_of_a_message_has_a_limit_and_leaves_it_in_doubt() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        wired.peer.say(replies_to_envelope())
        assert is_about(await wired.until_gone(), LIMITS[DOT])
        await done
        assert transaction.trouble is not None
        assert transaction.trouble.stage is DOT
        assert transaction.in_doubt

    run(main())


def test_each_reply_after_the_dot_has_its_own_limit_in_lmtp() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make("b", "c", "d", lmtp=True)
        done = wired.submit(transaction)
        wired.peer.say(replies_to_envelope(3))
        for _ in range(2):
            await asyncio.sleep(LIMITS[DOT] - 5)
            wired.peer.say(OK)
        assert is_about(await wired.until_gone(), LIMITS[DOT])
        await done
        assert verdicts(transaction) == ["250 2.0.0 Ok", "250 2.0.0 Ok", "-"]

    run(main())


@pytest.mark.parametrize(("await_quit", "stage"), [(True, QUIT), (True, RSET), (False, RSET)])
def test_a_farewell_that_is_not_answered_has_a_limit(await_quit: bool, stage: Stage) -> None:
    async def main() -> None:
        wired = Wired(pipelining=stage is QUIT)
        transaction = make(keep=False, await_quit=await_quit)
        if stage is QUIT:
            wired.peer.say(replies_to_envelope(), OK)
        else:
            wired.peer.say(b"550 no\r\n")
        done = wired.submit(transaction)
        assert is_about(await wired.until_gone(), LIMITS[stage])
        await done
        assert "-" not in verdicts(transaction)

    run(main())


@pytest.mark.parametrize(
    ("said", "stage", "lmtp"),
    [
        (b"", GREETING, False),
        (b"220 mx\r\n", EHLO, False),
        (b"220 mx\r\n500 what?\r\n", HELO, False),
        (b"220 mx\r\n", LHLO, True),
    ],
)
def test_each_stage_of_an_opening_has_its_own_limit(said: bytes, stage: Stage, lmtp: bool) -> None:
    async def main() -> None:
        wired = Wired(pipelining=False)
        terms = Terms(peer=PEER, relay=PEER, nexthop="example.test", helo_name="me", own_name="me", lmtp=lmtp)
        opening = Opening(terms, pytest.fail)
        done = wired.connection.run(opening.run(wired.connection.wire))
        wired.peer.say(said)
        # The limit of the greeting runs from the beginning.
        assert is_about(await wired.until_gone(), LIMITS[stage] if said else LIMITS[GREETING])
        await done
        assert isinstance(opening.result, Trouble)
        assert isinstance(opening.result.cause, TimedOut)
        assert opening.result.stage is stage

    run(main())


def test_the_limit_is_for_each_arrival_so_that_a_slow_peer_is_tolerated() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        for octet in OK[:8]:
            wired.peer.say(bytes([octet]))
            await asyncio.sleep(LIMITS[MAIL] - 1)
        wired.peer.say(OK[8:], OK, b"354 go\r\n", OK)
        await done
        assert verdicts(transaction) == ["250 2.0.0 Ok"]
        wired.connection.close()

    run(main())


def test_a_reply_that_drips_for_ever_does_not_take_for_ever() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        began = wired.loop.time()
        while not wired.connection.gone:
            wired.peer.say(b"250-more\r\n"[int(wired.loop.time()) % 10 :][:1])
            await asyncio.sleep(LIMITS[MAIL] / 2)
        await done
        assert transaction.trouble is not None
        assert isinstance(transaction.trouble.cause, TimedOut)
        assert is_about(wired.loop.time() - began, PATIENCE * LIMITS[MAIL]) or (
            wired.loop.time() - began <= PATIENCE * LIMITS[MAIL] + LIMITS[MAIL]
        )

    run(main())


def test_each_reply_gets_the_whole_patience_anew() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        for reply in (OK, OK, b"354 go\r\n"):
            for octet in reply[:9]:
                await asyncio.sleep(LIMITS[MAIL] - 20)
                wired.peer.say(bytes([octet]))
            wired.peer.say(reply[9:])
        wired.peer.say(OK)
        await done
        assert transaction.trouble is None
        wired.connection.close()

    run(main(), limit_seconds=20_000)


def test_with_per_request_deadlines_a_limit_is_for_the_whole_reply() -> None:
    async def main() -> None:
        wired = Wired(per_request=True)
        transaction = make()
        done = wired.submit(transaction)

        async def drip() -> None:
            while True:
                wired.peer.say(b"250-\r\n")
                await asyncio.sleep(1)

        dripping = asyncio.create_task(drip())
        over_seconds = await wired.until_gone() - LIMITS[MAIL]
        assert 0 <= over_seconds < 1.5  # what is left after each arrival is rounded up
        dripping.cancel()
        await done
        assert transaction.trouble is not None
        assert transaction.trouble.stage is MAIL

    run(main())


@pytest.mark.parametrize("per_request", [False, True])
def test_a_peer_that_stops_reading_the_content_is_given_up(per_request: bool) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=1000, per_request=per_request)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        seconds = await wired.until_gone()
        await done
        assert transaction.trouble is not None
        assert isinstance(transaction.trouble.cause, TimedOut)
        assert transaction.trouble.stage is CONTENT
        assert not transaction.in_doubt
        granted = 1000 / 500 if per_request else 0  # for what the system took
        assert seconds <= LIMITS[CONTENT] + granted + TICK_SECONDS + 1e-6

    run(main())


def test_a_peer_that_reads_slowly_is_tolerated() -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=50_000)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        heard = 0
        while heard < len(LARGE) * 1000 + 3:
            await asyncio.sleep(LIMITS[CONTENT] - 1)
            heard += len(wired.peer.take_all())
        wired.peer.say(OK)
        await done
        assert verdicts(transaction) == ["250 2.0.0 Ok"]
        assert wired.loop.time() > 5 * LIMITS[CONTENT]
        wired.connection.close()

    run(main())


@pytest.mark.parametrize(("rate", "patient"), [(100, True), (400, True), (600, False), (100_000, False)])
def test_a_peer_that_reads_too_slowly_is_given_up_with_per_request_deadlines(rate: int, patient: bool) -> None:
    """It takes 50,000 octets every 100 seconds: 500 a second."""

    async def main() -> None:
        wired = Wired(capacity_octets=50_000, per_request=True, min_data_rate=rate)
        transaction = make(content=lambda: iter(LARGE * 4))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        heard = 0
        while heard < len(LARGE) * 4000 + 3 and not wired.connection.gone:
            await asyncio.sleep(100)
            heard += len(wired.peer.take_all())
        wired.peer.say(OK)
        await done
        assert (transaction.trouble is None) == patient
        if transaction.trouble is not None:
            assert transaction.trouble.stage is CONTENT
        wired.connection.close()

    run(main())


@pytest.mark.parametrize("words", [OK, b"2"])
@pytest.mark.parametrize("per_request", [False, True])
def test_talking_does_not_help_a_peer_that_does_not_read(words: bytes, per_request: bool) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=1000, per_request=per_request)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())

        async def talk() -> None:
            while True:
                await asyncio.sleep(10)
                wired.peer.say(words)

        talking = asyncio.create_task(talk())
        assert await wired.until_gone() <= LIMITS[CONTENT] + 2 + TICK_SECONDS + 1e-6
        talking.cancel()
        await done
        assert transaction.trouble is not None
        assert transaction.trouble.stage is CONTENT

    run(main())


def test_an_endless_reply_is_given_up() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        said = 0
        while not wired.connection.gone:
            wired.peer.say(b"250-" + b"x" * 990 + b"\r\n")
            said += 996
            await asyncio.sleep(0)
        await done
        assert transaction.trouble is not None
        assert isinstance(transaction.trouble.cause, PeerBabbles)
        assert transaction.trouble.stage is MAIL
        assert 0.9 * REPLY_LIMIT_OCTETS <= said <= REPLY_LIMIT_OCTETS + 10_000

    run(main())


def test_one_that_rides_behind_gives_the_one_in_front_no_more_time() -> None:
    async def main() -> None:
        wired = Wired()
        one, two = make(sender="one"), make(sender="two")
        done = [wired.submit(one)]
        wired.peer.say(replies_to_envelope())
        await asyncio.sleep(LIMITS[DOT] - 10)
        wired.connection.wake()
        done.append(wired.submit(two))
        assert is_about(await wired.until_gone(), 10)
        await asyncio.gather(*done)
        assert one.trouble is not None
        assert two.trouble is not None
        assert (one.trouble.stage, two.trouble.stage) == (DOT, MAIL)
        assert not two.started

    run(main())


def test_replies_that_nobody_asked_for_give_no_more_time() -> None:
    async def main() -> None:
        wired = Wired(pipelining=False, capacity_octets=10)
        wired.submit(make())
        for _ in range(4):  # the command has not left yet, so these wait
            await asyncio.sleep(LIMITS[MAIL] / 2 - 1)
            wired.peer.say(OK)
        assert wired.connection.gone

    run(main())


def test_the_time_for_a_reply_begins_when_the_question_has_left() -> None:
    async def main() -> None:
        wired = Wired(pipelining=False, capacity_octets=10)
        wired.submit(make())
        await asyncio.sleep(LIMITS[MAIL] - 1)
        wired.peer.take_all()
        await asyncio.sleep(1)
        wired.peer.take_all()
        await asyncio.sleep(0)
        wired.peer.take_all()
        assert is_about(await wired.until_gone(), LIMITS[MAIL])

    run(main())


def test_nothing_is_waited_for_between_transactions() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(make())
        await asyncio.sleep(5000)
        assert not wired.connection.gone
        wired.connection.close()

    run(main())
