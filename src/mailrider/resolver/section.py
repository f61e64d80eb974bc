"""What smtp(8) makes of an answer section.

Records are taken in the order of the packet and without asking whether their owner lies on the CNAME chain, because the name
server that is asked is trusted to have followed it.  One record with an empty target makes the whole answer a null MX.  A
record that is garbled is passed over while others are good; a section with a garbled CNAME or one that ends before its last
record is not used at all.
"""

from __future__ import annotations

import enum
from itertools import islice
from typing import NamedTuple

from mailrider.resolver.answer import RECORDS_LIMIT, Record
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname
from mailrider.resolver.packet import Garbled, Reply, Resource, read_resources
from mailrider.resolver.rdata import NAMES_A_HOST, read_record

NAME_SHOWN_LIMIT = 100
"""Characters of a bad name that a warning repeats."""


class Ending(enum.Enum):
    """What an answer section comes to."""

    FOUND = "records of the type that was asked for"
    ALIAS = "only a CNAME"
    NULL_MX = "an MX record without target"
    NULL_SRV = "an SRV record without target"
    INVALID = "only names that are no host names"
    MALFORMED = "cannot be read"
    UNEXPECTED = "only records that were not asked for"


_NULL_ENDINGS = {"MX": Ending.NULL_MX, "SRV": Ending.NULL_SRV}


class Reading(NamedTuple):
    """An answer section, read.  `alias` is the last CNAME target, `ttl_seconds` the least of all records used.

    The records do not have `secure` set; that depends on packets before this one.
    """

    ending: Ending
    records: tuple[Record, ...] = ()
    alias: str = ""
    ttl_seconds: int = 0
    warnings: tuple[str, ...] = ()


def read_answer(reply: Reply) -> Reading:
    """Read the answer section of `reply`."""
    walk = _Walk(reply)
    try:
        ending = walk.read()
    except Garbled:
        ending = Ending.MALFORMED
    records = tuple(walk.records) if ending is Ending.FOUND else ()
    return Reading(ending, records, walk.alias, min(walk.ttls_seconds, default=0), tuple(walk.warnings))


class _Walk:
    """Goes through the section once and keeps what smtp(8) would keep."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.records: list[Record] = []
        self.ttls_seconds: list[int] = []
        self.warnings: list[str] = []
        self.alias = ""
        self.garbled = self.invalid = False

    def read(self) -> Ending:
        """Take record by record, and say what all of it comes to."""
        record_type = self.reply.record_type
        for resource in islice(read_resources(self.reply, frozenset({record_type, "CNAME"})), self.reply.answers):
            if resource.type == record_type and len(self.records) >= RECORDS_LIMIT:
                self.warnings.append(
                    f"DNS record count limit ({RECORDS_LIMIT}) exceeded -- dropping excess record(s) after"
                    f" qname={self.reply.asked} qtype={record_type}"
                )
                break
            if resource.type in (record_type, "CNAME"):
                ending = self.take(resource)
                if ending is not None:
                    return ending
        return self.conclude()

    def take(self, resource: Resource) -> Ending | None:
        """Keep one record, or its target; an ending where it spoils all the others."""
        kind, wanted = resource.type, resource.type == self.reply.record_type
        self.ttls_seconds.append(resource.ttl_seconds)
        if not self.may_be_host(resource.owner, "resource name", kind):
            return Ending.INVALID
        if resource.rdata is None:
            self.garbled = True
            return None if wanted else Ending.MALFORMED
        record = read_record(kind, resource.owner, resource.ttl_seconds, resource.rdata)
        if kind in _NULL_ENDINGS and not record.data:
            return _NULL_ENDINGS[kind]
        fits = kind not in NAMES_A_HOST or self.may_be_host(record.data, "resource data", kind)
        if not wanted:
            self.alias = record.data
            return None if fits else Ending.INVALID
        if fits:
            self.records.append(record)
        else:
            self.invalid = True
        return None

    def conclude(self) -> Ending:
        """What a section comes to that was read to its end."""
        if self.records:
            return Ending.FOUND
        if self.alias:
            return Ending.ALIAS
        if self.garbled:
            return Ending.MALFORMED
        return Ending.INVALID if self.invalid else Ending.UNEXPECTED

    def may_be_host(self, name: str, place: str, kind: str) -> bool:
        """Let a host name pass, an address with a warning, and nothing else (RFC 2181 §11 would let all pass)."""
        if name == "" and self.reply.asked == ".":
            return True
        is_address = is_valid_address(name)
        if not is_address and is_valid_hostname(name, wildcard=True):
            return True
        fault = "numeric domain name" if is_address else "malformed domain name"
        self.warnings.append(f"{fault} in {place} of {kind} record for {self.reply.asked}: {name[:NAME_SHOWN_LIMIT]}")
        return is_address
