"""The content of queue files: files that a real Postfix has written, records that milters leave behind, and nonsense."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import ContentDamaged, ContentUnreadable
from mailrider.postfix.records import BACKWARD_JUMPS_LIMIT, BLOCK_OCTETS, RECORD_LIMIT_OCTETS, read_content
from mailrider.postfix.request import RequestReader

SAMPLES = Path(__file__).parent / "samples"


@contextmanager
def file_of(octets: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("queue file")
    try:
        os.write(descriptor, octets)
        yield descriptor
    finally:
        os.close(descriptor)


def read(octets: bytes, offset: int = 0) -> bytes:
    with file_of(octets) as descriptor:
        return b"".join(read_content(descriptor, offset))


def record(kind: bytes, payload: bytes = b"") -> bytes:
    length, octets = len(payload), b""
    while length >= 0x80:
        octets += bytes([length & 0x7F | 0x80])
        length >>= 7
    return kind + octets + bytes([length]) + payload


def pointer(offset: int) -> bytes:
    return record(b"p", b"%15d" % offset)


def sample(name: str) -> bytes:
    request = RequestReader().feed((SAMPLES / f"{name}.request").read_bytes())
    assert request is not None
    return read((SAMPLES / f"{name}.file").read_bytes(), request.offset)


def test_a_message_that_postfix_has_queued() -> None:
    text = sample("plain")
    assert text.startswith(b"Received: from injector.origin.test")
    assert text.endswith(b"From: me@origin.test\r\n\r\n.dot\r\nHello.\r\n\r\nbye\r\n")


def test_a_line_in_several_records() -> None:
    assert sample("asked").endswith(b"\r\n\r\n" + b"0123456789" * 700 + b"\r\nend\r\n")


def test_many_lines() -> None:
    assert sample("local").endswith(b"".join(b"line %d of a text\r\n" % number for number in range(200)))


def test_a_probe_has_some_content_too() -> None:
    assert sample("probe").startswith(b"Received: by client.origin.test")


def test_pointers_are_followed_in_both_directions() -> None:
    """A milter has replaced the second line: its new text stands behind the end."""
    first = record(b"N", b"one")
    away = len(first)
    rest = record(b"N", b"old") + record(b"w", b"xxxx") + record(b"N", b"three") + record(b"X")
    heap = away + len(pointer(0)) + len(rest)
    back = away + len(pointer(0)) + len(record(b"N", b"old"))
    octets = first + pointer(heap) + rest + record(b"N", b"new") + pointer(back)
    assert read(octets) == b"one\r\nnew\r\nthree\r\n"


def test_a_pointer_to_nowhere_is_padding() -> None:
    assert read(record(b"N", b"a") + pointer(0) + record(b"N", b"b") + record(b"X")) == b"a\r\nb\r\n"


def test_a_circle_comes_to_an_end() -> None:
    with pytest.raises(ContentDamaged, match="backward jumps"):
        read(record(b"N", b"a") + pointer(0)[:2] + b"%15d" % 0 + pointer(3))
    assert BACKWARD_JUMPS_LIMIT == 10_000


def test_a_last_line_without_its_end_gets_one() -> None:
    assert read(record(b"L", b"piece") + record(b"X")) == b"piece\r\n"
    assert read(record(b"L", b"piece") + record(b"N") + record(b"X")) == b"piece\r\n"
    assert read(record(b"N", b"a") + pointer(0) + record(b"X")) == b"a\r\n"
    assert read(record(b"L", b"a") + pointer(0) + record(b"X")) == b"a\r\n"


def test_no_content_at_all() -> None:
    assert read(record(b"X")) == b""


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"N",
        b"N\x05abc",
        record(b"N", b"a"),
        record(b"N", b"a") + record(b"R", b"x@y"),
        b"N\x80\x80\x80\x80\x80\x01",
        b"N\xff\xff\xff\xff\x0f",
        record(b"p", b"12345x"),
        record(b"p", b"-1"),
        record(b"p", b"9" * 19),
        pointer(1 << 40),
    ],
)
def test_a_corrupt_file(octets: bytes) -> None:
    with pytest.raises(ContentUnreadable):
        read(octets)


def test_what_cannot_be_read_is_not_corrupt() -> None:
    with file_of(b"") as descriptor:
        pass
    with pytest.raises(ContentUnreadable) as caught:
        list(read_content(descriptor, 0))
    assert not isinstance(caught.value, ContentDamaged)


def test_memory_is_bounded() -> None:
    line = b"x" * 70
    octets = record(b"N", line) * 20_000 + record(b"X")
    with file_of(octets) as descriptor:
        sizes = [len(chunk) for chunk in read_content(descriptor, 0)]
    assert sum(sizes) == 20_000 * 72
    assert max(sizes) <= 2 * BLOCK_OCTETS
    assert RECORD_LIMIT_OCTETS < 1 << 25


LINES = st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=30)


@given(LINES, st.integers(0, 9))
def test_what_is_written_as_records_is_read_as_text(lines: list[tuple[bool, bytes]], before: int) -> None:
    octets = b"?" * before
    wanted = b""
    ended = True
    for ended, text in lines:
        octets += record(b"N" if ended else b"L", text)
        wanted += text + (b"\r\n" if ended else b"")
    assert read(octets + record(b"X"), before) == wanted + (b"" if ended or not lines else b"\r\n")


@given(st.integers(BLOCK_OCTETS - 300, BLOCK_OCTETS + 300), st.integers(0, 400))
def test_a_record_across_the_end_of_a_block(first: int, second: int) -> None:
    octets = record(b"L", b"a" * first) + record(b"N", b"b" * second) + record(b"X")
    assert read(octets) == b"a" * first + b"b" * second + b"\r\n"


ODDS = (record(b"N", b"a"), record(b"L", b"bc"), pointer(0), pointer(5), b"w\x01", b"X\x00", b"\x80")


@given(st.lists(st.sampled_from(ODDS)))
def test_anything_at_all_ends(pieces: list[bytes]) -> None:
    try:
        read(b"".join(pieces))
    except ContentUnreadable:
        pass
