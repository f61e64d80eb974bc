"""The form in which Mailrider keeps and sends a message: every line, the last one too, ends with CRLF.

Input comes with LF or CRLF line ends, or a mixture.  CRs in front of LF, up to `CR_LIMIT` of them, belong to the line end; any
other CR is stray and becomes a blank, as Postfix's cleanup(8) does since 2023: some servers take a stray CR or LF for a line
end, and a forged end of data could hide behind it.  A missing final line end is added.

The time taken is proportional to the length, whatever the octets are.
"""

from __future__ import annotations

import re

CR_LIMIT = 64
"""CRs that one line end may have.  A text that comes in pieces has to be held back for as long as this is open."""

# Begins at the first CR of a row only, else a long row without LF would be walked through from each of its CRs.
_ROW_AT_LINE_END = re.compile(rb"(?<!\r)\r++\n")


def canonicalize(octets: bytes) -> bytes:
    """The whole message at once."""
    if octets and not octets.endswith(b"\n"):
        octets += b"\n"
    return _canonicalize_lines(octets)


def _canonicalize_lines(octets: bytes) -> bytes:
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n")
        if b"\r\n" in octets:
            octets = _ROW_AT_LINE_END.sub(_shorten_row, octets)
        octets = octets.replace(b"\r", b" ")
    return octets.replace(b"\n", b"\r\n")


def _shorten_row(match: re.Match[bytes]) -> bytes:
    """A line end whose last CR is gone already."""
    return b" " * (len(match[0]) - CR_LIMIT) + b"\n"


class Canonicalizer:
    """The same for a message that comes in pieces of any size.

    CRs at the end of a piece are held back, since what follows decides what they are.
    """

    __slots__ = ("_ended", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._ended = True

    def feed(self, piece: bytes) -> bytes:
        """Take a piece, return what is certain by now."""
        if self._held:
            piece = self._held + piece
            self._held = b""
        if piece.endswith(b"\r"):
            row = len(piece) - len(piece.rstrip(b"\r"))
            certain = len(piece) - min(row, CR_LIMIT)
            piece, self._held = piece[:certain], piece[certain:]
        if piece:
            self._ended = piece.endswith(b"\n")
        return _canonicalize_lines(piece)

    def finish(self) -> bytes:
        """What is still missing at the end of the message."""
        ended = self._ended and not self._held
        self._held = b""
        self._ended = True
        return b"" if ended else b"\r\n"


def finds_8bit_label(beginning: bytes) -> bool:
    """True if the primary header, in canonical form, says `Content-Transfer-Encoding: 8bit` or `binary`.

    Only `beginning`, which should hold the header, is looked at.
    """
    end = beginning.find(b"\r\n\r\n")
    header = beginning[: end if end >= 0 else len(beginning)].lower()
    start = 0 if header.startswith(_LABEL[1:]) else header.find(_LABEL) + 1
    if start == 0 and not header.startswith(_LABEL[1:]):
        return False
    value = header[start + len(_LABEL) - 1 :].split(b"\r\n", 1)[0]
    return value.strip() in (b"8bit", b"binary")


_LABEL = b"\ncontent-transfer-encoding:"
