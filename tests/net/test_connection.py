"""Dialogues on a connection: every reply to whom it belongs, one message after the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import BrokenPromise, ConnectionLost
from mailrider.net.connection import EARLY_REPLY_LIMIT, Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.patience import Patience
from mailrider.net.shipment import WRITE_AHEAD_OCTETS
from mailrider.net.stream import SocketStream
from mailrider.smtp.handshake import Opening, Terms
from mailrider.smtp.reply import GarbageLine, Reply
from mailrider.smtp.stage import GREETING, MAIL, STAGES
from mailrider.smtp.wire import AWAIT_REPLY, Pause, Want
from virtual_time import come_to_rest, run

from .wired import (
    END,
    GO_AHEAD,
    OK,
    PEER,
    QUIT,
    Wired,
    cut,
    envelope,
    mail,
    make,
    rcpt,
    replies_to_envelope,
    trouble_of,
    verdicts,
)

PATIENCE_OF_TESTS = Patience(limits=dict.fromkeys(STAGES, 60.0))

pytestmark = pytest.mark.usefixtures("departures")


@given(st.lists(st.integers(min_value=0, max_value=500), max_size=12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_replies_may_come_in_any_pieces(places: list[int], pipelining: bool) -> None:
    """All of them may even come before anything was asked: what was said first is the reply to what was asked first."""
    said = (
        b"250-2.1.0 yes\r\n250 2.1.0 sender\r\n"
        b"250 2.1.5 b ok\r\n550 5.1.1 no c\r\n450 4.2.1 not now\r\n"
        b"354-go\r\n354 on\r\n250 2.0.0 queued as 17\r\n"
    )

    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        transaction = make("b", "c", "d")
        wired.peer.say(*cut(said, places))
        await wired.submit(transaction)
        assert verdicts(transaction) == [
            "250 2.0.0 queued as 17",
            f"host {PEER} said: 550 5.1.1 no c (in reply to RCPT TO command)",
            f"host {PEER} said: 450 4.2.1 not now (in reply to RCPT TO command)",
        ]
        assert wired.peer.take_all() == envelope("b", "c", "d") + END
        assert wired.connection.reusable
        wired.connection.close()

    run(main())


def test_an_envelope_goes_out_at_once_under_pipelining() -> None:
    async def main() -> None:
        wired = Wired()
        done = wired.submit(make("b", "c"))
        await come_to_rest()
        assert wired.peer.take_all() == envelope("b", "c")
        wired.peer.say(replies_to_envelope(2))
        await wired.peer.hear(END)
        assert not done.done()
        wired.peer.say(OK)
        await done
        wired.connection.close()

    run(main())


def test_one_command_at_a_time_without_pipelining() -> None:
    async def main() -> None:
        wired = Wired(pipelining=False)
        done = wired.submit(make("b", "c", keep=False))
        for heard, said in (
            (mail(), OK), (rcpt("b"), OK), (rcpt("c"), OK), (b"DATA\r\n", GO_AHEAD), (END, OK), (QUIT, b""),
        ):  # fmt: skip
            await come_to_rest()
            assert wired.peer.take_all() == heard
            wired.peer.say(said)
        await done
        assert wired.connection.gone

    run(main())


def test_quit_rides_with_the_dot_where_the_connection_is_not_kept() -> None:
    async def main() -> None:
        wired = Wired()
        done = wired.submit(make(keep=False))
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(END + QUIT)
        assert wired.connection.is_leaving
        wired.peer.say(OK)
        await done
        await wired.connection.left()
        assert wired.stream.closed
        assert wired.gone == [wired.connection]

    run(main())


def test_the_reply_to_quit_is_waited_for_where_that_is_wanted() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make(keep=False, await_quit=True)
        wired.peer.say(replies_to_envelope(), OK)
        await wired.submit(transaction)
        assert verdicts(transaction) == ["250 2.0.0 Ok"]
        await come_to_rest()
        assert not wired.connection.gone
        assert wired.connection.is_leaving
        wired.peer.say(b"221 2.0.0 Bye\r\n")
        await wired.connection.left()

    run(main())


def test_a_garbled_reply_before_the_dot_makes_it_the_last_transaction() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make()
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(b"ouch\r\n" + replies_to_envelope())
        await wired.peer.hear(END + QUIT)
        wired.peer.say(OK)
        await done
        assert verdicts(transaction) == ["250 2.0.0 Ok"]
        assert wired.notes == [GarbageLine("ouch")]
        await wired.connection.left()

    run(main())


@pytest.mark.parametrize("stage", ["greeting", "EHLO"])
def test_a_garbled_opening_is_good_enough_for_one_transaction(stage: str) -> None:
    """As in smtp(8): the mail gets through, the connection is not kept."""
    greeting, hello = b"220 mx ready\r\n", b"250-mx\r\n250 PIPELINING\r\n"
    if stage == "greeting":
        greeting = b"*** welcome ***\r\n" + greeting
    else:
        hello = b"*** welcome ***\r\n" + hello

    async def main() -> None:
        wired = Wired(pipelining=False)
        terms = Terms(peer=PEER, relay=PEER + ":25", nexthop="example.test", helo_name="me.test", own_name="me.test")
        opening = Opening(terms, pytest.fail)
        wired.peer.say(greeting)
        opened = wired.connection.run(opening.run(wired.connection.wire))
        await wired.peer.hear(b"EHLO me.test\r\n")
        wired.peer.say(hello)
        await opened
        wired.connection.pipelining = True
        assert not wired.connection.gone
        assert not wired.connection.reusable
        transaction = make()
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(END + QUIT)
        wired.peer.say(OK)
        await done
        assert verdicts(transaction) == ["250 2.0.0 Ok"]

    run(main())


def test_a_garbled_line_is_told_once_however_its_reply_is_cut() -> None:
    async def main() -> None:
        wired = Wired()
        done = wired.submit(make())
        for octet in b"ouch\r\n250-more\r\n" + replies_to_envelope() + OK:
            wired.peer.say(bytes([octet]))
        await done
        assert wired.notes == [GarbageLine("ouch")]

    run(main())


def test_lmtp_has_a_reply_for_each_recipient_after_the_dot() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make("b", "c", "d", lmtp=True)
        decided: list[int] = []
        transaction.notify = decided.append
        done = wired.submit(transaction)
        await wired.peer.hear(envelope("b", "c", "d"))
        wired.peer.say(OK, OK, b"550 no\r\n", OK, GO_AHEAD)
        await wired.peer.hear(END)
        assert decided == [1]
        wired.peer.say(b"250 b\r\n")
        await come_to_rest()
        assert decided == [1, 0]
        wired.peer.say(b"452 d\r\n")
        await done
        assert decided == [1, 0, 2]
        assert wired.connection.reusable
        wired.connection.close()

    run(main())


def test_replies_nobody_asked_for_wait_their_turn_and_then_reading_is_paused() -> None:
    async def main() -> None:
        wired = Wired()
        for _ in range(EARLY_REPLY_LIMIT + 50):
            wired.peer.say(OK)
        await come_to_rest()
        await come_to_rest()
        assert not wired.connection.reusable
        assert not wired.stream.reading
        assert len(wired.stream.incoming) == 49  # those after the one that was too much
        assert not wired.connection.gone
        wired.connection.close()

    run(main())


def test_reading_goes_on_when_the_replies_have_found_their_questions() -> None:
    async def main() -> None:
        wired = Wired()
        recipients = [f"r{number}" for number in range(EARLY_REPLY_LIMIT * 2)]
        transaction = make(*recipients)
        for _ in range(1 + len(recipients)):
            wired.peer.say(OK)
        wired.peer.say(GO_AHEAD, b"250 queued\r\n")
        await asyncio.sleep(1)
        assert not wired.stream.reading
        await wired.submit(transaction)
        assert set(verdicts(transaction)) == {"250 queued"}
        assert wired.stream.reading
        wired.connection.close()

    run(main())


def test_early_replies_to_a_large_content_are_held_until_it_is_out() -> None:
    """A server that says yes before it has the message is believed only after the dot."""

    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        large = [b"x" * 998 + b"\r\n"] * 1000
        transaction = make(content=lambda: iter(large))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope() + b"250 early\r\n")
        await come_to_rest()
        assert not done.done()
        await wired.peer.hear(b"".join(large) + b".\r\n")
        await done
        assert verdicts(transaction) == ["250 early"]
        wired.connection.close()

    run(main())


@pytest.mark.parametrize("octets", [0, 1, WRITE_AHEAD_OCTETS - 1, WRITE_AHEAD_OCTETS, WRITE_AHEAD_OCTETS * 3 + 5])
@pytest.mark.parametrize("capacity_octets", [100, 1 << 20])
def test_content_of_any_size_goes_out_whole(octets: int, capacity_octets: int) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=capacity_octets)
        text = (b"0123456789" * (octets // 10 + 1))[:octets] + b"\r\n"
        pieces = [text[begin : begin + 1777] for begin in range(0, len(text), 1777)]
        done = wired.submit(make(content=lambda: iter(pieces)))
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(text + b".\r\n")
        wired.peer.say(OK)
        await done
        assert wired.connection.reusable
        wired.connection.close()

    run(main())


def test_content_is_not_read_ahead_of_a_peer_that_is_slow() -> None:
    """So that a large message costs no memory."""

    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        read = 0

        def content() -> Iterator[bytes]:
            nonlocal read
            for _ in range(10_000):
                read += 1000
                yield b"x" * 998 + b"\r\n"

        wired.submit(make(content=content))
        wired.peer.say(replies_to_envelope())
        await come_to_rest()
        assert read <= WRITE_AHEAD_OCTETS + 1000
        assert wired.stream.unsent_octets <= WRITE_AHEAD_OCTETS + 1000
        wired.connection.close()

    run(main())


def test_a_pause_comes_after_everything_before_it_and_before_everything_after_it() -> None:
    async def main() -> None:
        wired = Wired()
        wire = wired.connection.wire

        def script() -> Generator[Want, Reply | None, str]:
            wire.send(MAIL, b"ONE\r\n")
            yield Pause(7)
            wire.send(MAIL, b"TWO\r\n")
            yield AWAIT_REPLY
            reply = yield AWAIT_REPLY
            assert reply is not None
            return reply.text

        done = wired.connection.run(script())
        assert wired.peer.take_all() == b"ONE\r\n"
        await asyncio.sleep(6.9)
        assert wired.peer.take_all() == b""
        await wired.peer.hear(b"TWO\r\n")
        wired.peer.say(b"250 one\r\n250 two\r\n")
        assert await done == "250 two"
        wired.connection.close()

    run(main())


def test_a_script_that_fails_fails_its_future_and_the_connection() -> None:
    """A fault of ours is not left to hang until a time limit finds it."""

    async def main() -> None:
        wired = Wired()

        def faulty() -> Generator[Want, Reply | None, None]:
            wired.connection.wire.expect(GREETING)
            yield AWAIT_REPLY
            raise BrokenPromise("a fault of ours")

        done = wired.connection.run(faulty())
        behind = make()
        lost = wired.submit(behind)
        wired.peer.say(OK)
        with pytest.raises(BrokenPromise):
            await done
        await lost
        assert trouble_of(behind) == ("ConnectionLost", "MAIL")
        assert wired.connection.gone

    run(main())


def test_a_content_that_fails_in_an_unheard_of_way_fails_the_connection() -> None:
    async def main() -> None:
        wired = Wired()

        def content() -> Iterator[bytes]:
            yield b"beginning\r\n"
            raise ZeroDivisionError("a fault in a content")

        done = wired.submit(make(content=content))
        wired.peer.say(replies_to_envelope())
        with pytest.raises(ZeroDivisionError):
            await done
        assert wired.connection.gone
        assert wired.peer.take_all() == envelope()  # and no dot

    run(main())


def test_trouble_that_a_script_lets_through_comes_out_of_its_future() -> None:
    async def main() -> None:
        wired = Wired()

        def plain() -> Generator[Want, Reply | None, None]:
            wired.connection.wire.expect(GREETING)
            yield AWAIT_REPLY

        done = wired.connection.run(plain())
        wired.peer.hang_up()
        with pytest.raises(ConnectionLost):
            await done
        assert wired.gone == [wired.connection]

    run(main())


def test_a_connection_at_rest_is_given_away_open_and_one_at_work_is_not() -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        near.setblocking(False)
        loop = asyncio.get_running_loop()
        with far:
            connection = Connection(SocketStream(near, loop), PATIENCE_OF_TESTS, DeadlineWheel(loop))

            def ask() -> Generator[Want, Reply | None, None]:
                connection.wire.expect(MAIL)
                yield AWAIT_REPLY

            asking = connection.run(ask())
            assert connection.give_away() == -1
            far.sendall(b"250 fine\r\n")
            await asking
            gone: list[Connection] = []
            connection.when_gone = gone.append
            descriptor = connection.give_away()
            assert gone == [connection]
            assert connection.give_away() == -1
            with socket.socket(fileno=descriptor) as again:
                again.sendall(b"RSET\r\n")
                assert far.recv(100) == b"RSET\r\n"

    run(main())


def test_what_is_no_socket_is_not_given_away() -> None:
    async def main() -> None:
        wired = Wired()
        assert wired.connection.give_away() == -1
        assert not wired.connection.gone
        wired.connection.close()

    run(main())
