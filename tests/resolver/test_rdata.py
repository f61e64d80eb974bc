from __future__ import annotations

import struct

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import BrokenPromise
from mailrider.resolver.answer import Record
from mailrider.resolver.rdata import READABLE_TYPES, READERS, TYPE_NUMBERS, Garbled, number_of, read_name, unpack


def test_there_is_a_reader_for_each_readable_type() -> None:
    assert set(READERS) == READABLE_TYPES


@pytest.mark.parametrize(
    ("record_type", "text", "record"),
    [
        ("A", "192.0.2.1", Record("A", "", "192.0.2.1")),
        ("AAAA", "2001:db8::1", Record("AAAA", "", "2001:db8::1")),
        ("MX", "10 m.test.", Record("MX", "", "m.test", 10)),
        ("MX", "0 .", Record("MX", "", "", 0)),
        ("SRV", "1 2 3 m.test.", Record("SRV", "", "m.test", 1, 2, 3)),
        ("CNAME", "m.test.", Record("", "", "m.test")),
        ("TXT", '"a" "b\\200"', Record("TXT", "", "ab ")),
        ("TLSA", "3 1 0 ABCD", Record("TLSA", "", "3 1 0 abcd")),
    ],
)
def test_what_dnspython_writes(record_type: str, text: str, record: Record) -> None:
    wire = dns.rdata.from_text("IN", record_type, text).to_wire()
    assert wire is not None
    assert READERS[record_type](b"??" + wire, 2, len(wire)) == record


@pytest.mark.parametrize(
    ("record_type", "data"),
    [
        ("A", b"123"), ("A", b"12345"), ("AAAA", b"1" * 15), ("MX", b"\0\1"), ("SRV", b"\0\1\0\1\0"), ("TLSA", b"\3\1"),
        ("TXT", b"\x05abc"), ("CNAME", b"\x05abc"), ("CNAME", b""), ("CNAME", b"\x41" + b"a" * 70 + b"\0"),
    ],
)  # fmt: skip
def test_data_that_is_too_short_or_odd(record_type: str, data: bytes) -> None:
    with pytest.raises(Garbled):
        READERS[record_type](data, 0, len(data))


def test_names() -> None:
    wire = b"\x01b\x04test\0\x01a\xc0\0"
    assert read_name(wire, 0) == ("b.test", 8)
    assert read_name(wire, 8) == ("a.b.test", 12)
    assert read_name(b"\0", 0) == ("", 1)
    assert read_name(b"\x02\xff.\0", 0) == ("\\255\\.", 4)


@pytest.mark.parametrize("wire", [b"", b"\x01", b"\x01a", b"\xc0", b"\xc0\0", b"\xc0\2\0", b"\x40\0", b"\x01a" * 200 + b"\0"])
def test_names_that_cannot_be_read(wire: bytes) -> None:
    with pytest.raises(Garbled):
        read_name(wire, 0)


def test_numbers() -> None:
    assert unpack(struct.Struct("!H"), b"\0\1\2", 1) == (258,)
    with pytest.raises(Garbled):
        unpack(struct.Struct("!H"), b"\0\1\2", 2)


def test_types() -> None:
    assert number_of("TLSA") == TYPE_NUMBERS["TLSA"] == 52
    for unreadable in ("SOA", "HINFO", ""):
        with pytest.raises(BrokenPromise):
            number_of(unreadable)


@given(st.binary(max_size=80), st.sampled_from(sorted(READABLE_TYPES)), st.data())
def test_any_octets_are_data_or_garbled(wire: bytes, record_type: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(wire)))
    length = data.draw(st.integers(0, len(wire) - offset))
    try:
        record = READERS[record_type](wire, offset, length)
    except Garbled:
        return
    assert record.data.isascii()
    assert record.data.isprintable()
