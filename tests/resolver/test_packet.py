from __future__ import annotations

import struct

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import BrokenPromise
from mailrider.resolver.packet import (
    NAME_LIMIT_CHARACTERS,
    RECORDS_READ_LIMIT,
    Garbled,
    Resource,
    is_reply_to,
    make_query,
    read_negative_ttl,
    read_reply,
    read_resources,
)
from mailrider.resolver.rdata import READABLE_TYPES

from .packets import packet, query, raw, taken, written


@pytest.mark.parametrize("name", ["a.test", "_25._tcp.a.test", "*.a.test", "."])
@pytest.mark.parametrize(("dnssec", "edns"), [(False, False), (False, True), (True, False), (True, True)])
def test_questions(name: str, dnssec: bool, edns: bool) -> None:
    message = dns.message.from_wire(make_query(name, "MX", dnssec=dnssec, edns=edns).to_wire())
    assert message.question[0].to_text() == f"{name.rstrip('.')}. IN MX"
    assert message.edns == (0 if edns or dnssec else -1)
    assert message.payload == (1232 if edns or dnssec else 0)
    assert dns.flags.to_text(message.flags) == ("RD AD" if dnssec else "RD")
    assert bool(message.ednsflags & dns.flags.DO) == dnssec


def test_the_longest_name_that_fits() -> None:
    labels = ["a" * 63] * 3
    longest = ".".join([*labels, "a" * 61])
    assert len(longest) == NAME_LIMIT_CHARACTERS
    assert len(make_query(longest, "A", dnssec=False, edns=False).to_wire()) == 12 + 255 + 4
    with pytest.raises(dns.name.NameTooLong):
        make_query(longest + "a", "A", dnssec=False, edns=False)


def test_only_readable_types() -> None:
    for unreadable in ("SOA", "HINFO", "ANY", ""):
        with pytest.raises(BrokenPromise):
            make_query("a.test", unreadable, dnssec=False, edns=True)


def test_which_packets_are_replies() -> None:
    asked = query()
    good = written("a.test. 60 IN A 192.0.2.1")
    assert is_reply_to(asked, good)
    assert is_reply_to(asked, good.replace(b"\x01a\x04test", b"\x01A\x04TesT", 1))
    assert not is_reply_to(asked, asked.to_wire())
    assert not is_reply_to(asked, b"\x12\x35" + good[2:])
    assert not is_reply_to(asked, good.replace(b"\x01a\x04test", b"\x01b\x04test", 1))
    assert not is_reply_to(query(record_type="MX"), good)
    assert not is_reply_to(asked, good[:2] + b"\xa9" + good[3:])  # another opcode
    assert not is_reply_to(asked, good[:11])
    assert not is_reply_to(asked, b"")


def test_two_questions_are_no_reply() -> None:
    asked = query(edns=False).to_wire()
    twice = b"\x12\x34\x81\x80\0\2" + asked[6:] + asked[12:]
    assert not is_reply_to(query(), twice)
    assert is_reply_to(query(), b"\x12\x34\x81\x80\0\1" + twice[6:])


@pytest.mark.parametrize(
    ("rcode", "believed"), [(0, False), (1, True), (2, True), (3, False), (4, True), (5, True), (6, False)]
)
def test_which_replies_may_leave_the_question_out(rcode: int, believed: bool) -> None:
    assert is_reply_to(query(), bytes((0x12, 0x34, 0x81, 0x80 | rcode)) + bytes(8)) == believed


def test_what_is_no_reply_is_not_taken_apart() -> None:
    assert read_reply(query(record_type="MX"), written()) is None


def test_header_bits() -> None:
    question = query(edns=False).to_wire()[12:]

    def bits(flags: int) -> tuple[str, bool, bool, bool]:
        reply = taken(struct.pack("!6H", 0x1234, flags, 1, 0, 0, 0) + question)
        return reply.rcode, reply.truncated, reply.authenticated, reply.from_nowhere

    assert bits(0x8180) == ("NOERROR", False, False, False)
    assert bits(0x8500) == ("NOERROR", False, False, False)
    assert bits(0x8100) == ("NOERROR", False, False, True)
    assert bits(0x83A5) == ("REFUSED", True, True, False)
    assert bits(0x818F)[0] == "15"


def test_what_was_asked() -> None:
    reply = taken(written("A.test. 60 IN MX 10 b.test.", record_type="MX"), "MX")
    assert (reply.asked, reply.record_type, reply.answers, reply.authorities) == ("a.test", "MX", 1, 0)
    assert taken(written(name="."), name=".").asked == "."


ADDRESS = raw(1, bytes((192, 0, 2, 1)))


def resources(wire: bytes) -> tuple[list[Resource], bool]:
    """All records up to where the packet is garbled, if it is."""
    found = []
    try:
        for resource in read_resources(taken(wire), frozenset({"A"})):
            found.append(resource)
    except Garbled:
        return found, True
    return found, False


@pytest.mark.parametrize(
    ("wire", "good", "garbled"),
    [
        (packet(), "", False),
        (packet(ADDRESS), "+", False),
        (packet(ADDRESS) + b"more", "+", False),
        (packet(raw(1, b"\1\2\3"), ADDRESS), "-+", False),
        (packet(raw(1, b"\1\2\3\4\5"), ADDRESS), "-+", False),
        (packet(ADDRESS, raw(1, b"\1\2\3")), "+-", False),
        (packet(ADDRESS, raw(1, b"\1\2\3"))[:-1], "+", True),
        (packet(ADDRESS, ADDRESS)[:-1], "+", True),
        (packet(ADDRESS, count=2), "+", True),
        (packet(ADDRESS, raw(1, bytes(4), owner=b"\xc0\xff")), "+", True),
        (packet(ADDRESS, raw(1, bytes(4), owner=b"\x80"), ADDRESS), "+", True),
        (packet(ADDRESS, raw(1, bytes(4), record_class=3), ADDRESS), "+", True),
        (packet(ADDRESS, raw(41, b""), raw(15, b"\xff"), ADDRESS), "+--+", False),
        (packet(ADDRESS, rest=ADDRESS), "++", False),
        (packet(ADDRESS, rest=b"\x80"), "+", True),
    ],
    ids=["empty", "good", "trailing", "short", "long", "last", "short and cut", "cut", "count", "pointer", "label", "class",
         "not wanted", "authority", "garbled authority"],
)  # fmt: skip
def test_records_and_where_they_end(wire: bytes, good: str, garbled: bool) -> None:
    found, ends_garbled = resources(wire)
    assert "".join("+" if resource.rdata else "-" for resource in found) == good
    assert ends_garbled == garbled


def test_what_a_record_is() -> None:
    (record,), _ = resources(packet(raw(1, bytes((192, 0, 2, 1)), owner=b"\1b\xc0\x0c", ttl=2**31 - 1)))
    assert record[:3] == ("b.a.test", "A", 2**31 - 1)
    assert record.rdata.address == "192.0.2.1"
    (odd,), _ = resources(packet(raw(65280, b"", ttl=2**31)))
    assert odd == ("a.test", "TYPE65280", 0, None)


def test_a_packet_without_question_has_records_too() -> None:
    refusal = b"\x12\x34\x81\x85\0\0\0\1\0\0\0\0" + raw(1, bytes(4), owner=b"\0")
    assert len(resources(refusal)[0]) == 1


def test_pointers_that_go_in_circles() -> None:
    assert resources(packet(raw(1, bytes(4), owner=bytes((0xC0, len(packet())))))) == ([], True)


def test_chains_of_pointers_have_an_end() -> None:
    start = len(packet()) + len(raw(99, b"", owner=b"\0"))

    def is_garbled(length: int) -> bool:
        pointers = b"".join(struct.pack("!H", 0xC000 | start + 2 * index) for index in range(length - 1))
        last = struct.pack("!H", 0xC000 | start + 2 * (length - 1))
        return resources(packet(raw(99, b"\0\0" + pointers, owner=b"\0"), raw(1, bytes(4), owner=last)))[1]

    assert not is_garbled(10)
    assert is_garbled(100)


def test_records_looked_at_have_an_end() -> None:
    found, garbled = resources(packet(*[ADDRESS] * 5000))
    assert (len(found), garbled) == (RECORDS_READ_LIMIT, False)


def test_how_long_a_denial_holds() -> None:
    def ttl(*authority: str, answers: tuple[str, ...] = (), rcode: int = 3) -> int:
        return read_negative_ttl(taken(written(*answers, authority=authority, rcode=rcode)))

    soa = "test. 900 IN SOA ns.test. h.test. 1 2 3 4 30"
    assert ttl(soa) == 30
    assert ttl(soa, rcode=0) == 30
    assert ttl("test. 20 IN SOA ns.test. h.test. 1 2 3 4 30") == 20
    assert ttl("test. 20 IN NS ns.test.", "test. 20 IN SOA ns.test. h.test. 1 2 3 4 30") == 20
    assert ttl("test. 20 IN NS ns.test.") == 0
    assert ttl() == 0
    assert ttl(soa, answers=("a.test. 60 IN CNAME b.test.",)) == 30


def test_a_garbled_denial_does_not_hold() -> None:
    assert read_negative_ttl(taken(packet(rest=raw(6, b"\0\0" + bytes(19))))) == 0
    assert read_negative_ttl(taken(packet(rest=raw(6, b"\0\0" + bytes(16) + b"\x80\0\0\0")))) == 0
    assert read_negative_ttl(taken(packet(rest=raw(6, b"\0\0" + bytes(16) + b"\0\0\0\1")))) == 1
    assert read_negative_ttl(taken(packet(rest=b"\x80"))) == 0


def test_only_the_authority_section_denies() -> None:
    soa = raw(6, b"\0\0" + bytes(16) + b"\0\0\0\1")
    assert read_negative_ttl(taken(packet(soa))) == 0
    assert read_negative_ttl(taken(packet(soa, rest=soa))) == 1


@given(st.binary(max_size=400), st.sampled_from(sorted(READABLE_TYPES)))
def test_any_bytes_are_a_reply_or_none(wire: bytes, record_type: str) -> None:
    reply = read_reply(query(record_type=record_type), b"\x12\x34" + wire)
    assert reply is None or read_negative_ttl(reply) >= 0


@given(st.binary(max_size=400), st.tuples(*[st.integers(0, 65535)] * 4))
def test_any_bytes_after_the_question_are_taken_apart(wire: bytes, header: tuple[int, int, int, int]) -> None:
    flags, *counts = header
    start = struct.pack("!6H", 0x1234, flags & ~0x7800 | 0x8000, 1, *counts) + query(edns=False).to_wire()[12:]
    found, _ = resources(start + wire)
    assert len(found) <= RECORDS_READ_LIMIT
    assert read_negative_ttl(taken(start + wire)) >= 0
