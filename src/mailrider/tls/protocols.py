"""Protocol versions as operators write them (postconf(5), `smtp_tls_protocols`): `>=TLSv1.2`, `!SSLv3, !TLSv1`, `TLSv1.3`.

Bounds and lists may be mixed; the last bound of a kind counts.  What stands without `!` is a list of the only versions that may
be used; with one there, all known versions that are not in it are excluded.  A bound may also be a version's number in
hexadecimal (`>=0303`); 0, or nothing, removes it.  `SSLv2` is known and means nothing: no library has it any more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

VERSIONS = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""Version numbers on the wire (RFC 8446 §4.1.2 and the documents before it)."""

_KNOWN = {name.lower(): name for name in ("SSLv2", *VERSIONS)}
_ALIASES = {"tlsv1.0": "TLSv1"}
_SEPARATORS = re.compile(r"[, \t\r\n:]+")
_HEXADECIMAL = re.compile(r"(0[xX])?[0-9a-fA-F]{1,8}", re.ASCII)


class Protocols(NamedTuple):
    """The versions that may be used: between two bounds (numbers; 0 for none) and not among `excluded` (names)."""

    floor: int = 0
    ceiling: int = 0
    excluded: frozenset[str] = frozenset()


def parse_protocols(text: str) -> Protocols | None:
    """Read a list of protocol versions; None where a word in it is no version."""
    floor = ceiling = 0
    excluded: set[str] = set()
    included: set[str] = set()
    for word in _SEPARATORS.split(text):
        if not word:
            continue
        if word.startswith((">=", "<=")):
            bound = _read_bound(word[2:])
            if bound is None:
                return None
            if word[0] == ">":
                floor = bound
            else:
                ceiling = bound
            continue
        name = _find_name(word.removeprefix("!"))
        if name is None:
            return None
        (excluded if word.startswith("!") else included).add(name)
    if included:
        excluded |= set(_KNOWN.values()) - included
    return Protocols(floor, ceiling, frozenset(excluded))


def _find_name(word: str) -> str | None:
    folded = word.lower()
    return _KNOWN.get(folded) or _ALIASES.get(folded)


def _read_bound(word: str) -> int | None:
    name = _find_name(word)
    if name is not None:
        return VERSIONS.get(name, 0)
    if not word:  # `>= TLSv1.3` is two words, of which the second stands for itself
        return 0
    return int(word, 16) if _HEXADECIMAL.fullmatch(word) else None
