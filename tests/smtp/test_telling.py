"""A wire that tells what goes over it."""

from hypothesis import given
from hypothesis import strategies as st

from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import AUTH, CHUNK, DATA, LMTP_AUTH, MAIL, QUIT, RCPT, RSET
from mailrider.smtp.telling import TellingWire
from mailrider.smtp.wire import UNANSWERED_LIMIT_OCTETS, Wire


class Listener:
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def command(self, line: bytes) -> None:
        self.heard.append(line)

    def reply(self, reply: Reply) -> None:
        raise AssertionError("a wire hears no replies")


def test_commands_are_told_in_the_order_in_which_they_were_written() -> None:
    listener = Listener()
    wire = TellingWire(listener)
    wire.pipelining = True
    wire.send_unowned(RSET, b"RSET\r\n")
    assert wire.send_group([(MAIL, b"MAIL FROM:<a>\r\n"), (RCPT, b"RCPT TO:<b>\r\n")])
    wire.send(CHUNK, b"BDAT 7\r\nsecret!")
    wire.send_quit(QUIT, await_reply=True)
    assert listener.heard == [b"RSET", b"MAIL FROM:<a>", b"RCPT TO:<b>", b"BDAT 7", b"QUIT"]


def test_a_group_that_does_not_leave_is_not_told() -> None:
    listener = Listener()
    wire = TellingWire(listener)
    assert not wire.send_group([(MAIL, b"MAIL FROM:<a>\r\n"), (DATA, b"DATA\r\n")])
    wire.pipelining = True
    assert not wire.send_group([(MAIL, b"x" * (UNANSWERED_LIMIT_OCTETS + 1))])
    assert listener.heard == []


def test_secrets_are_not_told() -> None:
    listener = Listener()
    wire = TellingWire(listener)
    for stage in (AUTH, LMTP_AUTH):
        for line in (b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"c2VjcmV0\r\n", b"a b c\r\n", b"\r\n", b"*\r\n"):
            wire.send(stage, line)
    assert listener.heard == [b"AUTH PLAIN ***", b"AUTH LOGIN", b"***", b"***", b"***", b"***"] * 2


@given(st.lists(st.sampled_from([b"MAIL FROM:<a>\r\n", b"RCPT TO:<b>\r\n", b"DATA\r\n"]), max_size=8), st.booleans())
def test_what_it_does_is_what_any_wire_does(lines: list[bytes], pipelining: bool) -> None:
    plain, telling = Wire(), TellingWire(Listener())
    for wire in (plain, telling):
        wire.pipelining = pipelining
        for line in lines:
            wire.send(MAIL, line)
        wire.send_group([(RCPT, line) for line in lines])
    assert (plain.out, plain.awaited) == (telling.out, telling.awaited)
