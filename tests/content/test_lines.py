from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.lines import (
    LINE_LENGTH_LIMIT_OCTETS,
    has_long_line,
    look_once,
    prepare_lines,
    stuff_dots,
)
from mailrider.content.plain import PlainOctets

LETTERS = st.sampled_from(["a", ".", " ", "ü", "€", "😀", "\r\n", "\r\n.", "aaaaaaa", "😀😀", ".."])
TEXTS = st.lists(LETTERS, max_size=40).map(lambda letters: ("".join(letters) + "\r\n").encode())
ODD_OCTETS = st.lists(
    st.sampled_from([b"a", b".", b"\x80", b"\xbf\xbf", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98\x80", b"\xff", b"\r\n", b"aaaaa"]),
    max_size=40,
).map(lambda octets: b"".join(octets) + b"\r\n")
CUTS = st.lists(st.integers(min_value=0, max_value=200), max_size=8)
LIMITS = st.integers(min_value=5, max_value=12)


def split(octets: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(octets) + 1) for place in places)
    return [octets[start:end] for start, end in zip([0, *ends], [*ends, len(octets)], strict=True)]


def prepare(octets: bytes, limit: int, *, stuff: bool = True) -> bytes:
    return b"".join(prepare_lines([octets], limit, stuff=stuff))


def fold_plainly(line: str, limit: int) -> list[bytes]:
    """Character by character: as many on a line as it takes."""
    lines, used = [b""], 0
    for letter in line:
        octets = letter.encode()
        if used + len(octets) > limit:
            lines.append(b" ")
            used = 1
        lines[-1] += octets
        used += len(octets)
    return lines


def prepare_plainly(text: bytes, limit: int) -> bytes:
    out = b""
    for line in text.decode().split("\r\n")[:-1]:
        folded = fold_plainly(line, limit)
        out += b"." * line.startswith(".") + b"\r\n".join(folded) + b"\r\n"
    return out


# -- long lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [2, 3, 10, LINE_LENGTH_LIMIT_OCTETS])
def test_a_line_is_long_when_it_has_more_octets_than_the_limit(limit: int) -> None:
    fits, long = b"x" * limit + b"\r\n", b"x" * (limit + 1) + b"\r\n"
    assert not has_long_line(fits, limit)
    assert has_long_line(long, limit)
    assert has_long_line(long[:-2], limit)
    assert not has_long_line(fits[:-2], limit)
    assert not has_long_line(fits[:-1], limit)
    assert not has_long_line(fits * 5, limit)
    assert has_long_line(fits * 5 + long, limit)
    assert has_long_line(long + fits * 5, limit)
    assert not has_long_line(b"\r\n" * 3 * limit, limit)
    assert not has_long_line(b"", limit)


def test_what_came_before_counts() -> None:
    assert not has_long_line(b"xx\r\n", 10, 8)
    assert has_long_line(b"xxx\r\n", 10, 8)
    assert has_long_line(b"xxx", 10, 8)
    assert not has_long_line(b"xx", 10, 8)
    assert not has_long_line(b"\r\nxxxxxxxxxx", 10, 10)
    assert has_long_line(b"\r\nxxxxxxxxxxx", 10, 10)


@given(TEXTS | ODD_OCTETS, LIMITS, st.integers(min_value=0, max_value=5))
def test_looking_in_steps_finds_what_looking_at_each_line_does(octets: bytes, limit: int, column: int) -> None:
    lines = (b"x" * column + octets).split(b"\r\n")
    assert has_long_line(octets, limit, column) == any(len(line) > limit for line in lines)


# -- dots ------------------------------------------------------------------------------------------------------------------


def test_a_dot_that_begins_a_line_is_doubled() -> None:
    assert stuff_dots(b".a\r\n.\r\nb.\r\n..c\r\n", at_line_start=True) == b"..a\r\n..\r\nb.\r\n...c\r\n"
    assert stuff_dots(b".a\r\nb.\r\n", at_line_start=False) == b".a\r\nb.\r\n"
    assert stuff_dots(b".a\r\n.b\r\n", at_line_start=False) == b".a\r\n..b\r\n"
    assert stuff_dots(b"", at_line_start=True) == b""


def test_dots_are_not_doubled_for_bdat() -> None:
    assert prepare(b".\r\n" + b"x" * 12 + b"\r\n", 10, stuff=False) == b".\r\nxxxxxxxxxx\r\n xx\r\n"
    assert prepare(b".\r\n", 0, stuff=False) == b".\r\n"


def test_a_dot_is_not_doubled_at_the_beginning_of_a_chunk_or_of_a_continuation_line() -> None:
    assert b"".join(prepare_lines([b"a", b".", b"\r\n", b".", b"b\r\n"], 10)) == b"a.\r\n..b\r\n"
    assert prepare(b"0123456789.a\r\n", 10) == b"0123456789\r\n .a\r\n"
    assert b"".join(prepare_lines([b"0123456789", b".a\r\n"], 10)) == b"0123456789\r\n .a\r\n"
    assert b"".join(prepare_lines([b"0123456789a", b".a\r\n.c\r\n"], 10)) == b"0123456789\r\n a.a\r\n..c\r\n"


# -- folding ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        (b"0123456789", b"0123456789"),
        (b"0123456789a", b"0123456789\r\n a"),
        (b"0123456789012345678", b"0123456789\r\n 012345678"),
        (b"01234567890123456789", b"0123456789\r\n 012345678\r\n 9"),
        (b".123456789", b"..123456789"),
        (b".123456789a", b"..123456789\r\n a"),
        ("123456789ü".encode(), "123456789\r\n ü".encode()),
        ("1234567€€".encode(), "1234567€\r\n €".encode()),
        ("123456789😀".encode(), "123456789\r\n 😀".encode()),
        (b"\x80" * 12, b"\x80" * 10 + b"\r\n \x80\x80"),
        (b"123456789\x80\x80\x80", b"123456789\x80\r\n \x80\x80"),
    ],
)
def test_a_long_line_is_folded_between_characters(line: bytes, folded: bytes) -> None:
    assert prepare(line + b"\r\n", 10) == folded + b"\r\n"
    assert prepare(b"a\r\n" + line + b"\r\nb\r\n", 10) == b"a\r\n" + folded + b"\r\nb\r\n"
    for place in range(len(line) + 2):
        assert b"".join(prepare_lines(split(line + b"\r\n", [place]), 10)) == folded + b"\r\n"


def test_without_a_limit_nothing_is_folded() -> None:
    line = b"." + b"x" * 100_000 + b"\r\n"
    assert prepare(line, 0) == b"." + line
    assert b"".join(prepare_lines([line[:50], line[50:], b".\r\n"], 0)) == b"." + line + b"..\r\n"


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_a_limit_that_no_line_can_keep_ends_too(limit: int) -> None:
    text = "a😀€ü\r\n".encode()
    folded = prepare(text, limit)
    assert folded.replace(b"\r\n ", b"") == text
    assert max(map(len, folded.split(b"\r\n"))) <= max(limit, 2)


@given(TEXTS, LIMITS, CUTS)
def test_prepared_text_is_what_a_plain_walk_makes_of_it(text: bytes, limit: int, places: list[int]) -> None:
    assert b"".join(prepare_lines(split(text, places), limit)) == prepare_plainly(text, limit)


@given(TEXTS | ODD_OCTETS, st.integers(min_value=0, max_value=12), CUTS, st.booleans())
def test_it_makes_no_difference_how_the_text_comes(text: bytes, limit: int, places: list[int], stuff: bool) -> None:
    whole = prepare(text, limit, stuff=stuff)
    assert b"".join(prepare_lines(split(text, places), limit, stuff=stuff)) == whole
    assert b"".join(prepare_lines(split(text, list(range(len(text)))), limit, stuff=stuff)) == whole


@given(TEXTS | ODD_OCTETS, LIMITS)
def test_prepared_text_can_be_sent_and_says_the_same(text: bytes, limit: int) -> None:
    prepared = prepare(text, limit)
    lines = prepared.split(b"\r\n")
    assert b"." not in lines
    assert lines.pop() == b""
    unstuffed = [line[line.startswith(b".") :] for line in lines]
    assert all(len(line) <= limit for line in unstuffed)
    folded = prepare(text, limit, stuff=False)
    assert b"".join(line + b"\r\n" for line in unstuffed) == folded
    assert len(folded.split(b"\r\n ")) >= len(text.split(b"\r\n "))


def test_what_has_no_end_is_not_lost() -> None:
    assert prepare(b"a\r\nb\xc3", 10) == b"a\r\nb\xc3"
    assert prepare("a\r\nbü".encode(), 10) == "a\r\nbü".encode()
    assert prepare(b"a\r\nb\r", 10) == b"a\r\nb\r"
    assert prepare(b"", 10) == b""


def test_folding_is_told_once() -> None:
    told: list[str] = []

    def tell(*lines: bytes) -> list[str]:
        told.clear()
        list(prepare_lines(lines, 10, when_folded=lambda: told.append("folded")))
        return told

    assert tell(b"0123456789\r\n", b".\r\n") == []
    assert tell(b"a\r\n", b"0123456789a\r\n", b"b\r\n", b"0123456789a\r\n") == ["folded"]
    assert tell(b"0123456789", b"a\r\n") == ["folded"]


LONG = b"x" * LINE_LENGTH_LIMIT_OCTETS


LINES = st.lists(st.sampled_from([b"a", b".", b"", LONG, LONG + b"x"]), max_size=8)


@given(
    LINES.map(lambda lines: b"\r\n".join(lines) + b"\r\n"),
    st.sampled_from([0, 5, LINE_LENGTH_LIMIT_OCTETS, 2000]),
    st.booleans(),
    st.sampled_from([b"", b"before", b"before\r\n"]),
)
def test_to_have_looked_before_makes_no_difference(text: bytes, limit: int, stuff: bool, before: bytes) -> None:
    known = look_once(text)
    assert known == text
    assert b"".join(prepare_lines((before, known), limit, stuff=stuff)) == b"".join(
        prepare_lines((before, bytes(text)), limit, stuff=stuff)
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b"a\r\nb.\r\n", True), (LONG + b"\r\n", True), (b"\r\n", True),
        (b".\r\n", False), (b"a\r\n.b\r\n", False), (LONG + b"x\r\n", False), (b"a", False), (b"", False),
    ],
)  # fmt: skip
def test_plain_text_is_known_by_one_look(text: bytes, plain: bool) -> None:
    assert isinstance(look_once(text), PlainOctets) is plain
