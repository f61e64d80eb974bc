"""What a Content-Type and a Content-Transfer-Encoding field say, as far as a mail agent must know (RFC 2045).

A field is read as smtp(8) reads it, which is more generous than RFC 2045: comments are skipped anywhere, garbage between
parameters is passed over, a boundary need not be quoted and there may be several of them.  Of a quoted string the quotes and
backslashes are gone and folding is undone.  A type that is not known says nothing: the part keeps the type that its place
gives it.  RFC 2231 parameters in pieces are not put together (smtp(8) does not either).

Nothing here raises, and the time taken is proportional to the length of the field.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from typing import NamedTuple


class Kind(enum.Enum):
    """What follows the header of an entity."""

    LEAF = "leaf"
    MULTIPART = "multipart"
    MESSAGE = "message/rfc822"
    GLOBAL_MESSAGE = "message/global"
    OTHER_MESSAGE = "message"


class Domain(enum.Enum):
    """What octets an entity is said to hold (RFC 2045 §2.6-2.9); base64 and quoted-printable hold 7bit."""

    SEVEN_BIT = "7bit"
    EIGHT_BIT = "8bit"
    BINARY = "binary"


class MediaType(NamedTuple):
    """A Content-Type.  `kind` None: of a type that says nothing about what follows.

    `default` is the kind of a part that has no type of its own; `boundaries` are in the order of the field.
    """

    kind: Kind | None
    default: Kind = Kind.LEAF
    boundaries: tuple[bytes, ...] = ()


_MESSAGES = {b"rfc822": Kind.MESSAGE, b"global": Kind.GLOBAL_MESSAGE}

_DOMAINS = {
    b"7bit": Domain.SEVEN_BIT,
    b"8bit": Domain.EIGHT_BIT,
    b"binary": Domain.BINARY,
    b"base64": Domain.SEVEN_BIT,
    b"quoted-printable": Domain.SEVEN_BIT,
}

_QUOTED = rb'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)'
_TYPE_SPECIALS = rb'\x00-\x1f\x7f()<>@,:\\"/\[\]?='
_ENCODING_SPECIALS = rb'\x00-\x1f\x7f()<>@,;:\\".\[\]'

# Blanks, the end of a parameter, a comment, a quoted string, a special or control character, a word.
_TYPE_TOKEN = re.compile(
    rb"([ \t\r\n]+)|(;)|(\()|" + _QUOTED + rb"|([" + _TYPE_SPECIALS + rb"])|([^ ;" + _TYPE_SPECIALS + rb"]++)", re.DOTALL
)
_ENCODING_TOKEN = re.compile(
    rb"([ \t\r\n]+)|(\()|" + _QUOTED + rb"|([" + _ENCODING_SPECIALS + rb"])|([^ " + _ENCODING_SPECIALS + rb"]++)", re.DOTALL
)
_COMMENT_MARK = re.compile(rb"\\.|[()]", re.DOTALL)
_FOLD_OR_PAIR = re.compile(rb"\\(.)|\n", re.DOTALL)
_BLANKS = frozenset(b" \t\r\n")

_TOKENS_LIMIT = 3
"""`type / subtype` and `boundary = value`: what comes after these says nothing."""


class _Form(enum.Enum):
    WORD = 1
    QUOTED = 2
    SPECIAL = 3


class _Token(NamedTuple):
    text: bytes
    form: _Form


_SLASH = _Token(b"/", _Form.SPECIAL)
_EQUALS = _Token(b"=", _Form.SPECIAL)


def read_media_type(value: bytes) -> MediaType:
    """Read what stands after `Content-Type:`, with line breaks as bare LF."""
    return _read_short(value) if len(value) <= _REMEMBERED_OCTETS else _read_media_type(value)


def _read_media_type(value: bytes) -> MediaType:
    position, tokens = _next_parameter(value, 0)
    if not tokens:
        return MediaType(Kind.LEAF)
    major = _word(tokens, 0)
    minor = _word(tokens, 2) if len(tokens) > 2 and tokens[1] == _SLASH else b""
    if major == b"text":
        return MediaType(Kind.LEAF)
    if major == b"message":
        return MediaType(_MESSAGES.get(minor, Kind.OTHER_MESSAGE))
    if major != b"multipart":
        return MediaType(None)
    boundaries: list[bytes] = []
    while position < len(value):
        position, tokens = _next_parameter(value, position)
        if len(tokens) > 2 and _word(tokens, 0) == b"boundary" and tokens[1] == _EQUALS:
            boundaries.append(tokens[2].text)
    return MediaType(Kind.MULTIPART, Kind.MESSAGE if minor == b"digest" else Kind.LEAF, tuple(boundaries))


_read_short = lru_cache(256)(_read_media_type)
_REMEMBERED_OCTETS = 64
"""Values of up to this length, of which there are few different ones, are remembered."""


def read_domain(value: bytes) -> Domain | None:
    """Read what stands after `Content-Transfer-Encoding:`; None for an encoding that nobody knows."""
    position = 0
    while match := _ENCODING_TOKEN.match(value, position):
        position = match.end()
        blanks, comment, _, _, word = match.groups()
        if comment:
            position = _end_of_comment(value, position)
        elif not blanks:
            return _DOMAINS.get(word.lower()) if word else None
    return None


def _next_parameter(value: bytes, position: int) -> tuple[int, list[_Token]]:
    """Read up to the next semicolon, or to the end; the first few tokens are returned."""
    tokens: list[_Token] = []
    while match := _TYPE_TOKEN.match(value, position):
        position = match.end()
        _, semicolon, comment, quoted, special, word = match.groups()
        if semicolon:
            break
        if comment:
            position = _end_of_comment(value, position)
        elif len(tokens) < _TOKENS_LIMIT:
            if quoted is not None:
                tokens.append(_Token(_unquote(quoted), _Form.QUOTED))
            elif special:
                tokens.append(_Token(special, _Form.SPECIAL))
            elif word:
                tokens.append(_Token(word, _Form.WORD))
    return position, tokens


def _word(tokens: list[_Token], index: int) -> bytes:
    """The word at `index` in lower case, or nothing where something else stands."""
    return tokens[index].text.lower() if tokens[index].form is _Form.WORD else b""


def _unquote(text: bytes) -> bytes:
    """Undo quoted pairs and folding.  Blanks before a line break go away with it, blanks after it stay."""
    if b"\\" not in text and b"\n" not in text:
        return text
    out = bytearray()
    position = 0
    for match in _FOLD_OR_PAIR.finditer(text):
        out += text[position : match.start()]
        position = match.end()
        if match[1] is not None:
            out += match[1]
        else:
            while out and out[-1] in _BLANKS:
                out.pop()
    return bytes(out + text[position:])


def _end_of_comment(value: bytes, position: int) -> int:
    """Where the comment that began just before `position` is over; comments nest."""
    depth = 1
    for match in _COMMENT_MARK.finditer(value, position):
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if not depth:
                return match.end()
    return len(value)
