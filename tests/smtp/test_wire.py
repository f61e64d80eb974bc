from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import BDAT, DATA, DOT, GREETING, MAIL, QUIT, RCPT, RSET
from mailrider.smtp.wire import UNANSWERED_LIMIT_OCTETS, UNANSWERED_MESSAGES, Command, Wire


def test_replies_belong_to_those_who_wrote_in_the_order_in_which_they_wrote() -> None:
    wire = Wire()
    wire.current = "first"
    wire.expect(GREETING)
    wire.send(MAIL, b"MAIL FROM:<>\r\n")
    wire.send_unowned(RSET, b"RSET\r\n")
    wire.current = "second"
    wire.send(RCPT, b"RCPT TO:<a>\r\n")
    assert wire.out == [b"MAIL FROM:<>\r\n", b"RSET\r\n", b"RCPT TO:<a>\r\n"]
    assert wire.head is GREETING
    assert list(wire.awaited) == [(GREETING, "first", 0), (MAIL, "first", 14), (RSET, None, 6), (RCPT, "second", 13)]
    assert [wire.answered() for _ in range(4)] == ["first", "first", None, "second"]
    assert wire.head is None


def test_without_pipelining_one_command_is_unanswered_at_a_time() -> None:
    wire = Wire()
    assert wire.has_room_for(b"x" * UNANSWERED_LIMIT_OCTETS * 2)
    wire.send(MAIL, b"MAIL FROM:<>\r\n")
    assert not wire.has_room_for(b"x")
    wire.answered()
    assert wire.has_room_for(b"x")


@given(st.lists(st.integers(min_value=1, max_value=2000) | st.none(), max_size=20))
def test_with_pipelining_the_unanswered_octets_are_bounded(events: list[int | None]) -> None:
    """A number is a command of so many octets, None an answer."""
    wire = Wire()
    wire.pipelining = True
    unanswered: list[int] = []
    for length in events:
        if length is None:
            if unanswered:
                wire.answered()
                unanswered.pop(0)
            continue
        line = b"x" * length
        room = wire.has_room_for(line)
        assert room == (not unanswered or sum(unanswered) + length <= UNANSWERED_LIMIT_OCTETS)
        if room:
            wire.send(RCPT, line)
            unanswered.append(length)


@given(st.booleans(), st.integers(0, UNANSWERED_LIMIT_OCTETS), st.lists(st.integers(1, 2000), max_size=6))
def test_a_group_leaves_whole_or_not_at_all(pipelining: bool, before: int, lengths: list[int]) -> None:
    wire = Wire()
    wire.pipelining = pipelining
    wire.send_unowned(RSET, b"x" * before)
    group: list[Command] = [(RCPT, b"y" * length) for length in lengths]
    fits = pipelining and before + sum(lengths) <= UNANSWERED_LIMIT_OCTETS
    assert wire.send_group(group) is fits
    assert wire.out[1:] == ([line for _, line in group] if fits else [])
    assert len(wire.awaited) == 1 + len(group) * fits
    left = UNANSWERED_LIMIT_OCTETS - before - sum(lengths) * fits
    assert wire.has_room_for(b"z" * left) is (pipelining and left >= 0)
    assert not wire.has_room_for(b"z" * (max(left, 0) + 1))


def test_a_reply_that_is_there_is_taken_by_its_own_script() -> None:
    wire = Wire()
    wire.current = "first"
    wire.send(MAIL, b"MAIL FROM:<>\r\n")
    wire.current = "second"
    wire.send(RCPT, b"RCPT TO:<a>\r\n")
    (accepted, garbled) = (Reply(250, (b"250 Ok",), b"250 Ok"), Reply(250, (b"x", b"250 Ok"), b"250 Ok", True))
    wire.arrived += [accepted, garbled]
    assert wire.take() is None  # nothing has left yet
    wire.out.clear()
    assert wire.take() is None  # it is for the first one
    wire.current = "first"
    assert wire.take() is accepted
    assert (wire.take(), wire.garbled) == (None, False)
    wire.current = "second"
    assert wire.take() is garbled
    assert (wire.take(), wire.garbled) == (None, True)
    assert wire.head is None


def test_what_is_nobodys_counts_too() -> None:
    wire = Wire()
    wire.pipelining = True
    wire.send_unowned(RSET, b"x" * UNANSWERED_LIMIT_OCTETS)
    assert not wire.has_room_for(b"x")
    wire.answered()
    assert wire.has_room_for(b"x")


def test_a_wire_is_free_for_the_next_script_where_groups_are_taken() -> None:
    for pipelining in (False, True):
        wire = Wire()
        wire.free = False
        wire.pipelining = pipelining
        wire.send(DOT, b".\r\n")
        wire.release()
        assert wire.free is pipelining


def test_a_stream_has_a_bound() -> None:
    wire = Wire()
    wire.pipelining = True
    for number in range(1, UNANSWERED_MESSAGES + 2):
        wire.send(MAIL, b"MAIL FROM:<>\r\n")
        wire.send(BDAT, b"BDAT 1 LAST\r\n")
        wire.release_whole(BDAT)
        assert wire.free is (number < UNANSWERED_MESSAGES)


def test_quit_ends_the_connection() -> None:
    for await_reply in (False, True):
        wire = Wire()
        wire.current = "script"
        assert (wire.reusable, wire.ending) == (True, False)
        wire.send_quit(QUIT, await_reply=await_reply)
        assert wire.out == [b"QUIT\r\n"]
        assert (wire.reusable, wire.ending) == (False, True)
        assert list(wire.awaited) == ([(QUIT, None, 0)] if await_reply else [])


def test_a_new_wire_is_clean() -> None:
    wire = Wire()
    assert (wire.pipelining, wire.garbled, wire.free, wire.unclean) == (False, False, True, False)
    assert wire.head is None
    wire.send(DATA, b"DATA\r\n")
    assert wire.head is DATA
