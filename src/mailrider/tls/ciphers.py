"""Cipher grades: from a word of the operator to a list that OpenSSL reads (postconf(5), `smtp_tls_ciphers`).

The grades `low` and `export` have lists of their own, as in Postfix 3.7; since 3.8 they mean `medium`, because no library has
those ciphers any more.  With the lists that are given by default they come to the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SEPARATORS = re.compile(r"[, \t\r\n:]+")
_OPERATORS = "!+-@"

_GRADES = frozenset({"high", "medium", "low", "export", "null"})


class GradeLists(NamedTuple):
    """The lists behind the grades (`tls_high_cipherlist` and so on), as OpenSSL writes them."""

    high: str = "aNULL:-aNULL:HIGH:@STRENGTH"
    medium: str = "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH"
    null: str = "eNULL:!aNULL"
    low: str = "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH"
    export: str = "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH"


class BadCiphers(NamedTuple):
    """Why there is no list; the text completes `<relay>: `."""

    text: str


def make_cipher_list(grade: str, exclusions: str, lists: GradeLists) -> str | BadCiphers:
    """The list of a grade without the excluded ciphers."""
    known = grade.lower()
    if known not in _GRADES:
        return BadCiphers(f'invalid cipher grade: "{grade}"')
    text: str = getattr(lists, known)
    for word in _SEPARATORS.split(exclusions):
        if word[:1] and word[0] in _OPERATORS:
            return BadCiphers(f"invalid unary '!+-@' in cipher exclusion: {word}")
        if word:
            text += f":!{word}"
    return text
