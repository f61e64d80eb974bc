"""The last gate before a log, a terminal or a notice: no control character passes, whatever a producer forgot."""

from __future__ import annotations

SUBSTITUTE = "?"
"""What smtp(8) puts in the place of a character that cannot be printed."""


def make_printable(text: str) -> str:
    """Return `text` with `?` for each character that is not printable.

    Not printable is what `str.isprintable` says: control and format characters, blanks other than the space, and the lone
    surrogates that stand for octets which were never text.  So the result always encodes as UTF-8 and is one line.
    """
    if text.isprintable():
        return text
    return "".join([letter if letter.isprintable() else SUBSTITUTE for letter in text])
