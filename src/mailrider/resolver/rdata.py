"""What of a record's data goes into a `Record`: the fields of dnspython's rdata classes as smtp(8) shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailrider.resolver.answer import Record

if TYPE_CHECKING:
    import dns.name
    import dns.rrset

READABLE_TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TLSA", "TXT"})
NAMES_A_HOST = frozenset({"CNAME", "MX", "NS", "PTR", "SRV"})


def show_name(name: dns.name.Name) -> str:
    """A name as text without its final dot; the root is empty."""
    return "" if len(name) <= 1 else name.to_text(omit_final_dot=True)


def read_record(record_type: str, rrset: dns.rrset.RRset) -> Record:
    """The first record of `rrset`, which is of one of `READABLE_TYPES`.

    A TXT record is its strings in one, with a blank for what is not printable ASCII; a TLSA record is
    `usage selector matching-type hex` (RFC 6698 §2.2).
    """
    rdata: Any = rrset[0]
    record = Record(record_type, show_name(rrset.name), "", ttl_seconds=rrset.ttl)
    match record_type:
        case "A" | "AAAA":
            return record._replace(data=rdata.address)
        case "MX":
            return record._replace(data=show_name(rdata.exchange), preference=rdata.preference)
        case "SRV":
            target = show_name(rdata.target)
            return record._replace(data=target, preference=rdata.priority, weight=rdata.weight, port=rdata.port)
        case "TLSA":
            return record._replace(data=f"{rdata.usage} {rdata.selector} {rdata.mtype} {rdata.cert.hex()}")
        case "TXT":
            text = b"".join(rdata.strings).decode("latin-1")
            return record._replace(data="".join(letter if " " <= letter <= "~" else " " for letter in text))
    return record._replace(data=show_name(rdata.target))
