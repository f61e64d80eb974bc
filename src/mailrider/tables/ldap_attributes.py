"""Which attributes of LDAP entries are values, and which lead to further entries (ldap_table(5), "result_attribute").

An entry that has a terminal attribute gives its terminal attributes only.  Else its ordinary attributes are values; its leaf
attributes are too, unless it has a special one; and what its special ones hold are names of entries, or URLs of searches,
whose attributes are treated likewise.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from typing import Final, NamedTuple

from mailrider.tables.directory import DirectoryTrouble, Entry

SCHEMES: Final = ("ldap://", "ldaps://", "ldapi://")

REFERENCES_LIMIT: Final = 10_000
"""Entries to look at for one key; each is a question of its own."""

_URL_SCOPES: Final = {"": "base", "base": "base", "one": "one", "sub": "sub"}


class AttributePlan:
    """The attributes that count, in the order of ldap_table(5): terminal, leaf, ordinary, special."""

    def __init__(self, terminal: list[str], leaf: list[str], ordinary: list[str], special: list[str]) -> None:
        self.terminal, self.leaf, self.ordinary, self.special = terminal, leaf, ordinary, special
        self._kinds = [(name, kind) for kind in ("terminal", "leaf", "ordinary", "special") for name in getattr(self, kind)]

    def wanted(self, among: list[str] | None = None) -> list[str]:
        """The attributes to ask for; of those that a URL names only the ones that count."""
        names = [name for name, _ in self._kinds]
        if not among:
            return names
        # The one with options is the narrower of two that match.
        return [name if is_subtype(name, url) else url for url in among for name in names if _are_related(name, url)]

    def kind_of(self, attribute: str) -> str | None:
        """The first kind that the attribute is of, or None."""
        return next((kind for name, kind in self._kinds if is_subtype(attribute, name)), None)

    def has(self, entry: Entry, names: Iterable[str]) -> bool:
        """Whether the entry has a value of one of these."""
        return any(values and is_subtype(attribute, name) for attribute, values in entry.attributes.items() for name in names)


class Item(NamedTuple):
    """A value, or the name or URL of what to look at next."""

    text: str
    is_reference: bool


def pick_items(plan: AttributePlan, entries: list[Entry], size_limit: int) -> list[Item]:
    """What entries that one search has found give, in their order.  Raises `DirectoryTrouble` for more than `size_limit`."""
    if 0 < size_limit < len(entries):
        raise DirectoryTrouble(f"more than size_limit = {size_limit} entries")
    items: list[Item] = []
    for entry in entries:
        is_terminal = plan.has(entry, plan.terminal)
        has_special = not is_terminal and plan.has(entry, plan.special)
        for attribute, octets in entry.attributes.items():
            kind = plan.kind_of(attribute)
            is_reference = kind == "special" and not is_terminal
            if is_reference or _counts(kind, is_terminal, has_special):
                items += [Item(value.decode("utf-8", "surrogateescape"), is_reference) for value in octets]
    return items


def _counts(kind: str | None, is_terminal: bool, has_special: bool) -> bool:
    if is_terminal:
        return kind == "terminal"
    return kind == "ordinary" or (kind in ("terminal", "leaf") and not has_special)


def is_subtype(attribute: str, name: str) -> bool:
    """Whether `attribute` is `name`, or that with options behind a semicolon (RFC 4512 §2.5)."""
    attribute, name = attribute.lower(), name.lower()
    return attribute == name or attribute.startswith(name + ";")


def _are_related(one: str, other: str) -> bool:
    return is_subtype(one, other) or is_subtype(other, one)


def is_url(text: str) -> bool:
    """Whether a reference is a URL and not a name."""
    return text.lower().startswith(SCHEMES)


def split_url(text: str) -> tuple[str, str, str, list[str]]:
    """Base, scope, filter and attributes of a URL (RFC 4516).  Raises `DirectoryTrouble`."""
    rest = text.partition("://")[2]
    _, _, rest = rest.partition("/")
    fields = [urllib.parse.unquote(field) for field in [*rest.split("?"), "", "", ""][:4]]
    base, attributes, scope, question = fields
    if scope.lower() not in _URL_SCOPES:
        raise DirectoryTrouble(f"a URL with the scope {scope[:20]!r}")
    names = [name for name in re.split(r"[, ]+", attributes) if name and name != "*"]
    return base, _URL_SCOPES[scope.lower()], question or "(objectclass=*)", names
