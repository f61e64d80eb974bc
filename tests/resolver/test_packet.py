from __future__ import annotations

import struct

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import BrokenPromise
from mailrider.resolver.answer import RECORDS_LIMIT, Record
from mailrider.resolver.packet import (
    RECORDS_WALKED_LIMIT,
    Ending,
    Reading,
    is_reply_to,
    make_query,
    read_answer,
    read_header,
    read_negative_ttl,
)
from mailrider.resolver.rdata import NAME_STEPS_LIMIT, READABLE_TYPES


def query(name: str = "a.test", record_type: str = "A", *, dnssec: bool = False, edns: bool = True) -> bytes:
    return make_query(name, record_type, 0x1234, dnssec=dnssec, edns=edns)


def reply(
    *answers: str, name: str = "a.test", record_type: str = "A", authority: tuple[str, ...] = (), rcode: int = 0
) -> bytes:
    """A packet with records written as dnspython reads them (`owner ttl IN type data`)."""
    message = dns.message.make_response(dns.message.from_wire(query(name, record_type)), recursion_available=True)
    for line in answers:
        owner, ttl, _, kind, data = line.split(None, 4)
        message.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    for line in authority:
        owner, ttl, _, kind, data = line.split(None, 4)
        message.authority.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    message.set_rcode(rcode)
    return message.to_wire(want_shuffle=False)


def read(wire: bytes, record_type: str = "A", name: str = "a.test") -> Reading:
    return read_answer(query(name, record_type), wire, record_type)


def raw(record_type: int, data: bytes, *, owner: bytes = b"\xc0\x0c", record_class: int = 1, ttl: int = 60) -> bytes:
    """One record as bytes; the owner is that of the question."""
    return owner + struct.pack("!HHIH", record_type, record_class, ttl, len(data)) + data


def packet(*records: bytes, record_type: str = "A", count: int | None = None) -> bytes:
    """A packet with records that dnspython would not write."""
    question = query(record_type=record_type, edns=False)[12:]
    counts = struct.pack("!4H", 1, len(records) if count is None else count, 0, 0)
    return b"\x12\x34\x81\x80" + counts + question + b"".join(records)


@pytest.mark.parametrize("name", ["a.test", "_25._tcp.a.test", "*.a.test", "."])
@pytest.mark.parametrize(("dnssec", "edns"), [(False, False), (False, True), (True, True)])
def test_questions_are_what_dnspython_reads(name: str, dnssec: bool, edns: bool) -> None:
    message = dns.message.from_wire(query(name, "MX", dnssec=dnssec, edns=edns))
    assert message.id == 0x1234
    assert message.question[0].to_text() == f"{name.rstrip('.')}. IN MX"
    assert message.edns == (0 if edns else -1)
    assert message.payload == (1232 if edns else 0)
    flags = dns.flags.to_text(message.flags)
    assert flags == ("RD AD" if dnssec else "RD")
    assert bool(message.ednsflags & dns.flags.DO) == dnssec


def test_which_packets_are_replies() -> None:
    asked = query()
    good = reply("a.test. 60 IN A 192.0.2.1")
    assert is_reply_to(asked, good)
    assert is_reply_to(asked, good.replace(b"\x01a\x04test", b"\x01A\x04TesT", 1))
    assert not is_reply_to(asked, asked)
    assert not is_reply_to(asked, b"\x12\x35" + good[2:])
    assert not is_reply_to(asked, good.replace(b"\x01a\x04test", b"\x01b\x04test", 1))
    assert not is_reply_to(query(record_type="MX"), good)
    assert not is_reply_to(asked, good[:2] + b"\xa9" + good[3:])  # another opcode
    assert not is_reply_to(asked, good[:11])
    assert not is_reply_to(asked, b"")
    no_question = b"\x12\x34\x81\x81" + bytes(8)
    assert is_reply_to(asked, no_question)
    assert not is_reply_to(asked, b"\x12\x34\x81\x82" + bytes(8))


def test_header_bits() -> None:
    header = read_header(b"\0\1\x83\xa5\0\1\0\2\0\3\0\4")
    assert header is not None
    assert (header.query_id, header.questions, header.answers, header.authorities, header.additionals) == (1, 1, 2, 3, 4)
    assert (header.rcode, header.truncated, header.authenticated) == (5, True, True)
    assert read_header(b"\0" * 11) is None


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ("a.test. 60 IN A 192.0.2.1", Record("A", "a.test", "192.0.2.1", ttl_seconds=60)),
        ("a.test. 60 IN AAAA 2001:db8::1", Record("AAAA", "a.test", "2001:db8::1", ttl_seconds=60)),
        ("a.test. 60 IN AAAA ::ffff:192.0.2.1", Record("AAAA", "a.test", "::ffff:192.0.2.1", ttl_seconds=60)),
        ("a.test. 60 IN MX 10 b.test.", Record("MX", "a.test", "b.test", 10, ttl_seconds=60)),
        ("a.test. 60 IN SRV 1 2 3 b.test.", Record("SRV", "a.test", "b.test", 1, 2, 3, ttl_seconds=60)),
        ("a.test. 60 IN CNAME b.test.", Record("CNAME", "a.test", "b.test", ttl_seconds=60)),
        ("a.test. 60 IN NS b.test.", Record("NS", "a.test", "b.test", ttl_seconds=60)),
        ("a.test. 60 IN PTR b.test.", Record("PTR", "a.test", "b.test", ttl_seconds=60)),
        ('a.test. 60 IN TXT "a b" "c\\009d"', Record("TXT", "a.test", "a bc d", ttl_seconds=60)),
        ("a.test. 60 IN TLSA 3 1 0 abcd", Record("TLSA", "a.test", "3 1 0 abcd", ttl_seconds=60)),
    ],
)
def test_records(line: str, record: Record) -> None:
    reading = read(reply(line, record_type=record.type), record.type)
    assert reading == Reading(Ending.FOUND, (record,), ttl_seconds=60)


def test_the_order_of_the_packet_is_kept() -> None:
    wire = packet(*(raw(1, bytes((192, 0, 2, n))) for n in (9, 1, 9, 5)))
    assert [record.data for record in read(wire).records] == ["192.0.2.9", "192.0.2.1", "192.0.2.9", "192.0.2.5"]


def test_other_types_are_passed_over() -> None:
    reading = read(packet(raw(46, b"\xff" * 30), raw(1, bytes((192, 0, 2, 1))), raw(99, b"")))
    assert [record.data for record in reading.records] == ["192.0.2.1"]
    assert read(packet(raw(46, b"\xff" * 30))).ending is Ending.UNEXPECTED


def test_the_shortest_ttl_counts() -> None:
    reading = read(reply("a.test. 60 IN A 192.0.2.1", "a.test. 60 IN RRSIG A 8 2 5 20300101000000 20200101000000 1 a. AAAA"))
    assert reading.ttl_seconds == 60
    chain = read(reply("a.test. 10 IN CNAME b.test.", "b.test. 60 IN A 192.0.2.1"))
    assert (chain.ttl_seconds, chain.records[0].name, chain.alias) == (10, "b.test", "b.test")
    assert read(packet(raw(1, bytes(4), ttl=2**31))).ttl_seconds == 0


def test_an_alias_alone() -> None:
    reading = read(reply("a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME c.test."))
    assert (reading.ending, reading.alias, reading.has_alias) == (Ending.ALIAS, "c.test", True)


@pytest.mark.parametrize(
    "record",
    [raw(1, b"\1\2\3"), raw(1, b"\1\2\3\4\5"), raw(1, b"")],
)
def test_a_garbled_record_spoils_nothing_else(record: bytes) -> None:
    assert read(packet(record)).ending is Ending.MALFORMED
    assert read(packet(record, raw(1, bytes((192, 0, 2, 1))))).ending is Ending.FOUND


@pytest.mark.parametrize(
    "wire",
    [
        packet(raw(1, bytes(4), record_class=3)),
        packet(raw(1, bytes(4))[:-1]),
        packet(raw(1, bytes(4), owner=b"\xc0\xff")),
        packet(raw(1, bytes(4), owner=b"\x80")),
        packet(raw(1, bytes(4)), count=2),
        packet(count=1),
        packet(raw(5, b"")),
    ],
    ids=["class", "cut", "pointer", "label", "count", "empty", "alias"],
)
def test_a_garbled_packet_is_not_used(wire: bytes) -> None:
    reading = read(wire)
    assert (reading.ending, reading.records) == (Ending.MALFORMED, ())


def test_pointers_that_go_in_circles() -> None:
    looping = packet(raw(1, bytes(4), owner=bytes((0xC0, len(packet())))))
    assert read(looping).ending is Ending.MALFORMED


def test_chains_of_pointers_have_an_end() -> None:
    start = len(packet()) + len(raw(99, b"", owner=b"\0"))

    def chain(length: int) -> Reading:
        pointers = b"".join(struct.pack("!H", 0xC000 | start + 2 * index) for index in range(length - 1))
        last = struct.pack("!H", 0xC000 | start + 2 * (length - 1))
        name = raw(99, b"\0\0" + pointers, owner=b"\0")
        return read(packet(name, raw(46, b"", owner=last), raw(1, bytes((192, 0, 2, 1)))))

    assert chain(10).ending is Ending.FOUND
    assert chain(NAME_STEPS_LIMIT + 1).ending is Ending.MALFORMED


def test_owners_that_are_no_host_names() -> None:
    for owner in (b"\x01-\x04test\0", b"\x03a.b\x04test\0", b"\x01\xff\x04test\0", b"\0"):
        reading = read(packet(raw(1, bytes((192, 0, 2, 1)), owner=owner)))
        assert reading.ending is Ending.INVALID
        assert reading.warnings[0].startswith("malformed domain name in resource name of A record for a.test: ")
        assert reading.warnings[0].isprintable()


def test_an_alias_to_no_host_name() -> None:
    assert read(packet(raw(5, b"\x01-\x04test\0"))).ending is Ending.INVALID


def test_long_bad_names_are_cut_in_warnings() -> None:
    reading = read(packet(raw(5, b"\x3f" + b"\xff" * 63 + b"\0")))
    assert len(reading.warnings[0]) < 200


def test_the_list_has_an_end_and_a_warning() -> None:
    wire = packet(*[raw(1, bytes((192, 0, 2, 1)))] * 150)
    reading = read(wire)
    assert len(reading.records) == RECORDS_LIMIT
    assert reading.warnings == (
        "DNS record count limit (100) exceeded -- dropping excess record(s) after qname=a.test qtype=A",
    )
    assert read(packet(*[raw(1, bytes((192, 0, 2, 1)))] * RECORDS_LIMIT)).warnings == ()


def test_records_looked_at_have_an_end() -> None:
    wire = packet(*[raw(46, b"")] * RECORDS_WALKED_LIMIT, raw(1, bytes(4)))
    assert read(wire).ending is Ending.UNEXPECTED


def test_how_long_a_denial_holds() -> None:
    def ttl(*authority: str, answers: tuple[str, ...] = ()) -> int:
        return read_negative_ttl(query(), reply(*answers, authority=authority, rcode=3))

    assert ttl("test. 900 IN SOA ns.test. h.test. 1 2 3 4 30") == 30
    assert ttl("test. 20 IN SOA ns.test. h.test. 1 2 3 4 30") == 20
    assert ttl("test. 20 IN NS ns.test.", "test. 20 IN SOA ns.test. h.test. 1 2 3 4 30") == 20
    assert ttl("test. 20 IN NS ns.test.") == 0
    assert ttl() == 0
    alias = ("a.test. 60 IN CNAME b.test.",)
    assert ttl("test. 900 IN SOA ns.test. h.test. 1 2 3 4 30", answers=alias) == 30


def test_only_readable_types() -> None:
    with pytest.raises(BrokenPromise):
        read(packet(), "SOA")
    with pytest.raises(BrokenPromise):
        query(record_type="SOA")


@given(st.binary(max_size=400), st.sampled_from(sorted(READABLE_TYPES)))
def test_any_bytes_can_be_read(wire: bytes, record_type: str) -> None:
    asked = query(record_type=record_type)
    is_reply_to(asked, wire)
    reading = read_answer(asked, wire, record_type)
    assert bool(reading.records) == (reading.ending is Ending.FOUND)
    assert read_negative_ttl(asked, wire) >= 0


@given(st.data(), st.sampled_from(sorted(READABLE_TYPES)))
def test_damaged_packets_can_be_read(data: st.DataObject, record_type: str) -> None:
    wire = bytearray(
        reply(
            "a.test. 60 IN CNAME b.test.",
            "b.test. 60 IN A 192.0.2.1",
            "b.test. 60 IN MX 10 c.test.",
            "b.test. 60 IN SRV 1 2 3 c.test.",
            'b.test. 60 IN TXT "abc"',
            "b.test. 60 IN TLSA 3 1 0 abcd",
            authority=("test. 900 IN SOA ns.test. h.test. 1 2 3 4 30",),
            record_type=record_type,
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reading = read_answer(query(record_type=record_type), bytes(wire), record_type)
    assert len(reading.records) <= RECORDS_LIMIT
    assert all(text.isprintable() for text in reading.warnings)
    assert read_negative_ttl(query(record_type=record_type), bytes(wire)) >= 0
