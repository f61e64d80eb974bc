"""Packets for the tests: what dnspython writes, and what it would not."""

from __future__ import annotations

import struct

import dns.message
import dns.rrset

from mailrider.resolver.packet import Reply, make_query, read_reply

QUERY_ID = 0x1234


def query(name: str = "a.test", record_type: str = "A", *, dnssec: bool = False, edns: bool = True) -> dns.message.QueryMessage:
    message = make_query(name, record_type, dnssec=dnssec, edns=edns)
    message.id = QUERY_ID
    return message


def written(
    *answers: str, name: str = "a.test", record_type: str = "A", authority: tuple[str, ...] = (), rcode: int = 0
) -> bytes:
    """A packet with records written as dnspython reads them (`owner ttl IN type data`)."""
    message = dns.message.make_response(query(name, record_type), recursion_available=True)
    for section, lines in ((message.answer, answers), (message.authority, authority)):
        for line in lines:
            owner, ttl, _, kind, data = line.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    message.set_rcode(rcode)
    return message.to_wire(max_size=65535, want_shuffle=False)


def raw(record_type: int, data: bytes, *, owner: bytes = b"\xc0\x0c", record_class: int = 1, ttl: int = 60) -> bytes:
    """One record as bytes; the owner is that of the question."""
    return owner + struct.pack("!HHIH", record_type, record_class, ttl, len(data)) + data


def packet(*records: bytes, record_type: str = "A", count: int | None = None, rest: bytes = b"") -> bytes:
    """A packet with records that dnspython would not write; `rest` stands for one record of the authority section."""
    question = query(record_type=record_type, edns=False).to_wire()[12:]
    counts = struct.pack("!4H", 1, len(records) if count is None else count, 1 if rest else 0, 0)
    return b"\x12\x34\x81\x80" + counts + question + b"".join(records) + rest


def taken(wire: bytes, record_type: str = "A", name: str = "a.test") -> Reply:
    """The packet as a reply to the question for `name`."""
    reply = read_reply(query(name, record_type), wire)
    assert reply is not None
    return reply
