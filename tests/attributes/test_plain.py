"""The plain form of the attribute protocol, against octets that a real Postfix has sent, and against anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.attributes.plain import (
    LIST_LIMIT_OCTETS,
    AttributeReader,
    Attributes,
    Long,
    MalformedAttributes,
    encode_attributes,
    encode_data,
)

GREETING = b"protocol\0delivery_request_protocol\0\0"


def read(octets: bytes) -> Attributes:
    reader = AttributeReader()
    reader.feed(octets)
    found = reader.take()
    assert found is not None
    assert not reader.pending_octets
    return found


def test_the_greeting_of_a_delivery_agent() -> None:
    assert encode_attributes([("protocol", "delivery_request_protocol")]) == GREETING


def test_a_list_is_read_in_its_order() -> None:
    found = read(b"flags\x003\x00offset\x00633\x00encoding\x00\x00\x00")
    assert found.integer(b"flags") == 3
    assert found.long(b"offset") == 633
    assert found.text(b"encoding") == ""
    found.end()


def test_an_empty_list() -> None:
    assert encode_attributes([]) == b"\0"
    assert read(b"\0").pairs == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(-1, b"4294967295"), (-2, b"4294967294"), (Long(-1), b"18446744073709551615"), (7, b"7"), (Long(2**40), b"1099511627776")],
)
def test_numbers_are_unsigned_on_the_wire(value: int, text: bytes) -> None:
    octets = encode_attributes([("status", value)])
    assert octets == b"status\0" + text + b"\0\0"
    found = read(octets)
    assert (found.long if isinstance(value, Long) else found.integer)(b"status") == value


@pytest.mark.parametrize("text", [b"", b"-1", b"+1", b"1 ", b"x", b"4294967296", b"9" * 30, "٣".encode()])
def test_what_is_no_number(text: bytes) -> None:
    with pytest.raises(MalformedAttributes):
        read(b"status\0" + text + b"\0\0").integer(b"status")


def test_data_is_base64() -> None:
    octets = encode_attributes([("time", encode_data(b"\0\xff\0"))])
    assert read(octets).data(b"time") == b"\0\xff\0"
    with pytest.raises(MalformedAttributes, match="base64"):
        read(b"time\0A\0\0").data(b"time")


def test_one_of_two_names() -> None:
    assert read(b"sendopts\x0016\0\0").integer(b"smtputf8", b"sendopts") == 16


def test_another_name_a_missing_one_and_one_too_many() -> None:
    with pytest.raises(MalformedAttributes, match="stands where status should"):
        read(b"reason\0x\0\0").integer(b"status")
    with pytest.raises(MalformedAttributes, match="missing"):
        read(b"\0").integer(b"status")
    with pytest.raises(MalformedAttributes, match="unexpected"):
        read(b"reason\0x\0\0").end()


def test_the_same_name_twice() -> None:
    found = read(b"status\0\0status\x000\0\0")
    assert found.text(b"status") == ""
    assert found.integer(b"status") == 0


def test_a_nul_in_a_value_ends_nothing() -> None:
    assert read(encode_attributes([("reason", "a\0b")])).text(b"reason") == "a?b"


def test_a_list_has_a_bound() -> None:
    reader = AttributeReader()
    reader.feed(b"x" * (LIST_LIMIT_OCTETS + 1))
    with pytest.raises(MalformedAttributes, match="more than"):
        reader.take()


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
VALUES = st.one_of(
    st.binary(max_size=40).map(lambda octets: octets.replace(b"\0", b"")),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Long),
)
LISTS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=5), max_size=4)


@given(LISTS, st.integers(1, 20))
def test_what_is_written_is_read_again_in_pieces_of_any_size(
    lists: list[list[tuple[str, bytes | int]]], piece_octets: int
) -> None:
    octets = b"".join([encode_attributes(pairs) for pairs in lists])
    reader = AttributeReader()
    found: list[Attributes] = []
    for start in range(0, len(octets), piece_octets):
        reader.feed(octets[start : start + piece_octets])
        while (one := reader.take()) is not None:
            found.append(one)
    assert len(found) == len(lists)
    for attributes, pairs in zip(found, lists, strict=True):
        for name, value in pairs:
            wanted = name.encode()
            if isinstance(value, Long):
                assert attributes.long(wanted) == value
            elif isinstance(value, int):
                assert attributes.integer(wanted) == value
            else:
                assert attributes.octets(wanted) == value
        attributes.end()


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_octets_are_lists_or_nothing_yet(octets: bytes, piece_octets: int) -> None:
    reader = AttributeReader()
    taken = 0
    for start in range(0, len(octets), piece_octets):
        reader.feed(octets[start : start + piece_octets])
        while (one := reader.take()) is not None:
            taken += 1 + sum(len(name) + len(value) + 2 for name, value in one.pairs)
    assert taken + reader.pending_octets == len(octets)
