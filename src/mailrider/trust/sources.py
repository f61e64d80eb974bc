"""Where a level comes from: `smtp_tls_policy_maps`, else `smtp_tls_per_site`, else the parameters.

A policy table is asked for the next hop as it is written, brackets and port included; only a bare domain is looked for under
its parents too, as `.example.com`.  A site table is asked for the next hop and for the server's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from mailrider.errors import TableTrouble
from mailrider.model.tls import TlsLevel
from mailrider.resolver.hostname import is_valid_hostname, to_ascii
from mailrider.trust.entry import Entry, read_entry
from mailrider.trust.policy import CONFIGURATION_PROBLEM, LOOKUP_PROBLEM, NoPolicy, Source, SourceKind

Warn = Callable[[str], None]

NEXTHOP = "next-hop destination"
HOST = "server hostname"
"""What a key is, for warnings."""


class Table(Protocol):
    """What is asked, see `tables.maps.Maps`."""

    title: str

    def find(self, key: str) -> str | None:
        """The value, or None.  Raises `TableTrouble`."""


class Ruling(NamedTuple):
    """What a source says: an entry, and where it stands."""

    entry: Entry
    source: Source


def find_in_policy_table(table: Table, nexthop: str, warn: Warn) -> Ruling | NoPolicy | None:
    """The entry for a next hop; None where there is none."""
    for key in _keys(nexthop):
        where = f'{table.title}, {NEXTHOP} "{key}"'
        try:
            text = table.find(key)
        except TableTrouble as trouble:
            warn(str(trouble))
            warn(f"{where}: policy table lookup error")
            return CONFIGURATION_PROBLEM
        if text is not None:
            entry = read_entry(text, where, warn)
            source = Source(SourceKind.POLICY_TABLE, table.title, key, text)
            return Ruling(entry, source) if entry is not None else CONFIGURATION_PROBLEM
    return None


def _keys(nexthop: str) -> Iterator[str]:
    yield nexthop
    if is_valid_hostname(to_ascii(nexthop) or ""):
        position = nexthop.find(".", 1)
        while position > 0:
            yield nexthop[position:]
            position = nexthop.find(".", position + 1)


_SITE_LEVELS = {
    "NONE": TlsLevel.NONE, "MAY": TlsLevel.MAY, "MUST_NOPEERMATCH": TlsLevel.ENCRYPT, "MUST": TlsLevel.VERIFY,
}  # fmt: skip


def find_in_site_table(
    table: Table, nexthop: str, host: str, otherwise: TlsLevel, warn: Warn
) -> Ruling | NoPolicy | None:
    """The level for a next hop and a server.

    NONE is stronger than MAY; else the stronger demand wins.  MAY is a wildcard that gives way to what the parameters demand
    (`otherwise`).
    """
    chosen: Ruling | None = None
    keys = [(nexthop, NEXTHOP)]
    if nexthop.casefold() != host.casefold():
        keys.append((host, HOST))
    for key, kind in keys:
        try:
            text = table.find(key)
        except TableTrouble as trouble:
            warn(str(trouble))
            warn(f'{table.title}: {kind} "{key}": per-site table lookup error')
            return LOOKUP_PROBLEM
        if text is None:
            continue
        level = _SITE_LEVELS.get(text.upper())
        if level is None:
            warn(f"{table.title}: unknown TLS policy '{text}' for {kind} {key}")
            return CONFIGURATION_PROBLEM
        if chosen is None or _outranks(level, chosen.entry.level):
            chosen = Ruling(Entry(level), Source(SourceKind.SITE_TABLE, table.title, key, text))
    if chosen is not None and chosen.entry.level is TlsLevel.MAY and otherwise > TlsLevel.MAY:
        return None
    return chosen


def _outranks(level: TlsLevel, other: TlsLevel) -> bool:
    if level is TlsLevel.NONE:
        return other <= TlsLevel.MAY
    if level is TlsLevel.MAY:
        return False
    return level > other
