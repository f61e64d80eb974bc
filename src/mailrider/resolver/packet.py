"""DNS packets: the question as bytes, and what can be read out of the bytes that come back (RFC 1035 §4, RFC 6891).

Pure, and total: any bytes give a reading.  Records are taken as smtp(8) takes them, in the order of the packet and without
asking whether their owner lies on the CNAME chain, because the name server that is asked is trusted to have followed it.
One record with an empty target makes the whole answer a null MX.  A record that is garbled is passed over while
others of its kind are good; a packet that is garbled is not used at all.

Known faults: of the record types only those in `rdata.READABLE_TYPES` can be asked for.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from mailrider.resolver.answer import RECORDS_LIMIT, Record
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname
from mailrider.resolver.rdata import NAMES_A_HOST, READERS, TYPE_NUMBERS, Garbled, number_of, read_name, unpack

PACKET_LIMIT_OCTETS = 65535
"""What the length field of DNS over TCP can say (RFC 1035 §4.2.2)."""
PAYLOAD_OCTETS = 1232
"""The UDP answer we offer to take: fits an IPv6 packet that no router has to split (DNS flag day 2020)."""
RECORDS_WALKED_LIMIT = 1000
"""Records of any type that are looked at in one answer; ten times what may be kept, for the signatures between them."""
TTL_LIMIT_SECONDS = 2**31 - 1
"""Greater ones count as 0 (RFC 2181 §8)."""
NAME_SHOWN_LIMIT = 100
"""Characters of a bad name that a warning repeats."""

HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_QUESTION_END = struct.Struct("!HH")
_CLASS_IN = 1
_QR, _AA, _TC, _RD, _RA, _AD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020
_OPCODE = 0x7800
_EDNS_DO = 0x8000

_CNAME, _SOA, _OPT = 5, 6, 41
_TYPE_NAMES = {number: name for name, number in TYPE_NUMBERS.items()}


class Rcode(enum.IntEnum):
    """Response codes that are told apart (RFC 1035 §4.1.1)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


class Header(NamedTuple):
    """The first twelve octets; `rcode` may be one that `Rcode` does not name."""

    query_id: int
    flags: int
    questions: int
    answers: int
    authorities: int
    additionals: int

    @property
    def rcode(self) -> int:
        """The response code."""
        return self.flags & 0x000F

    @property
    def truncated(self) -> bool:
        """True where the answer did not fit and should be asked for over TCP."""
        return bool(self.flags & _TC)

    @property
    def authenticated(self) -> bool:
        """The AD bit: the name server vouches for the answer (RFC 4035 §3.2.3)."""
        return bool(self.flags & _AD)

    @property
    def from_nowhere(self) -> bool:
        """An empty answer of a server that neither owns the name nor looks it up for others: it is no use to us."""
        return self.rcode == Rcode.NOERROR and not self.answers and not self.flags & (_AA | _RA)


class Ending(enum.Enum):
    """What the answer section of a good packet comes to."""

    FOUND = "records of the type that was asked for"
    ALIAS = "only a CNAME"
    NULL_MX = "an MX record without target"
    NULL_SRV = "an SRV record without target"
    INVALID = "only names that are no host names"
    MALFORMED = "cannot be read"
    UNEXPECTED = "only records that were not asked for"


class Reading(NamedTuple):
    """An answer section, read.  `alias` is the last CNAME target, `ttl_seconds` the least of all records used.

    The records do not have `secure` set; that depends on packets before this one.
    """

    ending: Ending
    records: tuple[Record, ...] = ()
    alias: str = ""
    has_alias: bool = False
    ttl_seconds: int = 0
    warnings: tuple[str, ...] = ()


class _BadName(Exception):
    """This record holds a name that is no host name."""


class _NullTarget(Exception):
    """This record says that the service does not exist."""


def make_query(name: str, record_type: str, query_id: int, *, dnssec: bool, edns: bool) -> bytes:
    """One question as a packet.  `dnssec` asks for a validated answer (AD and DO, RFC 6840 §5.7) and includes EDNS0."""
    import dns.name

    number = number_of(record_type)
    flags = _RD | (_AD if dnssec else 0)
    question = dns.name.from_text(name).to_wire() or b"\0"
    packet = HEADER.pack(query_id, flags, 1, 0, 0, int(edns or dnssec)) + question + _QUESTION_END.pack(number, _CLASS_IN)
    if edns or dnssec:
        packet += b"\0" + _RECORD.pack(_OPT, PAYLOAD_OCTETS, _EDNS_DO if dnssec else 0, 0)
    return packet


def read_header(wire: bytes) -> Header | None:
    """The header of a packet, or None where it is too short to have one."""
    return Header._make(HEADER.unpack_from(wire)) if len(wire) >= HEADER.size else None


def is_reply_to(query: bytes, wire: bytes) -> bool:
    """True where `wire` answers `query`: id, opcode and question agree (RFC 5452 §9.1; letters of either case).

    A format error may leave the question out (RFC 6891 §7 knows such servers).
    """
    header = read_header(wire)
    if header is None or wire[:2] != query[:2] or not header.flags & _QR or header.flags & _OPCODE:
        return False
    if header.questions == 0:
        return header.rcode == Rcode.FORMERR
    end = _end_of_question(query)
    return header.questions == 1 and wire[HEADER.size : end].lower() == query[HEADER.size : end].lower()


def _end_of_question(query: bytes) -> int:
    """Where the question of a packet of our own ends."""
    return query.index(b"\0", HEADER.size) + 1 + _QUESTION_END.size


def read_answer(query: bytes, wire: bytes, record_type: str) -> Reading:
    """Read the answer section of a packet that `is_reply_to` has let through."""
    walk = _Walk(wire, record_type, _question_name(query))
    header = read_header(wire)
    if header is None:
        return Reading(Ending.MALFORMED)
    try:
        return walk.read(_end_of_question(query) if header.questions else HEADER.size, header.answers)
    except _BadName:
        return walk.end(Ending.INVALID)
    except Garbled:
        return walk.end(Ending.MALFORMED)
    except _NullTarget:
        return walk.end(Ending.NULL_MX if record_type == "MX" else Ending.NULL_SRV)


def read_negative_ttl(query: bytes, wire: bytes) -> int:
    """How long "there is no such thing" holds, in seconds: the lesser of TTL and minimum of the SOA record (RFC 2308 §5).

    0 where there is no SOA record that can be read.
    """
    header = read_header(wire)
    if header is None or not header.questions:
        return 0
    offset = _end_of_question(query)
    try:
        for index in range(min(header.answers + header.authorities, RECORDS_WALKED_LIMIT)):
            _, offset = read_name(wire, offset)
            number, _, ttl, length = unpack(_RECORD, wire, offset)
            offset += _RECORD.size
            if index >= header.answers and number == _SOA and length >= 4:
                (minimum,) = unpack(struct.Struct("!I"), wire, offset + length - 4)
                return min(_sane_ttl(ttl), _sane_ttl(minimum))
            offset += length
    except Garbled:
        pass
    return 0


class _Walk:
    """Goes through the answer section once and keeps what smtp(8) would keep."""

    def __init__(self, wire: bytes, record_type: str, asked: str) -> None:
        self.wire = wire
        self.wanted = number_of(record_type)
        self.record_type = record_type
        self.asked = asked
        self.records: list[Record] = []
        self.warnings: list[str] = []
        self.alias = ""
        self.has_alias = False
        self.garbled = False
        self.invalid = False
        self.ttl_seconds = TTL_LIMIT_SECONDS

    def end(self, ending: Ending) -> Reading:
        """The reading that ends thus; only a good ending has records."""
        return Reading(
            ending,
            tuple(self.records) if ending is Ending.FOUND else (),
            self.alias,
            self.has_alias,
            self.ttl_seconds if self.ttl_seconds != TTL_LIMIT_SECONDS else 0,
            tuple(self.warnings),
        )

    def read(self, offset: int, count: int) -> Reading:
        """Take `count` records from `offset` on."""
        for _ in range(min(count, RECORDS_WALKED_LIMIT)):
            owner, offset = read_name(self.wire, offset)
            number, record_class, ttl, length = unpack(_RECORD, self.wire, offset)
            offset += _RECORD.size
            if record_class != _CLASS_IN or offset + length > len(self.wire):
                raise Garbled
            if number == self.wanted and len(self.records) >= RECORDS_LIMIT:
                self.warnings.append(
                    f"DNS record count limit ({RECORDS_LIMIT}) exceeded -- dropping excess record(s) after"
                    f" qname={self.asked} qtype={self.record_type}"
                )
                break
            if number in (self.wanted, _CNAME):
                self.judge_name(owner, "resource name", number)
                self.ttl_seconds = min(self.ttl_seconds, _sane_ttl(ttl))
            if number == self.wanted:
                self.keep(owner, offset, length, _sane_ttl(ttl))
            elif number == _CNAME:
                self.alias = read_name(self.wire, offset)[0]
                self.has_alias = True
                self.judge_name(self.alias, "resource data", number)
            offset += length
        return self.end(self.conclude())

    def conclude(self) -> Ending:
        """What all of it comes to."""
        if self.records:
            return Ending.FOUND
        if self.has_alias:
            return Ending.ALIAS
        if self.garbled:
            return Ending.MALFORMED
        return Ending.INVALID if self.invalid else Ending.UNEXPECTED

    def keep(self, owner: str, offset: int, length: int, ttl_seconds: int) -> None:
        """Add one record of the wanted type, or remember why not."""
        try:
            fields = READERS[self.record_type](self.wire, offset, length)
            if self.record_type in ("MX", "SRV") and not fields.data:
                raise _NullTarget
            if self.record_type in NAMES_A_HOST:
                self.judge_name(fields.data, "resource data", self.wanted)
        except Garbled:
            self.garbled = True
        except _BadName:
            self.invalid = True
        else:
            self.records.append(fields._replace(type=self.record_type, name=owner, ttl_seconds=ttl_seconds))

    def judge_name(self, name: str, place: str, number: int) -> None:
        """Let a host name pass, an address with a warning, and nothing else (RFC 2181 §11 would let all pass)."""
        if name == "" and self.asked == ".":
            return
        if is_valid_address(name):
            fault = "numeric domain name"
        elif not is_valid_hostname(name, wildcard=True):
            fault = "malformed domain name"
        else:
            return
        shown = f"{fault} in {place} of {_TYPE_NAMES[number]} record for {self.asked}: {name[:NAME_SHOWN_LIMIT]}"
        self.warnings.append(shown)
        if fault.startswith("malformed"):
            raise _BadName


def _sane_ttl(ttl: int) -> int:
    return ttl if ttl <= TTL_LIMIT_SECONDS else 0


def _question_name(query: bytes) -> str:
    return read_name(query, HEADER.size)[0] or "."
