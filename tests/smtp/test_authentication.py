from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import ConnectionLost, TimedOut
from mailrider.smtp.authentication import (
    BAD_PROTOCOL,
    COMMAND_LIMIT_OCTETS,
    INCOMPLETE,
    STEPS_LIMIT,
    Login,
    LoginTerms,
    challenge_text,
    decode_challenge,
    withhold_identity,
)
from mailrider.smtp.refusal import Refusal
from mailrider.smtp.reply import Reply, ReplyParser
from mailrider.smtp.stage import AUTH, AUTH_AFTER_DENIAL, LMTP_AUTH, Stage
from mailrider.smtp.trouble import Trouble

from .driver import Driver, octet_by_octet

PEER = "mx.example.test[192.0.2.1]"
CANNOT = f"SASL authentication failed; cannot authenticate to server {PEER}: "


class Parrot:
    """Answers every challenge with itself, until it hears `stop`; whom `tired` says is tired at once."""

    name = "PARROT"

    def __init__(self) -> None:
        self.failure = ""
        self.warning = ""
        self.heard: list[bytes] = []

    def begin(self) -> bytes | None:
        return None

    def respond(self, challenge: bytes) -> bytes | None:
        self.heard.append(challenge)
        if challenge == b"stop":
            self.failure, self.warning = "no more", "it stops"
            return None
        return challenge


class Talk:
    """A login and the server's side of it."""

    def __init__(self, initial: bytes | None = None, **terms: Any) -> None:
        self.parrot = Parrot()
        self.warnings: list[str] = []
        self.login = Login(self.parrot, initial, LoginTerms(PEER, **terms), self.warnings.append)
        self.driver = Driver()
        self.run = self.driver.run(self.login.run(self.driver.wire))

    def say(self, *lines: str) -> Talk:
        for line in lines:
            for piece in octet_by_octet(line.encode("latin-1") + b"\r\n"):
                self.driver.feed(piece)
        return self

    @property
    def written(self) -> list[str]:
        return self.driver.written.decode().split("\r\n")[:-1]

    @property
    def refusal(self) -> Refusal:
        assert isinstance(self.login.result, Refusal)
        return self.login.result


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_an_exchange_from_beginning_to_end() -> None:
    talk = Talk().say("334 " + b64("one"), "334 " + b64("two"), "235 2.7.0 fine")
    assert talk.written == ["AUTH PARROT", b64("one"), b64("two")]
    assert isinstance(talk.login.result, Reply)
    assert talk.driver.wire.reusable


def test_the_initial_response_goes_along() -> None:
    assert Talk(b"hello").say("235 ok").written == ["AUTH PARROT " + b64("hello")]


def test_an_empty_initial_response_is_said() -> None:
    assert Talk(b"").say("235 ok").written == ["AUTH PARROT ="]


@pytest.mark.parametrize("excess", [0, 1])
def test_a_long_initial_response_waits_to_be_asked_for(excess: int) -> None:
    room = (COMMAND_LIMIT_OCTETS - len("AUTH PARROT \r\n")) // 4 * 3
    initial = b"x" * (room + excess)
    talk = Talk(initial)
    line = base64.b64encode(initial).decode()
    if not excess:
        assert talk.written == ["AUTH PARROT " + line]
        return
    assert talk.written == ["AUTH PARROT"]
    assert talk.say("334 ", "235 ok").written == ["AUTH PARROT", line]
    assert isinstance(talk.login.result, Reply)


def test_a_challenge_in_place_of_that_question_is_a_failure_and_gives_nothing_away() -> None:
    talk = Talk(b"secret" * 100).say("334 " + b64("who?"), "501 cancelled", "221 bye")
    assert talk.written == ["AUTH PARROT", "*", "QUIT"]
    assert talk.refusal.status == "4.7.0"
    assert talk.refusal.text == f"SASL authentication failed; non-empty initial PARROT challenge from server {PEER}"


@pytest.mark.parametrize(
    ("line", "soft_bounce", "status"),
    [
        ("535 5.7.8 no", True, "4.7.8"), ("535 5.7.8 no", False, "5.7.8"), ("454 4.7.0 later", True, "4.7.0"),
        ("454 4.7.0 later", False, "4.7.0"), ("550 no", True, "4.0.0"), ("421 4.3.2 bye", True, "4.3.2"),
    ],
)  # fmt: skip
def test_a_refusal_quotes_the_server(line: str, soft_bounce: bool, status: str) -> None:
    talk = Talk(b"x", soft_bounce=soft_bounce).say(line)
    assert talk.refusal.status == status
    assert talk.refusal.text == f"SASL authentication failed; server {PEER} said: {line}"
    assert talk.written[-1] == "QUIT"
    assert not talk.driver.wire.reusable


@pytest.mark.parametrize("line", ["600 what", "199 what"])
def test_what_is_no_reply_at_all_is_a_protocol_error(line: str) -> None:
    assert Talk().say(line).refusal.status == "5.5.0"


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        ("!!!!", BAD_PROTOCOL), (" YWJj", BAD_PROTOCOL), ("YWJj=AAA", BAD_PROTOCOL), ("YQ==YQ==", BAD_PROTOCOL),
        ("abc", INCOMPLETE), ("YWJjZA=", INCOMPLETE), ("YWJj ", INCOMPLETE), ("\xff\xff\xff\xff", BAD_PROTOCOL),
    ],
)  # fmt: skip
def test_a_challenge_that_is_no_base64_ends_it(challenge: str, reason: str) -> None:
    talk = Talk().say("334 " + challenge, "501 ok")
    assert talk.written == ["AUTH PARROT", "*", "QUIT"]
    assert talk.refusal.text == CANNOT + reason
    assert talk.refusal.reply is None
    assert not talk.parrot.heard


def test_a_mechanism_that_gives_up_is_heard() -> None:
    talk = Talk().say("334 " + b64("stop"), "501 ok")
    assert talk.refusal.text == CANNOT + "no more"
    assert talk.warnings == ["it stops"]


def test_challenges_come_to_an_end() -> None:
    talk = Talk()
    for _ in range(STEPS_LIMIT + 1):
        talk.say("334 " + b64("again"))
    talk.say("501 ok")
    assert len(talk.parrot.heard) == STEPS_LIMIT
    assert talk.refusal.status == "4.3.0"
    assert talk.refusal.text == f"SASL authentication failed; authentication protocol loop with server {PEER}"


def test_a_challenge_of_several_lines_is_garbage() -> None:
    assert Talk().say("334-" + b64("one"), "334 " + b64("two"), "501 ok").refusal.text == CANNOT + BAD_PROTOCOL


def test_a_refusal_of_several_lines_shows_where_they_end() -> None:
    talk = Talk().say("535-5.7.8 first line", "535 5.7.8 second line")
    assert talk.refusal.text == f"SASL authentication failed; server {PEER} said: 535-5.7.8 first line?535 5.7.8 second line"


@pytest.mark.parametrize(
    ("stage", "doing"),
    [
        (AUTH, "performing the EHLO handshake"),
        (LMTP_AUTH, "performing the LHLO handshake"),
        (AUTH_AFTER_DENIAL, "receiving the STARTTLS response"),
    ],
)
@pytest.mark.parametrize("cause", [ConnectionLost("x"), TimedOut("x")])
def test_a_conversation_that_breaks_is_told_as_what_was_before_it(
    stage: Stage, doing: str, cause: ConnectionLost | TimedOut
) -> None:
    talk = Talk(stage=stage)
    talk.driver.break_off(cause)
    result = talk.login.result
    assert isinstance(result, Trouble)
    assert result.cause is cause
    assert result.stage.doing == doing
    assert "QUIT" not in talk.written


def test_a_server_that_hangs_up_on_a_cancel_changes_nothing() -> None:
    talk = Talk().say("334 !!!!")
    talk.driver.break_off(ConnectionLost("x"))
    assert talk.refusal.text == CANNOT + BAD_PROTOCOL


@given(st.binary())
def test_what_was_encoded_is_decoded(octets: bytes) -> None:
    assert decode_challenge(base64.b64encode(octets)) == octets


@given(st.binary(max_size=40) | st.text("YWJj=A ", max_size=20).map(str.encode))
def test_no_challenge_breaks_the_decoder(text: bytes) -> None:
    found = decode_challenge(text)
    if isinstance(found, bytes):
        assert len(text) % 4 == 0
        assert len(found) <= len(text) // 4 * 3
    else:
        assert found in (BAD_PROTOCOL, INCOMPLETE)


def replies(lines: Sequence[bytes]) -> list[Reply]:
    return ReplyParser().feed(b"".join(line + b"\r\n" for line in lines))


@pytest.mark.parametrize(
    ("lines", "text"),
    [([b"334 abc"], b"abc"), ([b"334"], b""), ([b"334 "], b""), ([b"334  abc"], b" abc"), ([b"334-a", b"334 b"], b"a\n334 b")],
)
def test_the_text_of_a_challenge_begins_behind_the_code(lines: list[bytes], text: bytes) -> None:
    assert challenge_text(replies(lines)[0]) == text


LINES = [b"334 YQ==", b"334 ", b"334 !", b"235 ok", b"535 no", b"999 x", b"334-x", b"garbage"]


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_whatever_the_server_says_there_is_at_most_one_result(lines: list[bytes]) -> None:
    talk = Talk(b"initial")
    for line in lines:
        if talk.login.result is None:
            talk.driver.feed(line + b"\r\n")
    if talk.login.result is None:
        talk.driver.break_off(ConnectionLost("x"))
    assert isinstance(talk.login.result, Reply | Refusal | Trouble)
    assert talk.written.count("AUTH PARROT " + b64("initial")) == 1


def test_who_logged_in_does_not_vouch_for_the_sender() -> None:
    assert withhold_identity(b"MAIL FROM:<a@b> SIZE=1\r\n") == b"MAIL FROM:<a@b> SIZE=1 AUTH=<>\r\n"
