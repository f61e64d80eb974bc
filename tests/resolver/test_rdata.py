from __future__ import annotations

import socket

import dns.name
import dns.rdata
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.resolver.answer import Record
from mailrider.resolver.rdata import NAMES_A_HOST, READABLE_TYPES, read_record, show_name


def record_of(record_type: str, text: str) -> Record:
    return read_record(record_type, dns.rrset.from_text("a.test.", 60, "IN", record_type, text))


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
    assert record_of(record.type, text) == record._replace(ttl_seconds=60)


def test_all_types_are_known() -> None:
    known = {"A": "192.0.2.1", "AAAA": "::1", "MX": "1 b.", "SRV": "1 2 3 b.", "TLSA": "3 1 0 ab", "TXT": "b"}
    for record_type in READABLE_TYPES:
        assert record_of(record_type, known.get(record_type, "b.")).data
    assert NAMES_A_HOST < READABLE_TYPES


@pytest.mark.parametrize(
    ("labels", "text"),
    [((b"",), ""), ((), ""), ((b"b", b"test", b""), "b.test"), ((b"\xff.", b""), "\\255\\."), ((b"a\nb", b""), "a\\010b")],
)
def test_names(labels: tuple[bytes, ...], text: str) -> None:
    assert show_name(dns.name.Name(labels)) == text


@given(st.binary(min_size=16, max_size=16) | st.binary(max_size=6).map(lambda octets: octets.rjust(16, b"\0")))
def test_addresses_are_written_as_the_system_writes_them(packed: bytes) -> None:
    rdata = dns.rdata.from_wire("IN", "AAAA", packed, 0, 16)
    record = read_record("AAAA", dns.rrset.from_rdata("a.test.", 60, rdata))
    assert record.data == socket.inet_ntop(socket.AF_INET6, packed)


@given(st.lists(st.binary(max_size=255), min_size=1, max_size=4))
def test_texts_are_printable(strings: list[bytes]) -> None:
    wire = b"".join(bytes((len(string),)) + string for string in strings)
    record = read_record("TXT", dns.rrset.from_rdata("a.test.", 60, dns.rdata.from_wire("IN", "TXT", wire, 0, len(wire))))
    assert record.data.isascii()
    assert record.data.isprintable()
    assert len(record.data) == sum(map(len, strings))
