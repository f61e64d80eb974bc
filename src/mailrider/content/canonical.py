"""The form in which Mailrider keeps and sends a message: every line, the last one too, ends with CRLF.

Input comes with LF or CRLF line ends, or a mixture.  CRs in front of LF belong to the line end; any other CR is
stray and becomes a blank, as Postfix's cleanup(8) does since 2023: some servers take a stray CR or LF for a line end, and a
forged end of data could hide behind it.  A missing final line end is added.
"""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r+\n")


def canonicalize(octets: bytes) -> bytes:
    """The whole message at once."""
    if octets and not octets.endswith(b"\n"):
        octets += b"\n"
    return _canonicalize_lines(octets)


def _canonicalize_lines(octets: bytes) -> bytes:
    if b"\r" in octets:
        octets = _LINE_END.sub(b"\n", octets).replace(b"\r", b" ")
    return octets.replace(b"\n", b"\r\n")


class Canonicalizer:
    """The same for a message that comes in pieces of any size.

    A CR at the end of a piece is held back, since what follows decides what it is.  More than `HELD_LIMIT_OCTETS` of CRs in a
    row are stray.
    """

    HELD_LIMIT_OCTETS = 64

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
            kept = piece.rstrip(b"\r")
            held = piece[len(kept) :]
            if len(held) <= self.HELD_LIMIT_OCTETS:
                piece, self._held = kept, held
        if piece:
            self._ended = piece.endswith(b"\n")
        return _canonicalize_lines(piece)

    def finish(self) -> bytes:
        """What is still missing at the end of the message."""
        rest = b" " * len(self._held)
        ended = self._ended and not rest
        self._held = b""
        return rest if ended else rest + b"\r\n"


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
