from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.smtp.capabilities import DISCARDABLE, Capabilities, known_discards, parse_capabilities
from mailrider.smtp.reply import Reply, ReplyParser


def reply_of(*lines: str) -> Reply:
    octets = tuple(line.encode("utf-8", "surrogateescape") for line in lines)
    return Reply(250, octets, octets[-1])


def parse(*keywords: str, discard: tuple[str, ...] = ()) -> Capabilities:
    return parse_capabilities(reply_of("250-mx.example.test greets you", *(f"250-{word}" for word in keywords)), discard)


def test_a_server_that_can_do_everything() -> None:
    offered = parse(
        "PIPELINING", "SIZE 10240000", "8BITMIME", "DSN", "SMTPUTF8", "STARTTLS", "CHUNKING", "REQUIRETLS",
        "XFORWARD NAME addr", "AUTH plain LOGIN", "ENHANCEDSTATUSCODES", "VRFY",
    )  # fmt: skip
    assert offered == Capabilities(
        name="mx.example.test", extended=True, eight_bit_mime=True, pipelining=True, size=True, size_limit_octets=10240000,
        dsn=True, smtputf8=True, starttls=True, chunking=True, requiretls=True, xforward=frozenset({"NAME", "ADDR"}),
        auth=("PLAIN", "LOGIN"), announces_auth=True,
    )  # fmt: skip
    assert offered.warnings == ()
    assert offered.names() == (
        "PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "STARTTLS", "CHUNKING", "REQUIRETLS", "XFORWARD", "AUTH"
    )  # fmt: skip


def test_a_server_that_can_do_nothing() -> None:
    assert parse() == Capabilities(name="mx.example.test", extended=True)
    assert parse().names() == ()
    assert Capabilities().extended is False


@pytest.mark.parametrize(
    ("keyword", "limit", "warning"),
    [
        ("SIZE", 0, None),
        ("SIZE 0", 0, None),
        ("size 1000", 1000, None),
        ("SIZE=1000", 1000, None),
        ("SIZE 1000 2000", 1000, None),
        ("SIZE unlimited", 0, 'bad EHLO SIZE limit "unlimited"'),
        ("SIZE -1", 0, 'bad EHLO SIZE limit "-1"'),
        ("SIZE 10=20", 0, 'bad EHLO SIZE limit "10=20"'),
        ("SIZE =1000", 0, 'bad EHLO SIZE limit "=1000"'),
        ("SIZE ²", 0, 'bad EHLO SIZE limit "²"'),
        ("SIZE " + "9" * 40, int("9" * 20), None),
    ],
)
def test_the_size_limit(keyword: str, limit: int, warning: str | None) -> None:
    offered = parse(keyword)
    assert offered.size
    assert offered.size_limit_octets == limit
    assert offered.warnings == (() if warning is None else (warning,))


def test_the_last_usable_size_counts() -> None:
    offered = parse("SIZE 1", "SIZE 2", "SIZE", "SIZE x")
    assert offered.size_limit_octets == 2
    assert offered.warnings == ('bad EHLO SIZE limit "x"',)


def test_announcements_add_up() -> None:
    assert parse("AUTH PLAIN", "AUTH=LOGIN PLAIN").auth == ("PLAIN", "LOGIN", "PLAIN")
    assert parse("XFORWARD NAME", "xforward helo").xforward == {"NAME", "HELO"}


def test_what_is_discarded_counts_as_not_announced() -> None:
    offered = parse(*(f"{keyword} NAME" for keyword in DISCARDABLE), discard=DISCARDABLE)
    assert offered == Capabilities(name="mx.example.test", extended=True)
    assert offered.warnings == ()
    assert parse("PIPELINING", "DSN", discard=("DSN",)) == parse("PIPELINING")


def test_the_keywords_that_can_be_discarded() -> None:
    assert known_discards(["xforward", "Dsn", "silent-discard", "foo", "8BITMIME"]) == ("8BITMIME", "XFORWARD", "DSN")
    assert known_discards([]) == ()


def test_the_first_line_with_words_names_the_server() -> None:
    assert parse_capabilities(reply_of("250")).name == ""
    assert parse_capabilities(reply_of("250-", "250-mx", "250 DSN")) == Capabilities(name="mx", extended=True, dsn=True)
    assert parse_capabilities(reply_of("250 PIPELINING")) == Capabilities(name="PIPELINING", extended=True)
    assert parse_capabilities(reply_of("garbage in front", "250 mx")).name == "in"


def next_token(text: str, separators: str) -> tuple[str | None, str]:
    """Skip separators, take what is up to the next one; it is used up too."""
    text = text.lstrip(separators)
    if not text:
        return None, ""
    length = next((index for index, letter in enumerate(text) if letter in separators), len(text))
    return text[:length], text[length + 1 :]


def keywords_plainly(line: str) -> list[str]:
    """A line as smtp(8) reads it: the code ends at a blank or hyphen, the keyword at a blank or equals sign."""
    code, rest = next_token(line, "- ")
    keyword, rest = next_token(rest, " \t=")
    if code is None or keyword is None:
        return []
    words = [keyword.upper()]
    word, rest = next_token(rest, " \t")
    while word is not None:
        words.append(word)
        word, rest = next_token(rest, " \t")
    return words


LINES = st.lists(
    st.sampled_from(["250", "-", " ", "=", "SIZE", "AUTH", "XFORWARD", "DSN", "100", "x", "é", "name"]), max_size=12
).map("".join)


@given(st.lists(LINES, max_size=6))
def test_keywords_are_read_as_smtp_reads_them(lines: list[str]) -> None:
    offered = parse_capabilities(reply_of("250-mx", *lines))
    read = [words for line in lines if (words := keywords_plainly(line))]
    assert offered.dsn == any(words[0] == "DSN" for words in read)
    assert offered.auth == tuple(word.upper() for words in read for word in words[1:] if words[0] == "AUTH")
    assert offered.xforward == {word.upper() for words in read for word in words[1:] if words[0] == "XFORWARD"}
    limits = [words[1] for words in read if words[0] == "SIZE" and words[1:]]
    good = [int(limit) for limit in limits if limit.isascii() and limit.isdigit()]
    assert offered.size_limit_octets == (good[-1] if good else 0)
    assert len(offered.warnings) == len(limits) - len(good)


@given(st.binary(max_size=200).map(lambda octets: b"250-mx\r\n" + octets + b"\r\n250 x\r\n"))
def test_no_reply_does_any_harm(octets: bytes) -> None:
    for reply in ReplyParser().feed(octets):
        offered = parse_capabilities(reply)
        assert offered.extended
        assert offered.size_limit_octets >= 0
        assert all(warning.isprintable() for warning in offered.warnings)
