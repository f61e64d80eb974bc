from __future__ import annotations

import socket

import dns.exception
import dns.name
import dns.rdata
import dns.wire
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.resolver.answer import Record
from mailrider.resolver.rdata import NAMES_A_HOST, READABLE_TYPES, parse_rdata, read_record, show_name


def record_of(record_type: str, wire: bytes) -> Record:
    return read_record(record_type, "a.test", 60, parse_rdata(record_type, dns.wire.Parser(wire)))


def wire_of(record_type: str, text: str) -> bytes:
    wire = dns.rdata.from_text("IN", record_type, text).to_wire()
    assert wire is not None
    return wire


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("192.0.2.1", Record("A", "a.test", "192.0.2.1")),
        ("2001:DB8::1", Record("AAAA", "a.test", "2001:db8::1")),
        ("b.test.", Record("CNAME", "a.test", "b.test")),
        ("10 b.test.", Record("MX", "a.test", "b.test", 10)),
        ("0 .", Record("MX", "a.test", "", 0)),
        ("b.test.", Record("NS", "a.test", "b.test")),
        ("b.test.", Record("PTR", "a.test", "b.test")),
        ("1 2 3 b.test.", Record("SRV", "a.test", "b.test", 1, 2, 3)),
        ("3 1 0 ABCD", Record("TLSA", "a.test", "3 1 0 abcd")),
        ('"a b" "c\\009\\200d"', Record("TXT", "a.test", "a bc  d")),
    ],
)
def test_records(text: str, record: Record) -> None:
    assert record_of(record.type, wire_of(record.type, text)) == record._replace(ttl_seconds=60)


def test_all_types_are_known() -> None:
    known = {"A": "192.0.2.1", "AAAA": "::1", "MX": "1 b.", "SRV": "1 2 3 b.", "TLSA": "3 1 0 ab", "TXT": "b"}
    for record_type in READABLE_TYPES:
        assert record_of(record_type, wire_of(record_type, known.get(record_type, "b."))).data
    assert NAMES_A_HOST < READABLE_TYPES


def test_digests_of_any_length_are_shown() -> None:
    assert record_of("TLSA", b"\3\1\1\xab").data == "3 1 1 ab"
    assert record_of("TLSA", b"\3\1\2").data == "3 1 2 "


@pytest.mark.parametrize(
    ("record_type", "data"),
    [
        ("A", b"123"), ("A", b"12345"), ("AAAA", b"1" * 15), ("MX", b"\0\1"), ("SRV", b"\0\1\0\1\0"), ("TLSA", b"\3\1"),
        ("TXT", b"\x05abc"), ("CNAME", b"\x05abc"), ("CNAME", b""), ("CNAME", b"\x41" + b"a" * 70 + b"\0"),
    ],
)  # fmt: skip
def test_data_that_is_garbled(record_type: str, data: bytes) -> None:
    with pytest.raises(dns.exception.DNSException):
        parse_rdata(record_type, dns.wire.Parser(data))


@pytest.mark.parametrize(
    ("labels", "text"),
    [((b"",), ""), ((), ""), ((b"b", b"test", b""), "b.test"), ((b"\xff.", b""), "\\255\\."), ((b"a\nb", b""), "a\\010b")],
)
def test_names(labels: tuple[bytes, ...], text: str) -> None:
    assert show_name(dns.name.Name(labels)) == text


@given(st.binary(min_size=16, max_size=16) | st.binary(max_size=6).map(lambda octets: octets.rjust(16, b"\0")))
def test_addresses_are_written_as_the_system_writes_them(packed: bytes) -> None:
    assert record_of("AAAA", packed).data == socket.inet_ntop(socket.AF_INET6, packed)


@given(st.sampled_from(sorted(READABLE_TYPES)), st.binary(max_size=80))
def test_any_octets_are_data_or_garbled(record_type: str, data: bytes) -> None:
    try:
        record = record_of(record_type, data)
    except dns.exception.DNSException:
        return
    assert record.data.isascii()
    assert record.data.isprintable()
