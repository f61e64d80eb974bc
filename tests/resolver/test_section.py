from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.resolver.answer import RECORDS_LIMIT, Record
from mailrider.resolver.packet import RECORDS_READ_LIMIT, read_reply
from mailrider.resolver.rdata import READABLE_TYPES
from mailrider.resolver.section import Ending, Reading, read_answer

from .packets import packet, query, raw, taken, written

ADDRESS = raw(1, bytes((192, 0, 2, 1)))


def read(wire: bytes, record_type: str = "A", name: str = "a.test") -> Reading:
    return read_answer(taken(wire, record_type, name))


def test_records() -> None:
    reading = read(written("a.test. 60 IN MX 10 b.test.", record_type="MX"), "MX")
    assert reading == Reading(Ending.FOUND, (Record("MX", "a.test", "b.test", 10, ttl_seconds=60),), ttl_seconds=60)


def test_the_order_of_the_packet_is_kept() -> None:
    wire = packet(*(raw(1, bytes((192, 0, 2, n))) for n in (9, 1, 9, 5)))
    assert [record.data for record in read(wire).records] == ["192.0.2.9", "192.0.2.1", "192.0.2.9", "192.0.2.5"]


def test_other_types_are_passed_over() -> None:
    reading = read(packet(raw(46, b"\xff" * 30), ADDRESS, raw(99, b"\1a")))
    assert [record.data for record in reading.records] == ["192.0.2.1"]
    assert read(packet(raw(99, b"\1a"))).ending is Ending.UNEXPECTED
    assert read(packet(raw(46, b"\xff" * 30))).ending is Ending.UNEXPECTED


def test_the_shortest_ttl_counts() -> None:
    reading = read(written("a.test. 60 IN A 192.0.2.1", "a.test. 5 IN RRSIG A 8 2 5 20300101000000 20200101000000 1 a. AAAA"))
    assert reading.ttl_seconds == 60
    chain = read(written("a.test. 10 IN CNAME b.test.", "b.test. 60 IN A 192.0.2.1"))
    assert (chain.ttl_seconds, chain.records[0].name, chain.alias) == (10, "b.test", "b.test")
    assert read(packet(raw(1, bytes(4), ttl=2**31))).ttl_seconds == 0
    assert read(packet()).ttl_seconds == 0


def test_an_alias_alone() -> None:
    reading = read(written("a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME c.test."))
    assert (reading.ending, reading.alias, reading.records) == (Ending.ALIAS, "c.test", ())


def test_an_alias_that_was_asked_for() -> None:
    reading = read(written("a.test. 60 IN CNAME b.test.", record_type="CNAME"), "CNAME")
    assert (reading.ending, reading.alias, reading.records[0].data) == (Ending.FOUND, "", "b.test")


@pytest.mark.parametrize("record", [raw(1, b"\1\2\3"), raw(1, b"\1\2\3\4\5"), raw(1, b"")])
def test_a_garbled_record_spoils_nothing_else(record: bytes) -> None:
    assert read(packet(record)).ending is Ending.MALFORMED
    assert read(packet(record, ADDRESS)).ending is Ending.FOUND
    assert read(packet(ADDRESS, record)).ending is Ending.FOUND


@pytest.mark.parametrize(
    "wire",
    [
        packet(raw(1, bytes(4), record_class=3)),
        packet(ADDRESS, raw(16, b"\1a", record_class=3)),
        packet(ADDRESS)[:-1],
        packet(ADDRESS, ADDRESS)[:-1],
        packet(ADDRESS, raw(1, bytes(4), owner=b"\xc0\xff")),
        packet(raw(1, bytes(4), owner=b"\x80")),
        packet(ADDRESS, count=2),
        packet(count=1),
        packet(raw(5, b"")),
        packet(raw(5, b""), ADDRESS),
    ],
    ids=["class", "class later", "cut", "cut later", "pointer", "label", "count", "empty", "alias", "alias first"],
)
def test_a_garbled_section_is_not_used(wire: bytes) -> None:
    reading = read(wire)
    assert (reading.ending, reading.records) == (Ending.MALFORMED, ())


def test_what_follows_the_section_is_not_read() -> None:
    assert read(packet(ADDRESS, rest=b"\x80")).ending is Ending.FOUND
    assert read(packet(rest=ADDRESS)).ending is Ending.UNEXPECTED


def test_a_target_that_is_empty_spoils_all() -> None:
    for record_type, ending in (("MX", Ending.NULL_MX), ("SRV", Ending.NULL_SRV)):
        numbers = "0" if record_type == "MX" else "0 0 0"
        lines = [f"a.test. {ttl} IN {record_type} {numbers} {target}" for ttl, target in ((60, "b.test."), (30, "."))]
        for wire in (written(*lines, record_type=record_type), written(*lines[::-1], record_type=record_type)):
            reading = read(wire, record_type)
            assert (reading.ending, reading.records, reading.warnings) == (ending, (), ())


def test_targets_that_are_no_host_names() -> None:
    lines = ["a.test. 60 IN MX 10 -.test.", "a.test. 60 IN MX 20 b.test."]
    reading = read(written(*lines, record_type="MX"), "MX")
    assert [record.data for record in reading.records] == ["b.test"]
    assert reading.warnings == ("malformed domain name in resource data of MX record for a.test: -.test",)
    assert read(written(lines[0], record_type="MX"), "MX").ending is Ending.INVALID


def test_targets_that_are_addresses() -> None:
    reading = read(written("a.test. 60 IN MX 10 192.0.2.1.", record_type="MX"), "MX")
    assert [record.data for record in reading.records] == ["192.0.2.1"]
    assert reading.warnings == ("numeric domain name in resource data of MX record for a.test: 192.0.2.1",)


def test_owners_that_are_no_host_names() -> None:
    for owner in (b"\x01-\x04test\0", b"\x03a.b\x04test\0", b"\x01\xff\x04test\0", b"\0"):
        reading = read(packet(ADDRESS, raw(1, bytes(4), owner=owner)))
        assert (reading.ending, reading.records) == (Ending.INVALID, ())
        assert reading.warnings[0].startswith("malformed domain name in resource name of A record for a.test: ")
        assert reading.warnings[0].isprintable()


def test_the_root_may_own_what_is_asked_of_the_root() -> None:
    assert read(written(". 60 IN MX 10 b.test.", name=".", record_type="MX"), "MX", ".").ending is Ending.FOUND


def test_an_alias_to_no_host_name() -> None:
    for target in (b"\x01-\x04test\0", b"\0"):
        assert read(packet(raw(5, target), ADDRESS)).ending is Ending.INVALID


def test_long_bad_names_are_cut_in_warnings() -> None:
    reading = read(packet(raw(5, b"\x3f" + b"\xff" * 63 + b"\0")))
    assert len(reading.warnings[0]) < 200


def test_the_list_has_an_end_and_a_warning() -> None:
    reading = read(packet(*[ADDRESS] * 1000))
    assert len(reading.records) == RECORDS_LIMIT
    assert reading.warnings == (
        "DNS record count limit (100) exceeded -- dropping excess record(s) after qname=a.test qtype=A",
    )
    assert read(packet(*[ADDRESS] * RECORDS_LIMIT)).warnings == ()


def test_records_looked_at_have_an_end() -> None:
    wire = packet(*[raw(99, b"\1a")] * RECORDS_READ_LIMIT, ADDRESS)
    assert read(wire).ending is Ending.UNEXPECTED
    assert read(packet(*[raw(99, b"\1a")] * (RECORDS_READ_LIMIT - 1), ADDRESS)).ending is Ending.FOUND


@given(st.binary(max_size=400), st.integers(0, 65535), st.sampled_from(sorted(READABLE_TYPES)))
def test_any_section_can_be_read(section: bytes, count: int, record_type: str) -> None:
    reading = read(packet(section, record_type=record_type, count=count), record_type)
    assert bool(reading.records) == (reading.ending is Ending.FOUND)


@given(st.data(), st.sampled_from(sorted(READABLE_TYPES)))
def test_damaged_packets_can_be_read(data: st.DataObject, record_type: str) -> None:
    wire = bytearray(
        written(
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
    asked = len(query(record_type=record_type, edns=False).to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(asked, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reply = read_reply(query(record_type=record_type), bytes(wire))
    assert reply is not None
    reading = read_answer(reply)
    assert len(reading.records) <= RECORDS_LIMIT
    assert all(text.isprintable() for text in reading.warnings)
