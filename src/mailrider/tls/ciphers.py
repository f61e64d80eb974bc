"""Cipher grades: from a word of the operator to a list that OpenSSL reads (postconf(5), `smtp_tls_ciphers`).

The grades `low` and `export` mean `medium`, since Postfix 3.8 and because no library has those ciphers any more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SEPARATORS = re.compile(r"[, \t\r\n:]+")
_OPERATORS = "!+-@"

_GRADES = {"high": "high", "medium": "medium", "low": "medium", "export": "medium", "null": "null"}


class GradeLists(NamedTuple):
    """The lists behind the grades (`tls_high_cipherlist` and so on), as OpenSSL writes them."""

    high: str = "aNULL:-aNULL:HIGH:@STRENGTH"
    medium: str = "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH"
    null: str = "eNULL:!aNULL"


class BadCiphers(NamedTuple):
    """Why there is no list; the text completes `<relay>: `."""

    text: str


def make_cipher_list(grade: str, exclusions: str, lists: GradeLists) -> str | BadCiphers:
    """The list of a grade without the excluded ciphers."""
    known = _GRADES.get(grade.lower())
    if known is None:
        return BadCiphers(f'invalid cipher grade: "{grade}"')
    text: str = getattr(lists, known)
    for word in _SEPARATORS.split(exclusions):
        if word[:1] and word[0] in _OPERATORS:
            return BadCiphers(f"invalid unary '!+-@' in cipher exclusion: {word}")
        if word:
            text += f":!{word}"
    return text
