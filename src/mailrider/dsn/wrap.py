"""Small forms that every notice shares: wrapped lines and dates.

The wrapping is that of bounce(8): a line breaks at the last blank before column 79, what follows is indented by four, and a
word that is longer than a line stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

LINE_CHARACTERS = 79
"""How long a line of a report gets (bounce(8))."""

INDENT_CHARACTERS = 4

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BLANKS = " \t"
_WORD = re.compile(r"[^ \t]+")


def wrap_line(text: str, width: int = LINE_CHARACTERS, indent: int = INDENT_CHARACTERS) -> Iterator[str]:
    """The lines that `text` makes; one, perhaps empty, at least."""
    start, room, margin = 0, width, ""
    for word in _WORD.finditer(text):
        if word.start() > start and word.end() - start > room:
            yield margin + text[start : word.start()].rstrip(_BLANKS)
            if not margin:
                margin = " " * indent
                room -= indent
            start = word.start()
    yield margin + text[start:].rstrip(_BLANKS)


def format_date(seconds: float) -> str:
    """A wall-clock time as a header shows it: `Sun, 22 Nov 2026 17:08:39 +0000 (UTC)` (RFC 5322 §3.3), local time.

    The names are English whatever the locale is.
    """
    when = datetime.fromtimestamp(int(seconds), UTC).astimezone()
    offset = when.strftime("%z")
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return f"{day}, {when.day:2d} {month} {when:%Y %H:%M:%S} {offset} ({when.tzname()})"
