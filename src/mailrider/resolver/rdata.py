"""The data of DNS records, and the names in them, out of the octets of a packet (RFC 1035 §3.3, §4.1.4).

Every reader takes the packet, where the data begins and how long it is said to be; the caller has made sure that so much
is there.  What cannot be read is `Garbled`, and nothing else is ever raised.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from mailrider.errors import BrokenPromise
from mailrider.resolver.answer import Record

NAME_STEPS_LIMIT = 144
"""Labels and compression pointers of one name: 128 labels fill 255 octets, and nobody needs 16 pointers."""
TYPE_NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "TLSA": 52}
READABLE_TYPES = frozenset(TYPE_NUMBERS) - {"SOA"}
_POINTER = 0xC0


class Garbled(Exception):
    """This record cannot be read; the packet may still be good."""


def number_of(record_type: str) -> int:
    """The number of a type that can be read; raises `BrokenPromise` for any other."""
    if record_type not in READABLE_TYPES:
        raise BrokenPromise(f"DNS record type {record_type!r} cannot be read")
    return TYPE_NUMBERS[record_type]


def unpack(form: struct.Struct, wire: bytes, offset: int) -> tuple[int, ...]:
    """The numbers at `offset`; raises `Garbled` where the packet ends before them."""
    try:
        return form.unpack_from(wire, offset)
    except struct.error as trouble:
        raise Garbled from trouble


def read_name(wire: bytes, offset: int) -> tuple[str, int]:
    """A name as text without its final dot (the root is empty), and where the bytes after it begin; raises `Garbled`."""
    import dns.exception
    import dns.name

    try:
        _bound_name(wire, offset)
        name, used = dns.name.from_wire(wire, offset)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error) as trouble:
        raise Garbled from trouble
    return ("" if len(name) <= 1 else name.to_text(omit_final_dot=True)), offset + used


def _bound_name(wire: bytes, offset: int) -> None:
    """Refuse a name with more steps than a name can need.

    dnspython before 2.9 follows a chain of pointers to its end, which may take ten milliseconds a name.
    """
    for _ in range(NAME_STEPS_LIMIT):
        size = wire[offset]
        if size == 0:
            return
        offset = (size & 0x3F) << 8 | wire[offset + 1] if size >= _POINTER else offset + 1 + size
    raise Garbled


def _read_ipv4(wire: bytes, offset: int, length: int) -> Record:
    if length != 4:
        raise Garbled
    return Record("A", "", socket.inet_ntop(socket.AF_INET, wire[offset : offset + 4]))


def _read_ipv6(wire: bytes, offset: int, length: int) -> Record:
    if length != 16:
        raise Garbled
    return Record("AAAA", "", socket.inet_ntop(socket.AF_INET6, wire[offset : offset + 16]))


def _read_mx(wire: bytes, offset: int, length: int) -> Record:
    if length < 3:
        raise Garbled
    (preference,) = unpack(struct.Struct("!H"), wire, offset)
    return Record("MX", "", read_name(wire, offset + 2)[0], preference)


def _read_srv(wire: bytes, offset: int, length: int) -> Record:
    if length < 7:
        raise Garbled
    priority, weight, port = unpack(struct.Struct("!HHH"), wire, offset)
    return Record("SRV", "", read_name(wire, offset + 6)[0], priority, weight, port)


def _read_target(wire: bytes, offset: int, length: int) -> Record:
    return Record("", "", read_name(wire, offset)[0])


def _read_txt(wire: bytes, offset: int, length: int) -> Record:
    """The strings of a TXT record in one, what is not printable ASCII as blanks."""
    parts = []
    end = offset + length
    while offset < end:
        size = wire[offset]
        if offset + 1 + size > end:
            raise Garbled
        parts.append(wire[offset + 1 : offset + 1 + size])
        offset += 1 + size
    return Record("TXT", "", "".join(chr(octet) if 32 <= octet < 127 else " " for octet in b"".join(parts)))


def _read_tlsa(wire: bytes, offset: int, length: int) -> Record:
    """`usage selector matching-type hex` (RFC 6698 §2.2)."""
    if length < 3:
        raise Garbled
    usage, selector, matching = wire[offset : offset + 3]
    return Record("TLSA", "", f"{usage} {selector} {matching} {wire[offset + 3 : offset + length].hex()}")


NAMES_A_HOST = frozenset({"CNAME", "NS", "PTR", "MX", "SRV"})
READERS: dict[str, Callable[[bytes, int, int], Record]] = {
    "A": _read_ipv4,
    "AAAA": _read_ipv6,
    "MX": _read_mx,
    "SRV": _read_srv,
    "CNAME": _read_target,
    "NS": _read_target,
    "PTR": _read_target,
    "TXT": _read_txt,
    "TLSA": _read_tlsa,
}
