"""Queries and results with a key in them: `%s`, `%u`, `%d`, `%1` and so on (the sections "query" of pgsql_table(5) and others).

=============  =====================================================================================================
`%%`           a percent sign
`%s`           in a query the key, in a result the value
`%u` `%d`      the part before the last `@` of that (all of it, where there is none), and the part behind
`%S` `%U` `%D` the same of the key, also in a result
`%1` to `%9`   the labels of the key's domain, from the last one on
=============  =====================================================================================================

A key that lacks a domain or a label that is asked for is in no such table, and a value that lacks a domain is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.tables.logical_lines import quote_beginning

Quote = Callable[[str], str]
"""Makes a part of a key harmless in the language of a query."""

_PARTS = re.compile(r"%(.?)", re.DOTALL)
_LABELS: Final = "123456789"
_OF_DOMAIN: Final = "D" + _LABELS


def keep(text: str) -> str:
    """Where nothing needs quoting."""
    return text


class Address(NamedTuple):
    """A text, the part before its last `@`, and the part behind, None where there is none."""

    text: str
    user: str
    domain: str | None


def split_address(text: str) -> Address:
    """Take `user@domain`, or a text without an `@`, which is all user."""
    user, at, domain = text.rpartition("@")
    return Address(text, user, domain) if at else Address(text, text, None)


class KeyTemplates:
    """The templates of one table: of its queries, and of its results.

    They belong together because a letter anywhere decides which keys are asked for at all (as in Postfix).  Raises
    `WrongConfiguration` for a letter that means nothing.
    """

    def __init__(self, title: str, queries: list[str], result: str = "%s") -> None:
        self._result = result
        letters: set[str] = set()
        for query in queries:
            letters |= _read_letters(title, query)
        in_result = _read_letters(title, result)
        self._key_has_domain = bool({"d", *_OF_DOMAIN} & letters) or bool(set(_OF_DOMAIN) & in_result)
        self._key_has_user = bool({"u", "U"} & letters) or "U" in in_result
        self._value_has_domain = "d" in in_result
        self._value_has_user = "u" in in_result
        self._labels = max([0, *[int(letter) for letter in letters | in_result if letter in _LABELS]])

    def expand_query(self, query: str, key: str, quote: Quote = keep) -> str | None:
        """The query for a key, or None where the key lacks what it asks for."""
        address = split_address(key)
        if not key or not self._has_parts(address, self._key_has_domain, self._key_has_user):
            return None
        labels = self._split_labels(address.domain)
        return None if labels is None else _fill(query, address, address, labels, quote)

    def expand_result(self, value: str, key: str) -> str | None:
        """The result for one value, or None where the value lacks what it asks for."""
        address = split_address(value)
        if not value or not self._has_parts(address, self._value_has_domain, self._value_has_user):
            return None
        whole_key = split_address(key)
        labels = self._split_labels(whole_key.domain)
        return None if labels is None else _fill(self._result, address, whole_key, labels, keep)

    @staticmethod
    def _has_parts(address: Address, domain: bool, user: bool) -> bool:
        if domain and not address.domain:
            return False
        # "@domain" has an empty user; a text without @ is all user.  Where no part is asked for, neither matters.
        return not (user and address.domain is not None and not address.user)

    def _split_labels(self, domain: str | None) -> list[str] | None:
        """The labels of the key's domain from the last one on, or None where one that is needed is missing."""
        if not self._labels:
            return []
        labels = [label for label in (domain or "").split(".") if label][::-1]
        return labels if len(labels) >= self._labels else None


def _read_letters(title: str, template: str) -> set[str]:
    letters = {match[1] for match in _PARTS.finditer(template)}
    wrong = sorted(letters - {*"%sudSUD", *_LABELS})
    if wrong:
        shown = f"{quote_beginning('%' + wrong[0])} means nothing in {quote_beginning(template)}"
        raise WrongConfiguration(f"{title}: {shown}; write %% for a percent sign")
    return letters


def _fill(template: str, address: Address, key: Address, labels: list[str], quote: Quote) -> str:
    def take(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "%":
            return "%"
        if letter in _LABELS:
            return quote(labels[int(letter) - 1])
        whose = key if letter.isupper() else address
        part = {"s": whose.text, "u": whose.user, "d": whose.domain}[letter.lower()]
        return quote(part or "")

    return _PARTS.sub(take, template)
