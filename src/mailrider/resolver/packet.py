"""DNS packets: the question as one, and those that come back taken apart (RFC 1035 §4, RFC 6891).

dnspython does both.  Reading is pure, and total: any bytes give a value.  Two points are left to us.  dnspython reads as many
records as the header promises, so the header is told smaller numbers first (`_narrow`).  And of a packet with garbled
records it does not say whether they are single ones or the packet ends there, so there is one octet after the end: where
dnspython complains of that, it has seen all.

Known fault: a name of 127 labels in the data of a record costs dnspython up to four milliseconds, so an answer that is full of
them half a second, and a whole one where the records have two (SOA).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from mailrider.errors import BrokenPromise
from mailrider.resolver.rdata import READABLE_TYPES

if TYPE_CHECKING:
    import dns.message

PACKET_LIMIT_OCTETS = 65535
"""What the length field of DNS over TCP can say (RFC 1035 §4.2.2)."""
PAYLOAD_OCTETS = 1232
"""The UDP answer we offer to take: fits an IPv6 packet that no router has to split (DNS flag day 2020)."""
NAME_LIMIT_CHARACTERS = 253
"""A longer name does not fit the 255 octets that it has in a packet, with a length before each label (RFC 1035 §2.3.4)."""
RECORDS_READ_LIMIT = 128
"""Records of any type that are looked at in one section: what may be kept, and the aliases and signatures between them."""

HEADER = struct.Struct("!6H")
_RCODE = 0x000F


class Reply(NamedTuple):
    """A packet that answers a question about `asked`.

    `rcode` is the name of the response code, `answers` how many records the answer section is said to hold (at most
    `RECORDS_READ_LIMIT`), `whole` tells whether all of them are there.  `authenticated` is the AD bit: the name server
    vouches for the answer (RFC 4035 §3.2.3).  `from_nowhere` is an empty answer of a server that neither owns the name nor
    looks it up for others: it is no use to us.
    """

    message: dns.message.Message
    asked: str
    record_type: str
    rcode: str
    answers: int
    whole: bool
    truncated: bool
    authenticated: bool
    from_nowhere: bool


def make_query(name: str, record_type: str, *, dnssec: bool, edns: bool) -> dns.message.QueryMessage:
    """One question, with a random id.  `dnssec` asks for a validated answer (AD and DO, RFC 6840 §5.7) and includes EDNS0.

    `name` is a host name of at most `NAME_LIMIT_CHARACTERS`; `BrokenPromise` is for a type that is not in `READABLE_TYPES`.
    """
    import dns.flags
    import dns.message

    if record_type not in READABLE_TYPES:
        raise BrokenPromise(f"DNS record type {record_type!r} cannot be read")
    query = dns.message.make_query(name, record_type, flags=dns.flags.RD | (dns.flags.AD if dnssec else 0))
    if edns or dnssec:
        query.use_edns(ednsflags=dns.flags.DO if dnssec else 0, payload=PAYLOAD_OCTETS)
    return query


def is_reply_to(query: dns.message.Message, wire: bytes) -> bool:
    """True where `wire` answers `query`: id, opcode and question agree (RFC 5452 §9.1; letters of either case).

    A packet that only tells of a failure may leave the question out, as broken servers do.
    """
    import dns.message

    if len(wire) < HEADER.size or HEADER.unpack_from(wire)[2] > 1:
        return False
    return query.is_response(dns.message.from_wire(wire, question_only=True, continue_on_error=True))


def read_reply(query: dns.message.Message, wire: bytes) -> Reply | None:
    """Take the packet that answers `query` apart; None for one that does not."""
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    if not is_reply_to(query, wire):
        return None
    message = dns.message.from_wire(_narrow(wire) + b"\0", one_rr_per_rrset=True, continue_on_error=True)
    answers = min(HEADER.unpack_from(wire)[3], RECORDS_READ_LIMIT)
    rcode = dns.rcode.to_text(message.rcode())
    return Reply(
        message=message,
        asked=query.question[0].name.to_text(omit_final_dot=True),
        record_type=dns.rdatatype.to_text(query.question[0].rdtype),
        rcode=rcode,
        answers=answers,
        whole=any(isinstance(error.exception, dns.message.TrailingJunk) for error in message.errors),
        truncated=bool(message.flags & dns.flags.TC),
        authenticated=bool(message.flags & dns.flags.AD),
        from_nowhere=rcode == "NOERROR" and not answers and not message.flags & (dns.flags.AA | dns.flags.RA),
    )


def _narrow(wire: bytes) -> bytes:
    """The packet with a header that promises only what is worth reading: the authority section only next to a denial."""
    query_id, flags, questions, answers, authorities, _ = HEADER.unpack_from(wire)
    denies = not answers or flags & _RCODE
    authorities = min(authorities, RECORDS_READ_LIMIT) if denies else 0
    header = HEADER.pack(query_id, flags, questions, min(answers, RECORDS_READ_LIMIT), authorities, 0)
    return header + wire[HEADER.size :]


def read_negative_ttl(reply: Reply) -> int:
    """How long "there is no such thing" holds, in seconds: the lesser of TTL and minimum of the SOA record (RFC 2308 §5).

    0 where there is no SOA record that can be read.
    """
    import dns.rdtypes.ANY.SOA

    for rrset in reply.message.authority:
        if isinstance(rrset[0], dns.rdtypes.ANY.SOA.SOA):
            return min(rrset.ttl, rrset[0].minimum)
    return 0
