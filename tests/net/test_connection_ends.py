"""How conversations break, and that nobody is left waiting when they do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import ContentUnreadable
from mailrider.smtp.handshake import Opening, Terms
from mailrider.smtp.refusal import Refusal
from mailrider.smtp.trouble import Trouble
from virtual_time import come_to_rest, run

from .wired import (
    CONTENT_OCTETS,
    GO_AHEAD,
    OK,
    PEER,
    QUIT,
    Wired,
    envelope,
    make,
    replies_to_envelope,
    trouble_of,
    verdicts,
)

pytestmark = pytest.mark.usefixtures("departures")

TERMS = Terms(peer=PEER, relay=PEER + ":25", nexthop="example.test", helo_name="me.test", own_name="me.test")
LARGE = [b"x" * 998 + b"\r\n"] * 500


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("said", "stage"),
    [(b"", "MAIL"), (OK, "RCPT"), (OK * 2, "DATA"), (OK * 2 + GO_AHEAD, "DOT"), (b"25", "MAIL"), (OK * 2 + b"354-", "DATA")],
)
@pytest.mark.parametrize("how", ["hangs up", "resets"])
def test_the_stage_at_which_the_peer_went_away_is_known(pipelining: bool, said: bytes, stage: str, how: str) -> None:
    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        transaction = make()
        done = wired.submit(transaction)
        wired.peer.say(said)
        await come_to_rest()
        wired.peer.take_all()
        if how == "resets":
            wired.peer.reset()
        else:
            wired.peer.hang_up()
        await done
        assert trouble_of(transaction) == ("ConnectionLost", stage)
        assert verdicts(transaction) == ["-"]
        assert transaction.in_doubt == (stage == "DOT")
        assert transaction.started == (said.startswith(OK))
        assert wired.stream.closed
        assert wired.gone == [wired.connection]

    run(main())


@given(st.integers(min_value=0, max_value=200), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_peer_may_hang_up_after_any_octet_of_what_it_says(octets: int, pipelining: bool) -> None:
    """Somebody always hears of it, the connection always goes, and nothing is called delivered that was not."""
    said = b"250 2.1.0 a\r\n250 2.1.5 b\r\n550 5.1.1 c\r\n354 go\r\n250 2.0.0 queued as 1\r\n"

    async def main() -> None:
        wired = Wired(pipelining=pipelining)
        transaction = make("b", "c", keep=False)
        done = wired.submit(transaction)
        wired.peer.say(said[:octets])
        wired.peer.hang_up()
        await done
        await wired.connection.left()
        complete = octets >= len(said)
        assert (transaction.trouble is None) == complete
        assert (verdicts(transaction)[0] == "250 2.0.0 queued as 1") == complete
        assert verdicts(transaction)[0] in ("-", "250 2.0.0 queued as 1")
        assert wired.gone == [wired.connection]

    run(main())


def test_what_was_said_before_the_end_counts() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make("b", "c")
        wired.peer.say(OK, b"550 no b\r\n", b"550 no c\r\n", b"503 nobody\r\n", OK)
        wired.peer.hang_up()
        await wired.submit(transaction)
        assert ["550" in text for text in verdicts(transaction)] == [True, True]
        assert transaction.trouble is None

    run(main())


def test_a_peer_that_says_no_more_but_answered_everything_early_is_not_lost() -> None:
    """A half-closed connection: all replies have come, the content still goes out."""

    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        transaction = make(content=lambda: iter(LARGE), keep=False)
        wired.peer.say(replies_to_envelope(), b"250 queued\r\n")
        wired.peer.hang_up()
        done = wired.submit(transaction)
        await wired.peer.hear(envelope() + b"".join(LARGE) + b".\r\n" + QUIT)
        await done
        assert verdicts(transaction) == ["250 queued"]

    run(main())


def test_no_yes_is_believed_before_the_whole_message_has_left() -> None:
    """Neither content nor dot is taken yet, and the server says that it has it all."""

    async def main() -> None:
        wired = Wired(capacity_octets=len(envelope()))
        transaction = make(keep=False)
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.stream.capacity_octets = 0
        wired.peer.say(replies_to_envelope() + b"250 got it\r\n")
        await asyncio.sleep(10)
        assert not done.done()
        wired.stream.capacity_octets = 1000
        wired.stream.make_room()
        await wired.peer.hear(CONTENT_OCTETS + b".\r\n" + QUIT)
        await done
        assert verdicts(transaction) == ["250 got it"]

    run(main())


@pytest.mark.parametrize("words_come", ["before", "after"])
def test_the_reason_of_a_peer_that_does_not_take_the_end_of_a_message_is_read(words_come: str) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=len(envelope()))
        transaction = make()
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.stream.capacity_octets = 0
        wired.peer.say(replies_to_envelope())
        await come_to_rest()
        if words_come == "before":
            wired.peer.say(b"552 5.3.4 too large\r\n")
            await come_to_rest()
        wired.peer.stop_listening()
        await come_to_rest()
        if words_come == "after":
            wired.peer.say(b"552 5.3.4 too large\r\n")
        wired.peer.hang_up()
        await done
        assert verdicts(transaction) == [f"host {PEER} said: 552 5.3.4 too large (in reply to end of DATA command)"]

    run(main())


@pytest.mark.parametrize("words_come", ["before", "after"])
def test_the_reason_of_a_peer_that_hangs_up_during_the_content_is_read(words_come: str) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await wired.peer.take(5000)
        if words_come == "before":
            wired.peer.say(b"552 5.3.4 too large\r\n")
            await come_to_rest()
        wired.peer.stop_listening()
        await come_to_rest()
        if words_come == "after":
            wired.peer.say(b"552 5.3.4 too large\r\n")
        wired.peer.hang_up()
        await done
        assert transaction.trouble is None
        assert verdicts(transaction) == [f"host {PEER} said: 552 5.3.4 too large (in reply to end of DATA command)"]
        assert wired.connection.gone

    run(main())


@pytest.mark.parametrize("last_words", [b"", b"552 5.3", b"250 2.0.0 got it all\r\n"])
def test_without_a_reason_the_content_was_lost_and_a_yes_is_no_reason(last_words: bytes) -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await wired.peer.take(5000)
        wired.peer.say(last_words)
        wired.peer.reset()
        await done
        assert trouble_of(transaction)[0] == "ConnectionLost"
        assert verdicts(transaction) == ["-"]
        assert not transaction.in_doubt

    run(main())


def test_a_write_that_fails_ends_it_once_the_replies_are_in() -> None:
    """Outside of the content a failed write is told with the end of the stream."""

    async def main() -> None:
        wired = Wired(pipelining=False)
        transaction = make()
        done = wired.submit(transaction)
        wired.peer.stop_listening()
        wired.peer.say(OK)
        await come_to_rest()
        assert not done.done()
        wired.peer.hang_up()
        await done
        assert trouble_of(transaction) == ("ConnectionLost", "RCPT")

    run(main())


def test_a_write_that_fails_behind_the_end_of_the_stream_ends_it_too() -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=10)
        transaction = make(content=lambda: iter(LARGE))
        wired.peer.say(replies_to_envelope())
        done = wired.submit(transaction)
        await come_to_rest()
        wired.peer.hang_up()
        await come_to_rest()
        wired.peer.stop_listening()
        await done
        assert transaction.trouble is not None
        assert wired.connection.gone

    run(main())


@pytest.mark.parametrize("words", ["the disk is gone", ""])
def test_a_content_that_cannot_be_read_is_not_ended_with_a_dot(words: str) -> None:
    def content() -> Iterator[bytes]:
        yield from LARGE[:3]
        raise ContentUnreadable(words)

    async def main() -> None:
        wired = Wired()
        transaction = make(content=content)
        done = wired.submit(transaction)
        await wired.peer.hear(envelope())
        wired.peer.say(replies_to_envelope())
        await done
        assert trouble_of(transaction) == ("ContentUnreadable", "CONTENT")
        assert str(transaction.trouble and transaction.trouble.cause) == words
        heard = await wired.peer.wait_for_end()
        assert b"\r\n.\r\n" not in heard
        assert wired.connection.gone

    run(main())


def test_close_tells_everybody_who_waits() -> None:
    async def main() -> None:
        wired = Wired()
        transactions = [make(sender=name) for name in ("one", "two", "three", "four")]
        done = [wired.submit(transaction) for transaction in transactions]
        wired.peer.say(replies_to_envelope())
        await wired.peer.hear(envelope(sender="one") + CONTENT_OCTETS + b".\r\n" + envelope(sender="two"))
        wired.connection.close()
        wired.connection.close()
        await asyncio.gather(*done)
        assert [trouble_of(transaction) for transaction in transactions] == [
            ("ConnectionLost", "DOT"), ("ConnectionLost", "MAIL"), ("ConnectionLost", "MAIL"), ("ConnectionLost", "MAIL"),
        ]  # fmt: skip
        assert [transaction.in_doubt for transaction in transactions] == [True, False, False, False]
        assert wired.gone == [wired.connection]

    run(main())


def test_close_in_the_middle_of_a_content_tells_whose_it_is() -> None:
    async def main() -> None:
        wired = Wired(capacity_octets=1000)
        transaction = make(content=lambda: iter(LARGE))
        done = wired.submit(transaction)
        wired.peer.say(replies_to_envelope())
        await come_to_rest()
        wired.connection.close()
        await done
        assert trouble_of(transaction)[0] == "ConnectionLost"

    run(main())


def test_a_peer_that_hangs_up_during_a_pause_is_noticed() -> None:
    async def main() -> None:
        wired = Wired()
        transaction = make(dot_delay_seconds=50.0)
        done = wired.submit(transaction)
        wired.peer.say(replies_to_envelope())
        await asyncio.sleep(10)
        assert wired.peer.take_all() == envelope() + CONTENT_OCTETS
        wired.peer.hang_up()
        await done
        assert trouble_of(transaction)[0] == "ConnectionLost"
        await asyncio.sleep(100)

    run(main())


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ([b"554 go away\r\n"], "host {peer} refused to talk to me: 554 go away"),
        ([b"220 mx\r\n", b"421 later\r\n"], "host {peer} refused to talk to me: 421 later"),
        ([b"220 mx\r\n", b"502 no\r\n", b"550 no\r\n"], "host {peer} refused to talk to me: 550 no"),
    ],
)
def test_an_opening_that_is_refused_ends_with_quit(said: list[bytes], refusal: str) -> None:
    async def main() -> None:
        wired = Wired(pipelining=False)
        opening = Opening(TERMS, pytest.fail)
        wired.peer.say(*said)
        await wired.connection.run(opening.run(wired.connection.wire))
        assert isinstance(opening.result, Refusal)
        assert opening.result.text == refusal.format(peer=PEER)
        assert wired.connection.gone
        assert (await wired.peer.wait_for_end()).endswith(QUIT)

    run(main())


@pytest.mark.parametrize(("said", "stage"), [(b"", "GREETING"), (b"220-mx\r\n", "GREETING"), (b"220 mx\r\n250-", "EHLO")])
def test_an_opening_that_breaks_tells_its_stage(said: bytes, stage: str) -> None:
    async def main() -> None:
        wired = Wired(pipelining=False)
        opening = Opening(TERMS, pytest.fail)
        wired.peer.say(said)
        wired.peer.hang_up()
        await wired.connection.run(opening.run(wired.connection.wire))
        assert isinstance(opening.result, Trouble)
        assert opening.result.stage.name == stage
        assert wired.connection.gone

    run(main())


def test_left_may_be_waited_for_by_many_and_at_any_time() -> None:
    async def main() -> None:
        wired = Wired()
        waiting = [asyncio.create_task(wired.connection.left()) for _ in range(3)]
        await come_to_rest()
        assert not any(each.done() for each in waiting)
        wired.connection.close()
        await asyncio.gather(*waiting)
        await wired.connection.left()

    run(main())


def test_no_script_keeps_a_connection_from_being_lost() -> None:
    """One that always wants one more reply is not asked for ever."""

    async def main() -> None:
        wired = Wired()

        def stubborn() -> Iterator[object]:
            while True:
                try:
                    yield make().run(wired.connection.wire).send(None)
                except Exception:
                    pass

        wired.connection.run(stubborn())  # type: ignore[arg-type]
        wired.peer.hang_up()
        await wired.until_gone()

    run(main())
