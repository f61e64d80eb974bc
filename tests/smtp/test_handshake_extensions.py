"""What the opening of a conversation leaves out on purpose: keywords that are to be discarded, ESMTP for hidden greetings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from mailrider.errors import LocalDataError
from mailrider.smtp.capabilities import DISCARDABLE, Capabilities, known_discards, parse_capabilities
from mailrider.smtp.handshake import DELAY_DOTCRLF, DISABLE_ESMTP, Opening, Terms
from mailrider.smtp.reply import Reply
from mailrider.smtp.trouble import Trouble

from .driver import Driver

HIDDEN = b"220 ****************************2*****0****\r\n"
EVERYTHING = (
    b"250-mx.example.test\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250-ETRN\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-VRFY\r\n"
    b"250-XFORWARD NAME\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
    b"250 REQUIRETLS\r\n"
)


class Conversation:
    def __init__(self, **terms: Any) -> None:
        given = {"helo_name": "me.example.test", "own_name": "me.example.test", "nexthop": "example.test"} | terms
        self.opening = Opening(Terms("mx[192.0.2.1]", "mx[192.0.2.1]:25", **given), lambda text: None)
        self.driver = Driver()
        self.driver.run(self.opening.run(self.driver.wire))

    def say(self, octets: bytes) -> bytes:
        self.driver.feed(octets)
        written = bytes(self.driver.written)
        self.driver.written.clear()
        return written

    @property
    def offered(self) -> Capabilities:
        assert isinstance(self.opening.result, Capabilities)
        return self.opening.result


def fail(*_: object) -> tuple[str, ...]:
    raise LocalDataError("the table is gone")


def count(words: Collection[str], asked: list[int]) -> Callable[[], tuple[str, ...]]:
    def ask() -> tuple[str, ...]:
        asked.append(1)
        return tuple(words)

    return ask


# -- keywords ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keyword", sorted(set(DISCARDABLE) & {line.split()[0][4:] for line in EVERYTHING.decode().split("\r\n") if line})
)
def test_each_keyword_can_be_discarded_and_the_others_stay(keyword: str) -> None:
    lines = tuple(EVERYTHING.rstrip(b"\r\n").split(b"\r\n"))
    reply = Reply(250, lines, lines[-1])
    every, without = parse_capabilities(reply), parse_capabilities(reply, (keyword,))
    assert set(every.names()) - set(without.names()) <= {keyword}
    assert keyword not in without.names()
    assert (without == every) == (keyword in {"ETRN", "VRFY", "ENHANCEDSTATUSCODES"})


def test_a_size_that_is_discarded_sets_no_limit() -> None:
    conversation = Conversation(discard=lambda: ("SIZE",))
    conversation.say(b"220 hi\r\n")
    conversation.say(EVERYTHING)
    assert not conversation.offered.size
    assert conversation.offered.size_limit_octets == 0


def test_words_are_known_in_any_case_and_listed_in_the_order_of_the_log() -> None:
    assert known_discards(["size", "Dsn", "8BitMime", "nonsense", "silent-discard"]) == ("8BITMIME", "SIZE", "DSN")


def test_the_list_is_asked_for_once_and_only_where_there_are_keywords() -> None:
    asked: list[int] = []
    conversation = Conversation(discard=count((), asked))
    conversation.say(b"220 hi\r\n")
    conversation.say(b"500 what\r\n")
    assert conversation.say(b"250 hi\r\n") == b""
    assert asked == []
    conversation = Conversation(discard=count((), asked))
    conversation.say(b"220 hi\r\n")
    conversation.say(EVERYTHING)
    assert asked == [1]


@pytest.mark.parametrize("lmtp", [False, True])
def test_a_list_that_cannot_be_asked_ends_the_conversation_politely(lmtp: bool) -> None:
    conversation = Conversation(discard=fail, lmtp=lmtp)
    conversation.say(b"220 hi\r\n")
    assert conversation.say(EVERYTHING) == b"QUIT\r\n"
    result = conversation.opening.result
    assert isinstance(result, Trouble)
    assert isinstance(result.cause, LocalDataError)
    assert not conversation.driver.wire.reusable


# -- hidden greetings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("greeting", [HIDDEN, b"220 *\r\n", b"220\r\n", b"220 02***\r\n"])
def test_a_hidden_greeting_gets_helo(greeting: bytes) -> None:
    conversation = Conversation(pix_workarounds=lambda: (DISABLE_ESMTP, DELAY_DOTCRLF), always_send_ehlo=True)
    assert conversation.say(greeting) == b"HELO me.example.test\r\n"
    assert conversation.opening.pix_workarounds == (DISABLE_ESMTP, DELAY_DOTCRLF)
    conversation.say(b"250 hi\r\n")
    assert conversation.offered == Capabilities()


@pytest.mark.parametrize("greeting", [b"220 ***x***\r\n", b"220 ESMTP ***\r\n", b"220-***\r\n220 ***\r\n", b"220 **1**\r\n"])
def test_any_other_greeting_gets_ehlo(greeting: bytes) -> None:
    conversation = Conversation(pix_workarounds=fail)
    assert conversation.say(greeting) == b"EHLO me.example.test\r\n"


def test_without_disable_esmtp_a_hidden_greeting_gets_ehlo() -> None:
    conversation = Conversation(pix_workarounds=lambda: (DELAY_DOTCRLF,))
    assert conversation.say(HIDDEN) == b"EHLO me.example.test\r\n"
    assert conversation.opening.pix_workarounds == (DELAY_DOTCRLF,)


def test_lmtp_has_nothing_but_lhlo() -> None:
    conversation = Conversation(pix_workarounds=lambda: (DISABLE_ESMTP, DELAY_DOTCRLF), lmtp=True)
    assert conversation.say(HIDDEN) == b"LHLO me.example.test\r\n"
    assert conversation.opening.pix_workarounds == (DISABLE_ESMTP, DELAY_DOTCRLF)


def test_a_hidden_refusal_is_a_refusal() -> None:
    asked: list[int] = []
    conversation = Conversation(pix_workarounds=count((), asked))
    assert conversation.say(b"400 ***\r\n") == b"QUIT\r\n"
    assert asked == []
