"""Message text as it comes over the wire becomes message text as the spool keeps it: CRLF line ends, dots not stuffed.

`DottedText` is for DATA, `ChunkedText` for BDAT.  Both take octets cut anywhere, work on whole pieces with a few searches, and
hold back no more than `HELD_LIMIT_OCTETS`.

**Smuggling** (CVE-2023-51764 and its kin): the end of DATA is CRLF, a dot, CRLF, and nothing else.  A line that holds only
a dot and has a bare LF on either side of it is dropped, as smtpd(8) does under `smtpd_forbid_bare_newline = normalize`: nobody
behind us can take it for an end.  A bare LF becomes CRLF and a stray CR a blank, so that what leaves here has no line end
but CRLF.
"""

from __future__ import annotations

from typing import NamedTuple

from mailrider.content.canonical import CR_LIMIT, Canonicalizer

HELD_LIMIT_OCTETS = 2 * CR_LIMIT + 2
"""A row of CRs, a line feed, a dot, and another row of CRs."""

_LINE_END = b"\r\n"
_END = b"\r\n.\r\n"
_LONE_DOT = b"\r\n.\r\n"


class Decoded(NamedTuple):
    """`text` is certain by now.  `rest` is what follows the end of the message, None where that has not come."""

    text: bytes
    rest: bytes | None


class DottedText:
    """The text behind DATA (RFC 5321 §4.5.2).  `has_bare_lf`: a line feed without CR was seen."""

    __slots__ = ("_held", "_skip", "has_bare_lf")

    def __init__(self) -> None:
        self._held = _LINE_END  # the text begins at the beginning of a line; this one is not part of it
        self._skip = len(_LINE_END)
        self.has_bare_lf = False

    def feed(self, octets: bytes) -> Decoded:
        """Take a piece."""
        data = self._held + octets
        end = data.find(_END)
        if end >= 0:
            self._held = b""
            return Decoded(self._convert(data[: end + len(_LINE_END)]), data[end + len(_END) :])
        cut = _find_cut(data)
        self._held = data[cut:]
        return Decoded(self._convert(data[:cut]) if cut else b"", None)

    def _convert(self, raw: bytes) -> bytes:
        line_ends = raw.count(b"\n")
        if raw.count(_LINE_END) != line_ends:
            self.has_bare_lf = True
            raw = _canonicalize(raw)
        elif raw.count(b"\r") != line_ends:
            raw = _canonicalize(raw)
        while _LONE_DOT in raw:  # halves with every turn
            raw = raw.replace(_LONE_DOT, _LINE_END)
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", _LINE_END)
        if self._skip and raw:
            raw, self._skip = raw[self._skip :], 0
        return raw


def _find_cut(data: bytes) -> int:
    """Where the end begins that means one thing or another by what follows: a line end, perhaps with a dot, or CRs."""
    line_feed = data.rfind(b"\n")
    tail_begins = line_feed + 1
    if len(data) - tail_begins <= CR_LIMIT + 1:
        tail = data[tail_begins:].rstrip(b"\r")
        if line_feed >= 0 and tail in (b"", b"."):
            return line_feed - _count_returns(data, line_feed)
    return len(data) - _count_returns(data, len(data))


def _count_returns(data: bytes, end: int) -> int:
    """How many CRs stand before `end`, up to as many as a line end may have."""
    row = data[max(0, end - CR_LIMIT) : end]
    return len(row) - len(row.rstrip(b"\r"))


def _canonicalize(raw: bytes) -> bytes:
    return Canonicalizer().feed(raw + b".")[:-1]  # the dot: CRs at the end are no line end, since that was held back


class ChunkedText:
    """The text of the chunks of BDAT (RFC 3030 §2): octets that are counted, without dots."""

    __slots__ = ("_canonical", "_ends_with_cr", "has_bare_lf")

    def __init__(self) -> None:
        self._canonical = Canonicalizer()
        self._ends_with_cr = False
        self.has_bare_lf = False

    def feed(self, octets: bytes) -> bytes:
        """Take a piece, return what is certain by now."""
        if not octets:
            return b""
        led_by_cr = self._ends_with_cr and octets.startswith(b"\n")
        if octets.count(b"\n") != octets.count(_LINE_END) + led_by_cr:
            self.has_bare_lf = True
        self._ends_with_cr = octets.endswith(b"\r")
        return self._canonical.feed(octets)

    def finish(self) -> bytes:
        """What is still missing at the end of the message."""
        return self._canonical.finish()
