"""The date that a message gets on its way in; made once a second, because mail comes in crowds."""

from __future__ import annotations

import time

from mailrider.dsn.wrap import format_date

_latest = (0, "")


def date_now() -> str:
    """Now, as a date field has it (RFC 5322 §3.3)."""
    global _latest
    now = int(time.time())
    second, text = _latest
    if second != now:
        text = format_date(now)
        _latest = (now, text)
    return text
