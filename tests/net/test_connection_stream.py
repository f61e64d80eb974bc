"""A connection is a stream of transactions: one behind the other, and everybody gets his own replies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.smtp.handshake import take_leave
from virtual_time import come_to_rest, run

from .wired import (
    END,
    GO_AHEAD,
    OK,
    PEER,
    QUIT,
    RSET,
    Wired,
    cut,
    envelope,
    mail,
    make,
    replies_to_envelope,
    trouble_of,
    verdicts,
)

pytestmark = pytest.mark.usefixtures("departures")


@pytest.mark.parametrize("pipelining", [True, False])
def test_several_transactions_on_one_connection(pipelining: bool) -> None:
    """The second and later ones begin with RSET, which rides in front where groups are taken."""

    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        for number in range(5):
            transaction = make(sender=f"s{number}", check_alive=number > 0)
            done = wired.submit(transaction)
            probe = RSET if number else b""
            lines = (probe + envelope(sender=f"s{number}")).splitlines(keepends=True)
            for group in [b"".join(lines)] if pipelining else lines:
                await wired.peer.hear(group)
                for line in group.splitlines():
                    wired.peer.say(GO_AHEAD if line == b"DATA" else OK)
            await wired.peer.hear(END)
            wired.peer.say(b"250 2.0.0 queued as %d\r\n" % number)
            await done
            assert verdicts(transaction) == [f"250 2.0.0 queued as {number}"]
            assert wired.connection.reusable
            wired.connection.rest(100)
            await asyncio.sleep(50)
            wired.connection.wake()
        wired.connection.close()

    run(main())


def test_the_next_envelope_rides_behind_the_dot_under_pipelining() -> None:
    async def main() -> None:
        wired = Wired()
        transactions = [make(sender=name) for name in ("one", "two", "three")]
        done = [wired.submit(transaction) for transaction in transactions]
        await wired.peer.hear(envelope(sender="one"))
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(END + envelope(sender="two"))
        # Two is not through with its message: three has to wait, whatever comes to its end before.
        wired.peer.say(b"250 2.0.0 first\r\n")
        await done[0]
        await come_to_rest()
        assert wired.peer.take_all() == b""
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(END + envelope(sender="three"))
        wired.peer.say(b"250 2.0.0 second\r\n", replies_to_envelope())
        await wired.peer.hear(END)
        wired.peer.say(b"250 2.0.0 third\r\n")
        await asyncio.gather(*done)
        assert [verdicts(transaction) for transaction in transactions] == [
            ["250 2.0.0 first"], ["250 2.0.0 second"], ["250 2.0.0 third"],
        ]  # fmt: skip
        wired.connection.close()

    run(main())


def test_a_connection_is_fit_for_another_transaction_while_a_reply_is_coming_in() -> None:
    """The beginning of the reply to the dot is no reason to give up the message that it is about."""

    async def main() -> None:
        wired = Wired()
        one, two = make(sender="one"), make(sender="two")
        done = [wired.submit(one)]
        wired.peer.say(replies_to_envelope(), b"250-2.0.0 it is\r\n25")
        await come_to_rest()
        assert wired.connection.reusable
        assert not wired.connection.is_idle
        done.append(wired.submit(two))
        wired.peer.say(b"0 2.0.0 queued\r\n", replies_to_envelope(), OK)
        await asyncio.gather(*done)
        assert verdicts(one) == ["250-2.0.0 it is 250 2.0.0 queued"]
        assert verdicts(two) == ["250 2.0.0 Ok"]
        assert wired.connection.is_idle
        wired.connection.close()

    run(main())


def test_the_next_one_waits_for_the_end_without_pipelining() -> None:
    async def main() -> None:
        wired = Wired(pipelining=False)
        one, two = make(sender="one"), make(sender="two")
        done = [wired.submit(one), wired.submit(two)]
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(envelope(sender="one") + END)
        await come_to_rest()
        assert wired.peer.take_all() == b""
        wired.peer.say(OK)
        await wired.peer.hear(mail("two"))
        wired.peer.say(replies_to_envelope(), OK)
        await asyncio.gather(*done)
        assert wired.peer.take_all() == envelope(sender="two").removeprefix(mail("two")) + END
        wired.connection.close()

    run(main())


@given(st.integers(min_value=1, max_value=8), st.booleans(), st.lists(st.integers(0, 5000), max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_stream_of_transactions_keeps_its_order(count: int, pipelining: bool, places: list[int]) -> None:
    """However many are submitted at once: what goes out is one whole transaction after the other."""

    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        transactions = [make(sender=f"s{number}") for number in range(count)]
        said = b"".join(replies_to_envelope() + b"250 2.0.0 queued as %d\r\n" % number for number in range(count))
        done = [wired.submit(transaction) for transaction in transactions]
        for piece in cut(said, places):
            wired.peer.say(piece)
            await come_to_rest()
        await asyncio.gather(*done)
        assert wired.peer.take_all() == b"".join(envelope(sender=f"s{number}") + END for number in range(count))
        for number, transaction in enumerate(transactions):
            assert verdicts(transaction) == [f"250 2.0.0 queued as {number}"]
        wired.connection.close()

    run(main())


def test_nothing_follows_a_transaction_that_said_quit() -> None:
    async def main() -> None:
        wired = Wired()
        last, late = make(keep=False), make(sender="late")
        done = [wired.submit(last), wired.submit(late)]
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(envelope() + END + QUIT)
        latest = make(sender="latest")
        done.append(wired.submit(latest))
        wired.peer.say(OK)
        await asyncio.gather(*done)
        assert verdicts(last) == ["250 2.0.0 Ok"]
        for transaction in (late, latest):
            assert trouble_of(transaction) == ("ConnectionLost", "MAIL")
            assert not transaction.started
        assert wired.peer.take_all() == b""

    run(main())


def test_a_transaction_for_a_connection_that_is_gone_has_not_started() -> None:
    async def main() -> None:
        wired = Wired()
        wired.connection.close()
        transaction = make()
        await wired.submit(transaction)
        assert trouble_of(transaction) == ("ConnectionLost", "MAIL")
        assert not transaction.started
        await wired.connection.run(take_leave(wired.connection.wire, await_reply=True))
        assert wired.peer.take_all() == b""

    run(main())


def test_a_syntax_complaint_at_the_end_takes_those_that_ride_behind_off_the_connection() -> None:
    """Nobody knows any more which reply belongs to what, so they have to try another connection."""

    async def main() -> None:
        wired = Wired()
        one, two, three = (make(sender=name) for name in ("one", "two", "three"))
        done = [wired.submit(transaction) for transaction in (one, two, three)]
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(envelope(sender="one") + END + envelope(sender="two"))
        wired.peer.say(b"500 5.5.2 what was that?\r\n")
        await asyncio.gather(*done)
        assert verdicts(one) == [f"host {PEER} said: 500 5.5.2 what was that? (in reply to end of DATA command)"]
        for transaction in (two, three):
            assert trouble_of(transaction) == ("ConnectionLost", "MAIL")
            assert not transaction.started
        assert wired.connection.gone

    run(main())


def test_a_garbled_reply_takes_those_that_ride_behind_off_the_connection() -> None:
    async def main() -> None:
        wired = Wired()
        one, two = make(sender="one"), make(sender="two")
        done = [wired.submit(one), wired.submit(two)]
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(envelope(sender="one") + END + envelope(sender="two"))
        wired.peer.say(b"*** hello\r\n250 2.0.0 Ok\r\n")
        await asyncio.gather(*done)
        assert verdicts(one) == ["*** hello 250 2.0.0 Ok"]
        assert trouble_of(two) == ("ConnectionLost", "MAIL")
        assert wired.connection.gone

    run(main())


def test_whoever_waits_may_be_cancelled_without_harm_to_the_dialogue() -> None:
    async def main() -> None:
        wired = Wired()
        transaction, behind = make(sender="one"), make(sender="two")
        waiting: asyncio.Future[Any] = wired.submit(transaction)
        done = wired.submit(behind)
        waiting.cancel()
        wired.peer.say(replies_to_envelope(), b"250 one\r\n", replies_to_envelope(), b"250 two\r\n")
        await done
        assert (verdicts(transaction), verdicts(behind)) == (["250 one"], ["250 two"])
        wired.connection.close()

    run(main())
