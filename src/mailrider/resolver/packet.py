"""DNS packets: the question as one, and those that come back taken apart (RFC 1035 §4, RFC 6891).

dnspython does both.  Reading is pure, and total: what cannot be read is `Garbled` or no reply.  The records are read one by one
with dnspython's parser rather than all at once with `dns.message.from_wire`, for four reasons: how many there may be has a
limit; a garbled record is told from a garbled packet; what was not asked for is not taken apart; and a TLSA record with a
digest of the wrong length is left to the DANE rules, which call it unusable (RFC 6698 §4.1).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mailrider.errors import BrokenPromise
from mailrider.resolver.rdata import READABLE_TYPES, parse_rdata, show_name

if TYPE_CHECKING:
    import dns.message

PACKET_LIMIT_OCTETS = 65535
"""What the length field of DNS over TCP can say (RFC 1035 §4.2.2)."""
PAYLOAD_OCTETS = 1232
"""The UDP answer we offer to take: fits an IPv6 packet that no router has to split (DNS flag day 2020)."""
NAME_LIMIT_CHARACTERS = 253
"""A longer name does not fit the 255 octets that it has in a packet, with a length before each label (RFC 1035 §2.3.4)."""
RECORDS_READ_LIMIT = 256
"""Records of any type that are looked at in one answer: what may be kept, and the aliases and signatures between them."""
TTL_LIMIT_SECONDS = 2**31 - 1
"""Greater ones count as 0 (RFC 2181 §8)."""

HEADER = struct.Struct("!6H")


class Garbled(Exception):
    """The packet cannot be read from here on."""


class Reply(NamedTuple):
    """A packet that answers a question about `asked`, with the numbers of records that it promises.

    `rcode` is the name of the response code, `authenticated` the AD bit: the name server vouches for the answer (RFC 4035
    §3.2.3).  `from_nowhere` is an empty answer of a server that neither owns the name nor looks it up for others: it is no
    use to us.
    """

    wire: bytes
    asked: str
    record_type: str
    rcode: str
    answers: int
    authorities: int
    truncated: bool
    authenticated: bool
    from_nowhere: bool


class Resource(NamedTuple):
    """One record of a packet.  `rdata` is what `parse_rdata` gave, None where it is garbled or not wanted."""

    owner: str
    type: str
    ttl_seconds: int
    rdata: Any


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
    return read_reply(query, wire) is not None


def read_reply(query: dns.message.Message, wire: bytes) -> Reply | None:
    """Read header and question of the packet that answers `query`; None for one that does not."""
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    if len(wire) < HEADER.size:
        return None
    _, _, questions, answers, authorities, _ = HEADER.unpack_from(wire)
    if questions > 1:
        return None
    message = dns.message.from_wire(wire, question_only=True, continue_on_error=True)
    if not query.is_response(message):
        return None
    rcode = dns.rcode.to_text(message.rcode())
    return Reply(
        wire=wire,
        asked=show_name(query.question[0].name) or ".",
        record_type=dns.rdatatype.to_text(query.question[0].rdtype),
        rcode=rcode,
        answers=answers,
        authorities=authorities,
        truncated=bool(message.flags & dns.flags.TC),
        authenticated=bool(message.flags & dns.flags.AD),
        from_nowhere=rcode == "NOERROR" and not answers and not message.flags & (dns.flags.AA | dns.flags.RA),
    )


def read_resources(reply: Reply, wanted: frozenset[str]) -> Iterator[Resource]:
    """The records of the answer section and those of the authority section, as many as may be looked at.

    The data is read for the types `wanted`.  Raises `Garbled` where the packet ends too soon, holds a name that cannot be
    read or a record of another class than IN.
    """
    import dns.exception
    import dns.name
    import dns.rdataclass
    import dns.rdatatype
    import dns.wire

    parser = dns.wire.Parser(reply.wire, HEADER.size)
    try:
        if HEADER.unpack_from(reply.wire)[2]:
            dns.name.from_wire_parser(parser)
            parser.get_struct("!HH")
        for _ in range(min(reply.answers + reply.authorities, RECORDS_READ_LIMIT)):
            owner = dns.name.from_wire_parser(parser)
            number, record_class, ttl_seconds, size_octets = parser.get_struct("!HHIH")
            end = parser.current + size_octets
            if record_class != dns.rdataclass.IN or end > len(reply.wire):
                raise Garbled
            kind = dns.rdatatype.to_text(number)
            rdata = None
            if kind in wanted:
                with contextlib.suppress(dns.exception.DNSException), parser.restrict_to(size_octets):
                    rdata = parse_rdata(kind, parser)
            yield Resource(show_name(owner), kind, _sane_ttl(ttl_seconds), rdata)
            parser.seek(end)
    except dns.exception.DNSException as trouble:
        raise Garbled from trouble


def read_negative_ttl(reply: Reply) -> int:
    """How long "there is no such thing" holds, in seconds: the lesser of TTL and minimum of the SOA record (RFC 2308 §5).

    0 where there is no SOA record that can be read.
    """
    try:
        for index, resource in enumerate(read_resources(reply, frozenset({"SOA"}))):
            if index >= reply.answers and resource.rdata is not None:
                return min(resource.ttl_seconds, _sane_ttl(resource.rdata.minimum))
    except Garbled:
        pass
    return 0


def _sane_ttl(ttl_seconds: int) -> int:
    return ttl_seconds if ttl_seconds <= TTL_LIMIT_SECONDS else 0
