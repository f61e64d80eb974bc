"""The plain form of Postfix's attribute protocol: `name NUL value NUL` pairs, and one NUL at the end of a list.

There are no types on the wire.  A number is decimal and unsigned: 32 bits wide, or 64 where the reader expects a long, so that
-1 is 4294967295 or 18446744073709551615.  Data is base64.  A name may occur twice in one list, and the order counts: a
list is a sequence of pairs.

What can go wrong: `MalformedAttributes` for a list that is longer than `LIST_LIMIT_OCTETS` or does not hold what was
expected.  A NUL inside a value that is written would end it, so it goes out as `?`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Final

LIST_LIMIT_OCTETS: Final = 512 * 1024
"""One list.  The longest text in one is a server's reply, which is a few kB; the rest are addresses and numbers."""

NUMBER_LIMIT_DIGITS: Final = 20
"""2**64 has so many."""

_SHORT_LIST: Final = 32
"""Attributes; a delivery request has 23."""

_INT_SPAN = 1 << 32
_LONG_SPAN = 1 << 64

Pair = tuple[bytes, bytes]


class MalformedAttributes(ValueError):
    """A list is not what it should be; the text says why."""


class Long(int):
    """A number that is written with 64 bits."""

    __slots__ = ()


Value = str | bytes | int


def encode_attributes(pairs: Iterable[tuple[str, Value]]) -> bytes:
    """One list, with its end.  Text is UTF-8; octets that were never text come out as they were (surrogateescape)."""
    parts: list[bytes] = []
    for name, value in pairs:
        parts.append(name.encode("ascii"))
        if isinstance(value, int):
            if value < 0:
                value += _LONG_SPAN if isinstance(value, Long) else _INT_SPAN
            parts.append(b"%d" % value)
            continue
        octets = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        parts.append(octets.replace(b"\0", b"?") if b"\0" in octets else octets)
    parts.append(b"\0" if parts else b"")
    return b"\0".join(parts) if len(parts) > 1 else b"\0"


def encode_data(octets: bytes) -> bytes:
    """The value of a data attribute."""
    return base64.b64encode(octets)


class AttributeReader:
    """Takes octets as they come and gives whole lists."""

    __slots__ = ("_octets", "_position")

    def __init__(self) -> None:
        self._octets = b""
        self._position = 0

    def feed(self, octets: bytes) -> None:
        """Take what has come in."""
        self._octets = self._octets[self._position :] + octets if self._position < len(self._octets) else octets
        self._position = 0

    @property
    def pending_octets(self) -> int:
        """How much was taken and belongs to no list yet that was given out."""
        return len(self._octets) - self._position

    def take(self) -> Attributes | None:
        """The next list, or None where its end has not come yet.  Raises `MalformedAttributes`."""
        octets, position = self._octets, self._position
        # Nearly every list is short, and one split is a tenth of the work of looking for each end.
        fields = (octets[position:] if position else octets).split(b"\0", _SHORT_LIST * 2)
        names = fields[:-1:2]
        if b"" in names:
            end = names.index(b"")
            taken = fields[: end * 2]
            self._position = position + sum(map(len, taken)) + end * 2 + 1
            return Attributes(list(zip(names[:end], taken[1::2], strict=True)))
        if len(fields) > _SHORT_LIST * 2:
            return self._take_long()
        self._refuse_overlong()
        return None

    def _take_long(self) -> Attributes | None:
        octets, position = self._octets, self._position
        find = octets.find
        pairs: list[Pair] = []
        while True:
            name_end = find(b"\0", position)
            if name_end == position:
                self._position = position + 1
                return Attributes(pairs)
            value_end = find(b"\0", name_end + 1) if name_end >= 0 else -1
            if value_end < 0:
                self._refuse_overlong()
                return None
            pairs.append((octets[position:name_end], octets[name_end + 1 : value_end]))
            position = value_end + 1

    def _refuse_overlong(self) -> None:
        if self.pending_octets > LIST_LIMIT_OCTETS:
            raise MalformedAttributes(f"an attribute list of more than {LIST_LIMIT_OCTETS} octets")


class Attributes:
    """One list, read in its order; every method raises `MalformedAttributes` where the next attribute is another one."""

    __slots__ = ("_position", "pairs")

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self._position = 0

    def octets(self, *names: bytes) -> bytes:
        """The value of the next attribute, which must have one of these names."""
        if self._position >= len(self.pairs):
            raise MalformedAttributes(f"the attribute {names[0].decode()} is missing")
        name, value = self.pairs[self._position]
        if name not in names:
            raise MalformedAttributes(f"the attribute {show_octets(name)} stands where {names[0].decode()} should")
        self._position += 1
        return value

    def text(self, *names: bytes) -> str:
        """A text; octets that are no UTF-8 are kept (surrogateescape)."""
        return self.octets(*names).decode("utf-8", "surrogateescape")

    def integer(self, *names: bytes) -> int:
        """A number of 32 bits, with its sign."""
        return parse_integer(self.text(*names))

    def long(self, *names: bytes) -> int:
        """A number of 64 bits, with its sign."""
        return parse_long(self.text(*names))

    def data(self, *names: bytes) -> bytes:
        """Octets that were written as base64."""
        return parse_data(self.text(*names))

    def end(self) -> None:
        """There must be nothing more."""
        if self._position < len(self.pairs):
            raise MalformedAttributes(f"unexpected attribute {show_octets(self.pairs[self._position][0])}")


def parse_integer(text: str) -> int:
    """A number of 32 bits, with its sign.  Raises `MalformedAttributes`, as do all of these."""
    return _parse_number(text, _INT_SPAN)


def parse_long(text: str) -> int:
    """A number of 64 bits, with its sign."""
    return _parse_number(text, _LONG_SPAN)


def parse_data(text: str) -> bytes:
    """Octets that were written as base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedAttributes(f"no base64: {show_octets(text.encode('utf-8', 'surrogateescape'))}") from None


def _parse_number(text: str, span: int) -> int:
    if not (text.isdigit() and text.isascii()) or len(text) > NUMBER_LIMIT_DIGITS or (number := int(text)) >= span:
        raise MalformedAttributes(f"no number: {show_octets(text.encode('utf-8', 'surrogateescape'))}")
    return number - span if number >= span >> 1 else number


def show_octets(octets: bytes) -> str:
    """The beginning of what came in, for a log."""
    return "".join([chr(octet) if 32 <= octet < 127 else "?" for octet in octets[:60]])
