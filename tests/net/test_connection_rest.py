"""Connections between two messages: at rest, used again, or found dead."""

from __future__ import annotations

import asyncio

import pytest

from mailrider.smtp.stage import RSET as STAGE_RSET
from virtual_time import come_to_rest, run

from .wired import (
    LIMITS,
    OK,
    RSET,
    Wired,
    envelope,
    mail,
    make,
    rcpt,
    replies_to_envelope,
    trouble_of,
)

pytestmark = pytest.mark.usefixtures("departures")


def test_a_kept_connection_that_the_peer_closes_is_gone() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(make())
        wired.connection.rest(1000)
        assert wired.connection.reusable
        wired.peer.hang_up()
        assert await wired.until_gone() == 0
        assert not wired.connection.reusable
        assert wired.gone == [wired.connection]

    run(main())


@pytest.mark.parametrize("words", [b"421 4.4.2 too long\r\n", b"4"])
def test_a_kept_connection_on_which_the_peer_speaks_is_given_up(words: bytes) -> None:
    """Whatever it says would be taken for the reply to the next command."""

    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(make())
        wired.connection.rest(1000)
        wired.peer.say(words)
        assert await wired.until_gone() == 0

    run(main())


def test_the_reply_to_the_last_rset_may_come_while_the_connection_rests() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(b"550 not you\r\n", b"503 nobody\r\n", b"503 nothing\r\n")
        await wired.submit(make())
        assert wired.connection.reusable
        wired.connection.rest(1000)
        await asyncio.sleep(1)
        wired.peer.say(b"250-was", b" reset\r\n250 ok\r\n")
        await come_to_rest()
        assert wired.connection.reusable
        assert 998 <= await wired.until_gone() <= 1000

    run(main())


def test_a_last_rset_without_a_reply_does_not_keep_the_connection_at_rest() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(b"550 not you\r\n", b"503 nobody\r\n", b"503 nothing\r\n")
        await wired.submit(make())
        wired.connection.rest(1000)
        assert LIMITS[STAGE_RSET] <= await wired.until_gone() <= LIMITS[STAGE_RSET] + 1

    run(main())


def test_a_connection_with_half_a_reply_on_it_is_not_fit_for_another_transaction() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK + b"25")
        await wired.submit(make())
        assert not wired.connection.reusable
        wired.connection.close()

    run(main())


def test_a_connection_at_rest_closes_when_its_time_is_up() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(make())
        wired.peer.take_all()
        wired.connection.rest(2)
        assert 2 <= await wired.until_gone() < 2.2
        assert wired.peer.take_all() == b""  # and without QUIT

    run(main())


def test_a_connection_that_is_used_again_does_not_close() -> None:
    async def main() -> None:
        wired = Wired()
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(make())
        wired.connection.rest(2)
        await asyncio.sleep(1)
        wired.connection.wake()
        await asyncio.sleep(3600)
        assert not wired.connection.gone
        wired.connection.rest(2)
        transaction = make(check_alive=True)
        done = wired.submit(transaction)
        await asyncio.sleep(50)
        wired.peer.say(OK, replies_to_envelope(), OK)
        await done
        assert transaction.trouble is None
        wired.connection.close()

    run(main())


def test_a_dead_connection_is_noticed_by_the_probe_before_anything_has_happened() -> None:
    async def main() -> None:
        for reply in (b"421 4.4.2 idle for too long\r\n", b"500 what?\r\n", b""):
            wired = Wired()
            transaction = make(check_alive=True)
            done = wired.submit(transaction)
            await wired.peer.hear(RSET + envelope())
            wired.peer.say(reply)
            wired.peer.hang_up()
            await done
            assert trouble_of(transaction) == ("ConnectionLost", "RSET")
            assert not transaction.started
            assert wired.connection.gone

    run(main())


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_transaction_that_nobody_wants_is_reset_and_the_connection_kept(pipelining: bool) -> None:
    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        transaction = make()
        done = wired.submit(transaction)
        wired.peer.say(b"250 ok\r\n", b"450 not now\r\n", b"503 nobody\r\n" if pipelining else b"250 reset\r\n")
        await done
        heard = envelope() if pipelining else mail() + rcpt("b")
        await wired.peer.hear(heard + RSET)
        if pipelining:
            assert wired.connection.reusable
            wired.peer.say(b"250 reset\r\n")
        await come_to_rest()
        assert wired.connection.reusable
        wired.connection.close()

    run(main())
