from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import LocalDataError, PeerBabbles
from mailrider.smtp import reply as reply_module
from mailrider.smtp.reply import (
    BEGINNING_CHARACTERS,
    KNOWN_LINE_LIMIT_OCTETS,
    KNOWN_LINES_LIMIT,
    LINE_COST_OCTETS,
    NOTES_LIMIT,
    GarbageLine,
    LineCut,
    LineReplaced,
    Note,
    Reply,
    ReplyCut,
    ReplyParser,
    make_printable,
)

from .driver import octet_by_octet

LIMIT = 20
"""A small limit, so that small examples reach it."""


class Facts(NamedTuple):
    """All that can be seen of a reply."""

    code: int
    octets: tuple[bytes, ...]
    last: bytes
    garbled: bool
    text: str
    status: str


def facts(reply: Reply) -> Facts:
    return Facts(reply.code, reply.octets, reply.last, reply.garbled, reply.text, reply.status)


def feed(parser: ReplyParser, *pieces: bytes) -> list[Facts]:
    return [facts(reply) for piece in pieces for reply in parser.feed(piece)]


def parse(octets: bytes, limit: int = 2048, **options: bool) -> list[Facts]:
    return feed(ReplyParser(limit, **options), octets)


def only(octets: bytes, limit: int = 2048, **options: bool) -> Reply:
    """The one reply in `octets`."""
    replies = ReplyParser(limit, **options).feed(octets)
    assert len(replies) == 1
    return replies[0]


def split(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut `octets` at these places (modulo its length)."""
    ends = sorted(place % (len(octets) + 1) for place in places)
    return [octets[start:end] for start, end in zip([0, *ends], [*ends, len(octets)], strict=True)]


# Octets of which replies, garbage, overlong lines and odd line ends are made.
ODD_TEXT = st.lists(
    st.sampled_from(
        [
            b"250 ", b"250-", b"250", b"4", b"55", b"2.1.5 ", b"5.7.1", b"ok", b"\r", b"\n", b"\r\n", b"\r\r\n", b"\0", b" ",
            b"-", b"\t", b"\xc3", b"\xa9", b"\xff", b"\x1b", b"x" * 9, b"x" * 25, b"\r" * 21, b"\r" * 30,
        ]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip
CUTS = st.lists(st.integers(min_value=0, max_value=2000), max_size=12)


# -- single replies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "code", "status", "text"),
    [
        (b"250 Ok\r\n", 250, "2.0.0", "250 Ok"),
        (b"250 2.1.5 Ok\r\n", 250, "2.1.5", "250 2.1.5 Ok"),
        (b"250\r\n", 250, "2.0.0", "250"),
        (b"250 \n", 250, "2.0.0", "250 "),
        (b"550-5.1.1 no\r\n550 5.1.2 such user\r\n", 550, "5.1.2", "550-5.1.1 no 550 5.1.2 such user"),
        (b"550-5.1.1 no\r\n450 such user\r\n", 450, "4.0.0", "550-5.1.1 no 450 such user"),
        (b"550 4.1.1 wrong class\r\n", 550, "5.0.0", "550 4.1.1 wrong class"),
        (b"450 5.1.1 wrong class\r\n", 450, "4.0.0", "450 5.1.1 wrong class"),
        (b"354 2.0.0 go\r\n", 354, "5.5.0", "354 2.0.0 go"),
        (b"099 5.1.1 what\r\n", 99, "5.5.0", "099 5.1.1 what"),
        (b"450    4.7.1 blanks\r\n", 450, "4.7.1", "450    4.7.1 blanks"),
        (b"450 4.7.1\r\n", 450, "4.7.1", "450 4.7.1"),
        (b"450 4.7.1x\r\n", 450, "4.0.0", "450 4.7.1x"),
        (b"450 4.7.1234 x\r\n", 450, "4.0.0", "450 4.7.1234 x"),
        (b"550 5.1.1\xc2\xa0x\r\n", 550, "5.0.0", "550 5.1.1\xa0x"),
        (b"550 5.7.1 no\0hidden\r\n", 550, "5.7.1", "550 5.7.1 no"),
        (b"550 \x1b[31mred\x7f\r\n", 550, "5.0.0", "550 ?[31mred?"),
        (b"550 caf\xc3\xa9 \xff\r\n", 550, "5.0.0", "550 café ?"),
        (b"550 \xc2\x85\xe2\x80\xa8\r\n", 550, "5.0.0", "550 ??"),
        (b"550 Ok\r\r\r\n", 550, "5.0.0", "550 Ok"),
    ],
)  # fmt: skip
def test_a_reply_has_a_code_a_status_and_a_text(octets: bytes, code: int, status: str, text: str) -> None:
    reply = only(octets)
    assert (reply.code, reply.status, reply.text, reply.garbled) == (code, status, text, False)
    assert reply.status == status  # looked at twice
    assert reply.text == text
    assert repr(reply) == f"<Reply {text}>"
    assert " ".join(reply.lines) == text


def test_without_utf8_every_octet_beyond_ascii_is_a_question_mark() -> None:
    assert only(b"550 caf\xc3\xa9 \xff\r\n", utf8=False).text == "550 caf?? ?"
    assert only(b"550-\xff\r\n550 caf\xc3\xa9\r\n", utf8=False).octets == (b"550-?", b"550 caf??")


@pytest.mark.parametrize(
    ("code", "complains"),
    [(250, True), (399, True), (400, False), (421, False), (499, False), (500, True), (509, True), (510, False), (554, False),
     (555, True), (556, False), (599, False), (600, True), (0, True)],
)  # fmt: skip
def test_some_codes_say_that_one_side_does_not_speak_the_protocol(code: int, complains: bool) -> None:
    assert Reply(code, (b"x",), b"x").is_syntax_complaint is complains


@pytest.mark.parametrize("octets", [b"plain", b"caf\xc3\xa9", b"\xff\xfe", b"a\tb\x00", b"\xe2\x80\xa9", b"\xc3", b""])
def test_what_is_printable_can_be_shown_anywhere(octets: bytes) -> None:
    for utf8 in (True, False):
        text = make_printable(octets, utf8=utf8)
        assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 or letter in "\u2028\u2029" for letter in text)
        assert utf8 or text.isascii()
        text.encode("utf-8")


# -- streams of replies ----------------------------------------------------------------------------------------------------


def test_garbage_is_kept_and_noted_and_ends_nothing() -> None:
    parser = ReplyParser()
    assert parser.is_between_replies
    assert parser.feed(b"stty: not a typewriter\r\n25 Ok\r\n2500 Ok\r\n") == []
    assert not parser.is_between_replies
    [reply] = parser.feed(b"250 Ok\r\n")
    assert parser.is_between_replies
    assert reply.garbled
    assert reply.text == "stty: not a typewriter 25 Ok 2500 Ok 250 Ok"
    assert parser.notes == [GarbageLine("stty: not a typewriter"), GarbageLine("25 Ok"), GarbageLine("2500 Ok")]
    for octets in (b"250 Ok\r\n", b"250-more\r\n250 Ok\r\n"):
        [reply] = parser.feed(octets)
        assert not reply.garbled


def test_empty_lines_in_front_leave_no_trace_in_the_text() -> None:
    # As in smtp(8), which puts a line break between texts that are there.
    parser = ReplyParser()
    [reply] = parser.feed(b"\r\n\n554 no\r\n")
    assert (reply.text, reply.garbled) == ("554 no", True)
    assert parser.notes == [GarbageLine(""), GarbageLine("")]
    assert only(b"554-no\r\n\r\n554 never\r\n").text == "554-no  554 never"
    parser.feed(b"\r\n")
    assert not parser.is_between_replies


def test_half_a_line_is_not_between_replies() -> None:
    parser = ReplyParser()
    assert parser.feed(b"2") == []
    assert not parser.is_between_replies
    assert feed(parser, b"50 Ok\r\n") == parse(b"250 Ok\r\n")
    assert parser.is_between_replies


def test_a_line_is_cut_where_it_is_longer_than_the_limit() -> None:
    for length, cut in ((LIMIT - 1, False), (LIMIT, False), (LIMIT + 1, True), (10 * LIMIT, True)):
        line = b"250 " + b"x" * (length - 4)
        parser = ReplyParser(LIMIT)
        [reply] = parser.feed(line + b"\r\n250")
        assert reply.octets == (line[:LIMIT],)
        assert parser.notes == ([LineCut("250 " + "x" * 16)] if cut else [])


def test_the_beginning_of_a_note_is_short() -> None:
    parser = ReplyParser()
    parser.feed(b"250 " + b"x" * 3000 + b"\n")
    assert parser.notes == [LineCut("250 " + "x" * (BEGINNING_CHARACTERS - 4))]


def test_lines_past_the_limit_are_read_and_not_kept() -> None:
    parser = ReplyParser(LIMIT)
    [reply] = parser.feed(b"250-0123456789\r\n250-0123456789\r\n250-more\r\n550 5.1.1 no\r\n")
    assert reply.octets == (b"250-0123456789", b"250-0123456789")
    assert (reply.code, reply.status, reply.last) == (550, "5.1.1", b"550 5.1.1 no")
    assert parser.notes == [ReplyCut("250-0123456789 250-0123456789")]
    parser.notes.clear()
    parser.feed(b"250-9876543210\r\n" * 3 + b"250 Ok\r\n")
    assert parser.notes == [ReplyCut("250-9876543210 250-9876543210")]
    parser.notes.clear()
    assert [reply.octets for reply in parser.feed(b"250 next\r\n")] == [(b"250 next",)]
    assert parser.notes == []


def test_a_line_is_kept_while_the_text_before_it_is_shorter_than_the_limit() -> None:
    # As in smtp(8): the text of two lines is as long as both and the line break between them.
    for first, kept in ((LIMIT - 1, True), (LIMIT, False)):
        line = b"250-".ljust(first, b"x")
        assert only(line + b"\n250 y\n", LIMIT).octets == ((line, b"250 y") if kept else (line,))
        half = b"250-".ljust(first - 9, b"x")
        assert only(half + b"\n250-abcd\n250 y\n", LIMIT).octets == ((half, b"250-abcd", b"250 y")[: 3 if kept else 2])


def test_a_reply_may_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_module, "REPLY_LIMIT_OCTETS", 1000)
    monkeypatch.setattr(reply_module, "LINE_COST_OCTETS", 1)
    parser = ReplyParser(LIMIT)
    parser.feed(b"250-x\n" * 166)
    with pytest.raises(PeerBabbles, match="1000 octets"):
        parser.feed(b"250-x\n")
    parser = ReplyParser(LIMIT)
    parser.feed(b"x" * 1000)
    with pytest.raises(PeerBabbles):
        parser.feed(b"x" * (LIMIT + 2))
    parser = ReplyParser(LIMIT)
    assert len(parser.feed((b"250-x\n" * 160 + b"250 x\n") * 5)) == 5


def test_a_line_costs_more_than_its_octets() -> None:
    """Eight million empty lines would keep the processor busy for a quarter of a minute."""
    parser, lines_allowed = ReplyParser(), reply_module.REPLY_LIMIT_OCTETS // LINE_COST_OCTETS
    with pytest.raises(PeerBabbles):
        parser.feed(b"\n" * (lines_allowed + 1))


def test_not_everything_is_noted() -> None:
    parser = ReplyParser()
    parser.feed(b"garbage\n" * 3 * NOTES_LIMIT)
    assert len(parser.notes) == NOTES_LIMIT + 1
    assert [type(note) for note in parser.notes].count(ReplyCut) == (3 * NOTES_LIMIT * 8 > 2048)
    parser.notes.clear()
    parser.feed(b"250 Ok\ngarbage\n")
    assert parser.notes == [GarbageLine("garbage")]


def test_a_filter_puts_another_line_in_place_of_one() -> None:
    seen: list[str] = []

    def rewrite(line: str) -> str | None:
        seen.append(line)
        return {"garbage": "250-filler", "250 Ok?": "450 4.7.1 no\udcff"}.get(line)

    parser = ReplyParser(rewrite=rewrite)
    [reply] = parser.feed(b"garbage\r\n250-x\r\n250 Ok\x07\r\n")
    assert seen == ["garbage", "250-x", "250 Ok?"]
    last = b"450 4.7.1 no\xff"
    text = "250-filler 250-x 450 4.7.1 no?"
    assert facts(reply) == Facts(450, (b"250-filler", b"250-x", last), last, False, text, "4.7.1")
    assert parser.notes == [LineReplaced("garbage", "250-filler"), LineReplaced("250 Ok?", "450 4.7.1 no\udcff")]
    parser.rewrite = None
    assert [reply.text for reply in parser.feed(b"250 Ok\x07\r\n")] == ["250 Ok?"]


def test_a_filter_sees_replies_that_were_known_before_it() -> None:
    parser = ReplyParser()
    parser.feed(b"250 Ok\r\n")
    parser.rewrite = lambda line: "550 no"
    assert [reply.code for reply in parser.feed(b"250 Ok\r\n")] == [550]


def test_where_a_filter_fails_the_replies_in_front_of_that_line_come_back() -> None:
    def rewrite(line: str) -> str | None:
        if line == "550-no":
            raise LocalDataError("the table is gone")
        return None

    parser = ReplyParser(rewrite=rewrite)
    replies = parser.feed(b"250 a\r\n250 b\r\n550-c\r\n550-no\r\n550 d\r\n250 e\r\n")
    assert [reply.text for reply in replies] == ["250 a", "250 b"]
    assert str(parser.trouble) == "the table is gone"
    assert parser.begun == ("550-c", "550-no")


def test_what_is_remembered_is_bounded_and_makes_no_difference() -> None:
    parser = ReplyParser()
    lines = [b"250 %d\r\n" % number for number in range(3 * KNOWN_LINES_LIMIT)]
    lines.append(b"250 " + b"x" * KNOWN_LINE_LIMIT_OCTETS + b"\r\n")
    for _ in range(2):
        for line in lines:
            assert feed(parser, line) == parse(line)
            assert len(parser._known) <= KNOWN_LINES_LIMIT
            assert all(len(known) <= KNOWN_LINE_LIMIT_OCTETS for known in parser._known)
    # The same words as the end of a longer reply.
    parser.feed(b"250 Ok\r\n")
    assert feed(parser, b"250-more\r\n", b"250 Ok\r\n") == parse(b"250-more\r\n250 Ok\r\n")
    assert feed(parser, b"garbage\r\n", b"250 Ok\r\n") == parse(b"garbage\r\n250 Ok\r\n")


# -- properties ------------------------------------------------------------------------------------------------------------


def replies_and_notes(parser: ReplyParser, pieces: list[bytes]) -> tuple[list[Facts], list[Note], bool]:
    return feed(parser, *pieces), parser.notes, parser.is_between_replies


@given(ODD_TEXT, CUTS, st.booleans())
def test_it_makes_no_difference_how_the_octets_come(octets: bytes, places: list[int], utf8: bool) -> None:
    whole = replies_and_notes(ReplyParser(LIMIT, utf8=utf8), [octets])
    assert replies_and_notes(ReplyParser(LIMIT, utf8=utf8), split(octets, places)) == whole
    assert replies_and_notes(ReplyParser(LIMIT, utf8=utf8), list(octet_by_octet(octets))) == whole


@given(st.binary(max_size=300), CUTS)
def test_no_octets_do_any_harm(octets: bytes, places: list[int]) -> None:
    parser = ReplyParser(LIMIT)
    for reply in (reply for piece in split(octets, places) for reply in parser.feed(piece)):
        assert 0 <= reply.code <= 999
        assert reply.text == make_printable(reply.text.encode())
        assert reply.status[0] in "245"
        assert sum(map(len, reply.octets)) <= 2 * LIMIT


@given(ODD_TEXT, CUTS)
def test_a_peer_that_babbles_is_stopped_however_its_octets_come(octets: bytes, places: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_module, "REPLY_LIMIT_OCTETS", 60)
        whole, pieces = (babbles([octets]), babbles(split(octets, places)))
        assert whole == pieces


def babbles(pieces: list[bytes]) -> bool:
    parser = ReplyParser(LIMIT)
    try:
        for piece in pieces:
            parser.feed(piece)
    except PeerBabbles:
        return True
    return False


@given(st.lists(st.sampled_from([b"x" * 7, b"y" * 50, b"\r" * 50, b"250-", b"\r\n", b"\0"]), max_size=200))
def test_what_is_kept_is_bounded(pieces: list[bytes]) -> None:
    parser = ReplyParser(LIMIT)
    for piece in pieces:
        parser.feed(piece)
        kept = [value for name in dir(parser) if isinstance(value := getattr(parser, name, None), bytes)]
        assert sum(map(len, kept)) <= LIMIT + 1
        lines: list[bytes] = parser._lines
        assert sum(len(line) + 1 for line in lines) <= 2 * LIMIT + 1
        assert len(parser.notes) <= NOTES_LIMIT + 1


WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs", "Nd"]), max_size=20)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[bytes, Facts]:
    """A reply as RFC 5321 §4.2 has it, and what is to be seen of it."""
    code = draw(st.integers(min_value=200, max_value=559))
    texts = draw(st.lists(WORDS, min_size=1, max_size=4))
    lines = [f"{code}{'-' if number < len(texts) - 1 else ' '}{text}".encode() for number, text in enumerate(texts)]
    status = f"{code // 100}.0.0" if code // 100 != 3 else "5.5.0"
    if code // 100 != 3 and draw(st.booleans()):
        status = f"{code // 100}.{draw(st.integers(0, 999))}.{draw(st.integers(0, 999))}"
        lines[-1] = f"{code} {status} {texts[-1]}".encode()
    text = b" ".join(lines).decode()
    return b"".join(line + b"\r\n" for line in lines), Facts(code, tuple(lines), lines[-1], False, text, status)


@given(st.lists(well_formed(), max_size=5), CUTS)
def test_well_formed_replies_are_understood(replies: list[tuple[bytes, Facts]], places: list[int]) -> None:
    parser = ReplyParser()
    octets = b"".join(octets for octets, _ in replies)
    found = feed(parser, *split(octets, places))
    assert found == [expected for _, expected in replies]
    assert parser.notes == []
    assert parser.is_between_replies
