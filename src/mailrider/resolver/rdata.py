"""What of a record's data goes into a `Record`: the fields of dnspython's rdata classes as smtp(8) shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailrider.resolver.answer import Record

if TYPE_CHECKING:
    import dns.name
    import dns.rdata
    import dns.wire

READABLE_TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TLSA", "TXT"})
NAMES_A_HOST = frozenset({"CNAME", "MX", "NS", "PTR", "SRV"})
TLSA_HEADER_OCTETS = 3
"""Usage, selector and matching type (RFC 6698 §2.1)."""


def show_name(name: dns.name.Name) -> str:
    """A name as text without its final dot; the root is empty."""
    return "" if len(name) <= 1 else name.to_text(omit_final_dot=True)


def parse_rdata(record_type: str, parser: dns.wire.Parser) -> dns.rdata.Rdata:
    """Take the data apart to which `parser` is restricted; raises what dnspython raises.

    A TLSA record stays as it is, because dnspython refuses a digest of the wrong length, of which the DANE rules must know.
    """
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    if record_type == "TLSA" and parser.remaining() >= TLSA_HEADER_OCTETS:
        return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, parser.get_remaining())
    return dns.rdata.from_wire_parser("IN", record_type, parser)


def read_record(record_type: str, owner: str, ttl_seconds: int, rdata: Any) -> Record:
    """The `Record` of one of `READABLE_TYPES` with the data that `parse_rdata` gave.

    A TXT record is its strings in one, with a blank for what is not printable ASCII; a TLSA record is
    `usage selector matching-type hex` (RFC 6698 §2.2).
    """
    record = Record(record_type, owner, "", ttl_seconds=ttl_seconds)
    match record_type:
        case "A" | "AAAA":
            return record._replace(data=rdata.address)
        case "MX":
            return record._replace(data=show_name(rdata.exchange), preference=rdata.preference)
        case "SRV":
            target = show_name(rdata.target)
            return record._replace(data=target, preference=rdata.priority, weight=rdata.weight, port=rdata.port)
        case "TLSA":
            usage, selector, matching = rdata.data[:TLSA_HEADER_OCTETS]
            return record._replace(data=f"{usage} {selector} {matching} {rdata.data[TLSA_HEADER_OCTETS:].hex()}")
        case "TXT":
            text = b"".join(rdata.strings).decode("latin-1")
            return record._replace(data="".join(letter if " " <= letter <= "~" else " " for letter in text))
    return record._replace(data=show_name(rdata.target))
