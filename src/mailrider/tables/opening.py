"""Opens a lookup table from its name, `type:name`.

A type is imported when the first table of it is opened, and so is the library that it needs.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Final, cast

from mailrider.errors import WrongConfiguration
from mailrider.tables.logical_lines import Warn, quote_beginning
from mailrider.tables.premises import UnavailableTable, current_premises
from mailrider.tables.source import Surroundings, ignore_warning
from mailrider.tables.table import Table

_Opener = Callable[[str, Surroundings], Table]

PROXY_PREFIX: Final = "proxy:"
"""Inside of an installation of Postfix proxymap(8) opens the table that follows; elsewhere whoever asks opens it himself."""

PREFIXES_LIMIT: Final = 100
"""How often a name may say `proxy:`, and how deep tables may name tables."""

_OPENERS: Final[dict[str, str]] = {
    "btree": "berkeley:open_btree",
    "cdb": "cdb_file:CdbTable",
    "cidr": "cidr:CidrTable",
    "environ": "machine:EnvironmentTable",
    "fail": "fixed:open_fail",
    "hash": "berkeley:open_hash",
    "inline": "fixed:InlineTable",
    "ldap": "ldap:LdapTable",
    "lmdb": "lmdb_file:LmdbTable",
    "memcache": "memcache:MemcacheTable",
    "mysql": "mysql:open_mysql",
    "pcre": "patterns:PcreTable",
    "pgsql": "pgsql:open_pgsql",
    "pipemap": "combined:PipeTable",
    "randmap": "fixed:RandomTable",
    "regexp": "patterns:RegexpTable",
    "socketmap": "socketmap:SocketmapTable",
    "sqlite": "sqlite:SqliteTable",
    "static": "fixed:open_static",
    "tcp": "tcp:TcpTable",
    "texthash": "fixed:TextHashTable",
    "unionmap": "combined:UnionTable",
    "unix": "machine:AccountTable",
}
"""Where the opener of each type is: module of this room, and name in it."""

TABLE_TYPES: Final = tuple(sorted([*_OPENERS, "proxy"]))
"""The types that can be opened."""

# What Postfix has for these does not exist here, and what does their work.
_REMEDIES: Final = {
    "dbm": "give the text file itself as texthash:",
    "sdbm": "give the text file itself as texthash:",
    "nis": "fill a file from it and give that as texthash:",
    "nisplus": "fill a file from it and give that as texthash:",
    "netinfo": "fill a file from it and give that as texthash:",
    "mongodb": "fill a file from it and give that as texthash:",
}


def open_table(
    title: str,
    *,
    warn: Warn = ignore_warning,
    now_seconds: Callable[[], float] = time.monotonic,
    surroundings: Surroundings | None = None,
) -> Table:
    """Open the table `type:name`.

    `warn` hears of lines that are ignored, as one line of text each, now and when a file has changed; `now_seconds` is a
    clock that never goes back, by which files are looked at again.  `surroundings` replaces both, for those who have more
    to say.

    Raises `WrongConfiguration` for an unknown type, a file that cannot be read, a table in braces that cannot be
    understood, a pattern that cannot be followed, or a library that is missing.  On some premises (see `premises`) that is a
    table that is unavailable.  A server is asked by the first lookup.
    """
    if surroundings is None:
        surroundings = Surroundings(warn, now_seconds)
    bare = title
    for _ in range(PREFIXES_LIMIT):
        if not bare.startswith(PROXY_PREFIX):
            break
        bare = bare[len(PROXY_PREFIX) :]
    kind, colon, name = bare.partition(":")
    if not colon or not kind or not name:
        raise WrongConfiguration(f"a lookup table is type:name, not {quote_beginning(bare)}")
    premises = current_premises()
    try:
        if bare != title and premises.open_proxied is not None:
            return premises.open_proxied(bare, surroundings)
        return _open(kind, name, bare, surroundings)
    except WrongConfiguration as fault:
        if premises.tell_unavailable is None:
            raise
        premises.tell_unavailable(str(fault))
        return UnavailableTable(title, str(fault))


def _open(kind: str, name: str, title: str, surroundings: Surroundings) -> Table:
    place = _OPENERS.get(kind)
    if place is None:
        remedy = _REMEDIES.get(kind, f"there are {', '.join(TABLE_TYPES)}")
        raise WrongConfiguration(f"{quote_beginning(title)}: unsupported lookup table type {quote_beginning(kind)}; {remedy}")
    module, _, opener = place.partition(":")
    room = importlib.import_module(f"mailrider.tables.{module}")
    return cast(_Opener, getattr(room, opener))(name, surroundings)
