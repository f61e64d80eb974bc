"""The walk through a message: header blocks, multiparts, attached messages (RFC 2045, 2046).

What it does to a message, where it has nothing else to do, is what smtp(8) does: blanks in front of the colon of a field go
away, a field is cut at a NUL and at `header_size_limit`, and a line that cannot be a field ends the primary header
with an empty line.  With `converts` the 8-bit and binary parts become quoted-printable: the Content-Transfer-Encoding of such
an entity is left out and a new one is added at the end of its header, `7bit` for multiparts and messages, whose parts
have their own, and `quoted-printable` for everything else.  Text before the first and behind the last boundary line is not
touched, and text that is 8-bit without saying so neither.

The walk keeps at most one header field, one record and one line that is not at its end; it looks at lines one by one in
headers only.  Bodies pass in blocks from boundary line to boundary line.

Known faults, all of them smtp(8)'s: a message/partial or message/external-body that says 8bit is encoded although its new
label is `7bit`; a part of a multipart/digest whose type is not known is taken for a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from mailrider.content.boundaries import LENGTH_LIMIT_OCTETS, NESTING_LIMIT, Boundaries
from mailrider.content.fields import CONTENT_TRANSFER_ENCODING, CONTENT_TYPE, FIELD_BEGINNING, Place, name_of
from mailrider.content.lines import has_long_line
from mailrider.content.media_type import Domain, Kind, read_domain, read_media_type
from mailrider.content.quoted_printable import Encoder
from mailrider.content.records import RECORD_LIMIT_OCTETS, cut_line
from mailrider.errors import UnsuitableContent

HEADER_SIZE_LIMIT_OCTETS = 102400
"""Default of `header_size_limit`: how much of one field is kept."""


class Limits(NamedTuple):
    """The bounds of a walk (postconf(5), the parameters of these names; `record_limit_octets` is `line_length_limit`)."""

    mime_nesting_limit: int = NESTING_LIMIT
    boundary_length_limit_octets: int = LENGTH_LIMIT_OCTETS
    header_size_limit_octets: int = HEADER_SIZE_LIMIT_OCTETS
    record_limit_octets: int = RECORD_LIMIT_OCTETS


DEFAULT_LIMITS = Limits()


class Editor(Protocol):
    """Who gets what the walk finds.  Fields have bare LF between their lines and no line end."""

    @property
    def takes_fields_as_they_are(self) -> bool:
        """Whether header fields may come as lines, several at once."""

    def write_field(self, place: Place, name: bytes, field: bytes) -> None:
        """A header field; `name` is in lower case, and empty for a field that the walk has made."""

    def write_record(self, text: bytes, *, ended: bool) -> None:
        """A piece of a line of the body."""

    def write_lines(self, block: bytes) -> None:
        """Whole lines of the body, with their line ends."""

    def pass_lines(self, block: bytes) -> None:
        """Whole lines that nobody wants to look at."""


class Walk:
    """Takes a message in pieces of any size; what it needs in memory is a few times the size of a piece.

    `parses_mime` off: there is one header block, and the rest is body.  Raises `errors.UnsuitableContent` where
    multiparts are nested too deep for a message that has to be converted.
    """

    __slots__ = (
        "_boundaries", "_continued", "_converts", "_domain", "_editor", "_encoder", "_field", "_header_limit", "_kind",
        "_parses_mime", "_place", "_record_limit", "_tail",
    )  # fmt: skip

    def __init__(self, editor: Editor, *, parses_mime: bool, converts: bool, limits: Limits) -> None:
        self._editor = editor
        self._parses_mime = parses_mime
        self._converts = converts
        self._header_limit = limits.header_size_limit_octets
        self._record_limit = limits.record_limit_octets
        self._boundaries = Boundaries(limits.mime_nesting_limit, limits.boundary_length_limit_octets)
        self._encoder = Encoder()
        self._place = Place.PRIMARY
        self._kind = Kind.LEAF  # of the entity whose header or body this is
        self._domain = Domain.SEVEN_BIT
        self._field = bytearray()  # the field that is being collected
        self._continued = False  # the next record belongs to the line of the last one
        self._tail = b""  # the beginning of a record whose end has not come

    # -- lines and records -----------------------------------------------------------------------------------------

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the message."""
        data = self._tail + chunk if self._tail else chunk
        end = data.rfind(b"\n") + 1
        position = 0
        while position < end:
            if self._continued:
                position = self._take_line(data, position)
            elif self._place is Place.BODY:
                position = self._take_body(data, position, end)
            else:
                position = self._take_header(data, position, end)
        while len(data) - end > self._record_limit:  # one octet more, since the last may be the CR of the line end
            self._take(data[end : end + self._record_limit], ended=False)
            end += self._record_limit
        self._tail = data[end:]

    def finish(self) -> None:
        """The message is over."""
        if self._tail:
            self._take(self._tail, ended=False)
            self._tail = b""
        if self._continued:
            self._take(b"", ended=True)
        if self._place is not Place.BODY:
            if self._field:
                self._end_field()
            self._add_encoding()
            self._place = Place.BODY

    def _take_line(self, data: bytes, position: int) -> int:
        """Take one line, record by record.  Returns where the next one begins."""
        newline = data.index(b"\n", position)
        line_end = newline - 1 if newline > position and data[newline - 1] == _CR else newline
        line = data[position:line_end]
        if len(line) < self._record_limit:
            self._take(line, ended=True)
        else:
            for record in cut_line(line, self._record_limit):
                self._take(record.text, ended=record.ended)
        return newline + 1

    def _take(self, text: bytes, *, ended: bool) -> None:
        """Take a record."""
        if self._place is not Place.BODY:
            if self._field and (self._continued or text.startswith((b" ", b"\t"))):
                self._grow_field(text)
                self._continued = not ended
                return
            if self._field:
                self._end_field()
            if match := FIELD_BEGINNING.match(text):
                self._field += match[1] + text[match.end() - 1 :].partition(b"\0")[0]
                self._continued = not ended
                return
            self._end_header(text)
        self._take_body_record(text, ended=ended)

    # -- header ----------------------------------------------------------------------------------------------------

    def _take_header(self, data: bytes, position: int, end: int) -> int:
        """Take a header: all of it at once where it is well-formed and its end is there, else one line."""
        if self._field:
            return self._take_line(data, position)
        unseen = _OTHER_FIELDS if self._editor.takes_fields_as_they_are else _NO_FIELDS
        seen: list[tuple[int, int]] = []  # where the fields are that have to be looked at
        field_end = position
        while (field_start := _skip(unseen, data, field_end, end)) < end:
            field_end = _skip(_FIELD, data, field_start, end)
            if field_end == field_start:
                break
            seen.append((field_start, field_end))
        size_octets = field_start - position
        if not data.startswith(b"\r\n", field_start) or size_octets > self._header_limit:
            return self._take_line(data, position)
        if size_octets >= self._record_limit and has_long_line(data[position:field_start], self._record_limit - 1):
            return self._take_line(data, position)
        self._pass_header(data, position, field_start, seen)
        self._end_header(b"")
        self._take_body_record(b"", ended=True)
        return field_start + 2

    def _pass_header(self, data: bytes, position: int, end: int, seen: list[tuple[int, int]]) -> None:
        """Take the well-formed fields of a header; those that are not `seen` pass as they are."""
        wants_fields = not self._editor.takes_fields_as_they_are
        for field_start, field_end in seen:
            field = data[field_start : field_end - 2].replace(b"\r\n", b"\n")
            name = name_of(field)
            if self._parses_mime:
                self._note_field(name, field)
            if wants_fields or self._hides(name):
                if field_start > position:
                    self._editor.pass_lines(data[position:field_start])
                position = field_end
                self._write_field(name, field)
        if end > position:
            self._editor.pass_lines(data[position:end])

    def _grow_field(self, text: bytes) -> None:
        if len(self._field) < self._header_limit:
            if not self._continued:
                self._field += b"\n"
            self._field += text.partition(b"\0")[0]

    def _end_field(self) -> None:
        """The field is complete."""
        field = bytes(self._field)
        name = name_of(field)
        self._field.clear()
        self._continued = False
        if self._parses_mime:
            self._note_field(name, field)
        self._write_field(name, field)

    def _write_field(self, name: bytes, field: bytes) -> None:
        if not self._hides(name):
            self._editor.write_field(self._place, name, field)

    def _hides(self, name: bytes) -> bool:
        """Whether this field is not sent, since its truth is about to change."""
        return self._converts and self._domain is not Domain.SEVEN_BIT and name == CONTENT_TRANSFER_ENCODING

    def _note_field(self, name: bytes, field: bytes) -> None:
        """Learn what a field says about its entity."""
        if name == CONTENT_TYPE:
            media_type = read_media_type(field[len(name) + 1 :])
            self._kind = media_type.kind or self._kind
            for boundary in media_type.boundaries:
                if not self._boundaries.push(boundary, media_type.default) and self._converts:
                    raise UnsuitableContent("MIME nesting exceeds safety limit")
        elif name == CONTENT_TRANSFER_ENCODING:
            self._domain = read_domain(field[len(name) + 1 :]) or self._domain

    def _add_encoding(self) -> None:
        """Say how the entity is going to be encoded, at the end of its header."""
        if self._converts and self._domain is not Domain.SEVEN_BIT:
            encoding = b"7bit" if self._kind in _UNENCODED else b"quoted-printable"
            self._editor.write_field(self._place, b"", b"Content-Transfer-Encoding: " + encoding)

    def _end_header(self, text: bytes) -> None:
        """A record that is no field ends the header block: the empty line, or garbage."""
        self._add_encoding()
        if text:
            if self._place is Place.PRIMARY:
                self._editor.write_record(b"", ended=True)
            self._place = Place.BODY
            return
        goes_inside = self._kind is Kind.MESSAGE or (
            self._kind is Kind.GLOBAL_MESSAGE and not (self._converts and self._domain is not Domain.SEVEN_BIT)
        )
        if goes_inside:
            self._enter(Place.NESTED, Kind.LEAF)
        elif self._kind is Kind.MULTIPART:
            self._enter(Place.BODY, Kind.LEAF)
        else:
            self._place = Place.BODY

    def _enter(self, place: Place, kind: Kind) -> None:
        self._place = place
        self._kind = kind
        self._domain = Domain.SEVEN_BIT

    # -- body ------------------------------------------------------------------------------------------------------

    def _take_body(self, data: bytes, start: int, end: int) -> int:
        """Take whole body lines up to a boundary line, or to `end`."""
        openings = self._boundaries.openings
        for position in _lines_that_begin(data, openings, start, end) if openings else ():
            newline = data.index(b"\n", position)
            line_end = newline - 1 if data[newline - 1] == _CR else newline
            if self._boundaries.may_cross(data[position : min(line_end, position + self._record_limit)]):
                if position > start:
                    self._write_block(data[start:position])
                return self._take_line(data, position)
        self._write_block(data[start:end])
        return end

    def _write_block(self, block: bytes) -> None:
        if self._converts and self._domain is not Domain.SEVEN_BIT:
            block = self._encoder.encode_lines(block)
        self._editor.write_lines(block)

    def _take_body_record(self, text: bytes, *, ended: bool) -> None:
        if not self._continued and (crossing := self._boundaries.cross(text)) is not None:
            if crossing.default is None:
                self._enter(Place.BODY, Kind.LEAF)
            else:
                self._enter(Place.PART, crossing.default)
        if not (self._converts and self._domain is not Domain.SEVEN_BIT):
            self._editor.write_record(text, ended=ended)
        elif block := self._encoder.add_piece(text, ended=ended):
            self._editor.write_lines(block)
        self._continued = not ended


_CR = 13
_UNENCODED = (Kind.MULTIPART, Kind.MESSAGE, Kind.OTHER_MESSAGE)

_FIELD_SOURCE = rb"[!-9;-~]++:[^\r\n\0]*+\r\n(?:[ \t][^\r\n\0]*+\r\n)*+"
_FIELD = re.compile(_FIELD_SOURCE + rb"|")
_OTHER_FIELDS = re.compile(rb"(?:(?!(?i:content-t))" + _FIELD_SOURCE + rb")*+")  # than those that say what follows
_NO_FIELDS = re.compile(b"")


_HARMLESS_HEADER = re.compile(
    rb"(?:(?!(?i:content-t))" + _FIELD_SOURCE + rb"|(?i:content-type:[ \t]*+(?:text|application|image|audio|video)/)"
    rb"[^\r\n\0]*+\r\n(?:[ \t][^\r\n\0]*+\r\n)*+"
    rb"|(?i:content-transfer-encoding:[ \t]*+(?:7bit|base64|quoted-printable))[ \t]*+\r\n(?![ \t]))*+\r\n"
)


def passes_unchanged(beginning: bytes, limits: Limits) -> bool:
    """Whether a message that begins so would come out of a converting walk as it went in: the common case, found quickly.

    True for a well-formed header that says the body is one part of 7-bit text, or encoded, or says nothing.
    """
    match = _HARMLESS_HEADER.match(beginning, 0, limits.header_size_limit_octets)
    if match is None:
        return False
    return match.end() < limits.record_limit_octets or not has_long_line(match[0], limits.record_limit_octets - 1)


def _skip(pattern: re.Pattern[bytes], data: bytes, position: int, end: int) -> int:
    """Where the text that matches at `position` is over."""
    match = pattern.match(data, position, end)
    assert match is not None
    return match.end()


def _lines_that_begin(data: bytes, openings: tuple[bytes, ...], start: int, end: int) -> Iterator[int]:
    """Where lines begin that may be boundary lines; `start` is the beginning of a line."""
    position = start if data.startswith(b"--", start) else _find_dashes(data, start, end)
    while position >= 0:
        if data.startswith(openings, position):
            yield position
        position = _find_dashes(data, position, end)


def _find_dashes(data: bytes, start: int, end: int) -> int:
    """Where the next line begins that begins with two dashes, or -1."""
    newline = data.find(b"\n--", start, end)
    return newline + 1 if newline >= 0 else -1
