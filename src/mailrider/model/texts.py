"""Texts that a caller or a file gives: what none of them may hold, and how a value is shown in a sentence."""

from __future__ import annotations

import re
import reprlib

from mailrider.errors import WrongUsage

SHOWN_CHARACTERS = 80
"""A sentence with a longer value in it is not read."""

_BRACES = re.compile(r"\{[^}]*(?:\}|$)")
_QUOTES = re.compile(r'"[^"]*(?:"|$)')
_BARE_TABLE = re.compile(r"\b(inline|static|randmap):(?!\{)\S.*?(?=: |$)")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_text(name: str, value: object) -> str:
    """`value` as the text that it has to be.

    Raises `WrongUsage` for anything else, for a control character (a line end in an envelope would begin a command of its
    own), and for half a surrogate pair, which has no octets; halves that stand for octets which were never text
    (PEP 383) are let through.
    """
    if not isinstance(value, str):
        raise WrongUsage(f"{name} is {show(value)}, expected a text")
    if not value.isprintable():
        if _CONTROL.search(value):
            raise WrongUsage(f"{name} {show(value)} contains a control character")
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise WrongUsage(f"{name} {show(value)} contains half a character") from None
    return value


def clip(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def show(value: object) -> str:
    """A value as a sentence has room for it, however large or deep it is."""
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = shown.maxlong = SHOWN_CHARACTERS
    return clip(shown.repr(value))


def hides_values(name: str) -> bool:
    """Whether the tables of a parameter hold passwords, which may stand in main.cf itself (`inline:{...}`)."""
    return "password" in name


def hide_values(sentence: str) -> str:
    """A sentence about such tables without what they hold: `inline:{***}`.  The names of files stay."""
    if not any(kind in sentence for kind in ("{", "inline:", "static:", "randmap:")):
        return sentence
    return _QUOTES.sub('"***"', _BARE_TABLE.sub(r"\1:***", _BRACES.sub("{***}", sentence)))
