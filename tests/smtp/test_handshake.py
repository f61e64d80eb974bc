"""The opening beyond what the dialogues show; see also `test_handshake_extensions`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import ConnectionLost, LocalDataError, PeerBabbles, TimedOut, WireTrouble
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.handshake import Opening, Terms, take_leave
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.stage import EHLO, GREETING, HELO, LHLO, Stage
from mailrider.smtp.trouble import Trouble

from .driver import Driver

PEER = "mx.example.test[192.0.2.1]"
TERMS = Terms(PEER, PEER + ":25", "example.test", "client.example.test", "client.example.test")

WORDS = st.sampled_from(["mx", "client.example.test", "ESMTP", "PIPELINING", "SIZE x", "****", "", "5.7.1 no"])
CODES = st.sampled_from(["220", "250", "421", "500", "554", "354", "000", "25", "x"])
LINES = st.tuples(CODES, st.sampled_from(" -"), WORDS).map("".join)
TERMS_OF_ALL_KINDS = st.builds(
    replace,
    st.just(TERMS),
    lmtp=st.booleans(),
    always_send_ehlo=st.booleans(),
    never_send_ehlo=st.booleans(),
    skip_5xx_greeting=st.booleans(),
    detect_loops=st.booleans(),
    is_best_exchanger=st.booleans(),
    await_quit=st.booleans(),
    pix_workarounds=st.just(lambda: ("disable_esmtp",)),
)
TROUBLES = st.sampled_from([ConnectionLost, TimedOut, PeerBabbles, LocalDataError]).map(lambda kind: kind("why"))


class Conversation:
    def __init__(self, terms: Terms = TERMS) -> None:
        self.warnings: list[str] = []
        self.opening = Opening(terms, self.warnings.append)
        self.driver = Driver()
        self.driver.run(self.opening.run(self.driver.wire))

    def feed(self, *lines: str) -> None:
        for line in lines:
            self.driver.feed(line.encode() + b"\r\n")


def test_the_opening_waits_for_the_greeting() -> None:
    conversation = Conversation()
    assert conversation.driver.written == b""
    assert conversation.driver.wire.head is GREETING
    assert conversation.opening.result is None
    conversation.feed("220 mx")
    assert conversation.driver.written == b"EHLO client.example.test\r\n"
    assert conversation.driver.wire.head is EHLO
    conversation.feed("250-mx.example.test", "250 PIPELINING")
    assert conversation.opening.result == Capabilities(name="mx.example.test", extended=True, pipelining=True)
    assert conversation.driver.wire.reusable
    assert conversation.driver.wire.free
    assert conversation.warnings == []


def test_helo_knows_no_extensions() -> None:
    conversation = Conversation(replace(TERMS, never_send_ehlo=True, detect_loops=True))
    conversation.feed("220 mx ESMTP", "250-client.example.test", "250 PIPELINING")
    assert conversation.opening.result == Capabilities()


def test_only_the_greeting_is_softened() -> None:
    conversation = Conversation()
    conversation.feed("220 mx", "500 what", "554 5.7.1 no")
    result = conversation.opening.result
    assert isinstance(result, Refusal)
    assert (result.scope, result.status) == (Scope.SITE, "5.7.1")
    assert result.text == f"host {PEER} refused to talk to me: 554 5.7.1 no"


def test_a_loop_is_our_own_word() -> None:
    conversation = Conversation(replace(TERMS, detect_loops=True))
    conversation.feed("220 mx", "250 CLIENT.example.test")
    assert conversation.opening.result == Refusal(Scope.SITE, "4.4.6", "mail for example.test loops back to myself")
    assert conversation.driver.written.endswith(b"QUIT\r\n")
    assert not Conversation().driver.wire.ending


@pytest.mark.parametrize(
    ("said", "terms", "stage"),
    [
        ([], TERMS, GREETING),
        (["220 mx"], TERMS, EHLO),
        (["220 mx", "502 what"], TERMS, HELO),
        (["220 mx"], replace(TERMS, lmtp=True), LHLO),
    ],
)
@pytest.mark.parametrize("kind", [ConnectionLost, TimedOut, PeerBabbles])
def test_trouble_is_told_with_its_stage(said: list[str], terms: Terms, stage: Stage, kind: type[WireTrouble]) -> None:
    trouble = kind("why")
    conversation = Conversation(terms)
    conversation.feed(*said)
    written = bytes(conversation.driver.written)
    conversation.driver.break_off(trouble)
    assert conversation.opening.result == Trouble(trouble, stage)
    assert conversation.driver.written == written
    assert not conversation.driver.wire.reusable


def fail() -> tuple[str, ...]:
    raise LocalDataError("the table is gone")


def test_a_table_that_fails_is_no_fault_of_the_server() -> None:
    for terms, said, stage in (
        (replace(TERMS, discard=fail), ["220 mx", "250-mx", "250 DSN"], EHLO),
        (replace(TERMS, pix_workarounds=fail), ["220 ***"], GREETING),
    ):
        conversation = Conversation(terms)
        conversation.feed(*said)
        result = conversation.opening.result
        assert isinstance(result, Trouble)
        assert isinstance(result.cause, LocalDataError)
        assert result.stage is stage
        assert conversation.driver.written.endswith(b"QUIT\r\n")


def test_warnings_name_the_server_with_its_port() -> None:
    conversation = Conversation(replace(TERMS, detect_loops=True))
    conversation.feed("220 client.example.test", "250-mx", "250-SIZE a", "250 SIZE b")
    assert conversation.warnings == [
        f"host {PEER}:25 greeted me with my own hostname client.example.test",
        f'bad EHLO SIZE limit "a" from {PEER}:25',
        f'bad EHLO SIZE limit "b" from {PEER}:25',
    ]
    quiet = Conversation()
    quiet.feed("220 client.example.test", "250 client.example.test")
    assert quiet.warnings == []


@pytest.mark.parametrize("await_reply", [True, False])
def test_taking_leave(await_reply: bool) -> None:
    driver = Driver()
    driver.run(take_leave(driver.wire, await_reply=await_reply))
    assert driver.written == b"QUIT\r\n"
    assert driver.closed is not await_reply
    driver.feed(b"221 Bye\r\n")
    assert driver.closed
    assert not driver.wire.reusable


@given(TERMS_OF_ALL_KINDS, st.lists(LINES, max_size=12), TROUBLES)
def test_no_server_does_any_harm(terms: Terms, lines: list[str], trouble: WireTrouble) -> None:
    conversation = Conversation(terms)
    driver = conversation.driver
    for line in lines:
        conversation.feed(line)
    still_open = conversation.opening.result is None
    driver.break_off(trouble)
    result = conversation.opening.result
    assert result is not None
    assert isinstance(result, Trouble) == still_open
    commands = driver.written.decode().split("\r\n")
    assert commands.pop() == ""
    verbs = [command.partition(" ")[0] for command in commands]
    expected = ["LHLO", "QUIT"] if terms.lmtp else ["EHLO", "HELO", "QUIT"]
    assert [verb for verb in expected if verb in verbs] == verbs
    assert "EHLO" not in verbs or not terms.never_send_ehlo
    if not isinstance(result, Trouble):
        assert ("QUIT" in verbs) == isinstance(result, Refusal)
