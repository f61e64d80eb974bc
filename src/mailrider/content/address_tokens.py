"""The words and signs of an address header (RFC 5322 §3.4), and the forms of an address.

smtp(8) reads address headers more loosely than any RFC, and it throws nothing away: `tokenize` never fails, and what it does
not understand comes out again as it went in.  Comments keep their outside form, quoted strings and domain literals lose
their quoting, and line breaks inside them become blanks.  A backslash quotes the next character anywhere.

All of it works on octets, and 8-bit octets are ordinary characters; time is proportional to the length.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import NamedTuple


class Sort(enum.Enum):
    """What a token is."""

    WORD = 1
    QUOTED = 2
    COMMENT = 3
    LITERAL = 4
    SIGN = 5
    ADDRESS = 6
    GROUP = 7


class Token(NamedTuple):
    """A token; `text` is without its quotes or brackets, and for a sign the sign.

    An ADDRESS is made of several others; its text is its outside form.  GROUP is the colon that begins a group.
    """

    sort: Sort
    text: bytes


_SPECIAL = rb"|%!()<>@,;:\\\".\[\]"
_TOKEN = re.compile(
    rb'([ \t\r\n]++)|(\()|\[((?:[^\]\\]|\\.)*+)(?:\]|\\?\Z)|"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)'
    rb"|([|%!)<>@,;:.\]])|((?:[^ \t\r\n" + _SPECIAL + rb"]++|\\.)*+)(\\\Z)?",
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"\\.|[()]", re.DOTALL)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_NEEDS_QUOTES = re.compile(rb"[\x00-\x20\x7f" + _SPECIAL + rb"]")
_BLANKS_TO_SPACE = bytes.maketrans(b"\t\r\n", b"   ")


def tokenize(text: bytes) -> list[Token]:
    """Cut a header's value, or an address in its outside form, into tokens."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        position = match.end()
        blanks, comment, literal, quoted, sign, word, _ = match.groups()
        if blanks:
            continue
        if comment:
            end = _end_of_comment(text, position)
            tokens.append(Token(Sort.COMMENT, text[position - 1 : end]))
            position = end
        elif literal is not None:
            tokens.append(Token(Sort.LITERAL, _unquote_pairs(literal)))
        elif quoted is not None:
            tokens.append(Token(Sort.QUOTED, _unquote_pairs(quoted)))
        elif sign:
            tokens.append(Token(Sort.SIGN, sign))
        else:
            plain = _unquote_pairs(word)
            tokens.append(Token(Sort.QUOTED if _NEEDS_QUOTES.search(plain) else Sort.WORD, plain))
    return tokens


def _unquote_pairs(text: bytes) -> bytes:
    if b"\\" in text:
        text = _PAIR.sub(rb"\1", text)
    return text.translate(_BLANKS_TO_SPACE)


def _end_of_comment(text: bytes, position: int) -> int:
    """Where the comment that began just before `position` is over; comments nest."""
    depth = 1
    for match in _COMMENT_MARK.finditer(text, position):
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if not depth:
                return match.end()
    return len(text)


_THINGS = (Sort.WORD, Sort.QUOTED, Sort.COMMENT, Sort.LITERAL, Sort.ADDRESS)


def needs_space(token: Token, following: Token | None) -> bool:
    """Whether a blank goes between two tokens."""
    if following is None:
        return False
    if token.sort is Sort.GROUP or token == COMMA or following == OPENING:
        return True
    return token.sort in _THINGS and following.sort in _THINGS


COMMA = Token(Sort.SIGN, b",")
OPENING = Token(Sort.SIGN, b"<")
CLOSING = Token(Sort.SIGN, b">")
COLON = Token(Sort.SIGN, b":")
SEMICOLON = Token(Sort.SIGN, b";")
AT = Token(Sort.SIGN, b"@")


def join_inside(tokens: Sequence[Token], *, spaced: bool) -> bytes:
    """The inside form of an address.  `spaced` puts blanks between words, so that they stay apart."""
    out = bytearray()
    for index, token in enumerate(tokens):
        out += b"[" + token.text + b"]" if token.sort is Sort.LITERAL else token.text
        if spaced and needs_space(token, tokens[index + 1] if index + 1 < len(tokens) else None):
            out += b" "
    return bytes(out)


_ATOM = rb"[^\x00-\x20\x7f" + _SPECIAL + rb"]++"
_DOT_ATOM = _ATOM + rb"(?:\." + _ATOM + rb")*+"
_PLAIN_ADDRESS = re.compile(_DOT_ATOM + rb"@" + _ATOM + rb"(?:\." + _ATOM + rb")++")


def is_plain(address: bytes) -> bool:
    """Whether this is `a.b@c.d` and nothing else: the same inside and outside, with nothing to complete."""
    return _PLAIN_ADDRESS.fullmatch(address) is not None


_NO_DOT_STRING = re.compile(rb"\A\Z|\A\.|\.\Z|\.\.|[\x00-\x20\x7f()<>@,;:\\\"\[\]]")
_QUOTE_IN_STRING = re.compile(rb'(["\\\r])')


def quote_address(address: bytes) -> bytes:
    """Inside form to outside form (RFC 5322 §3.4.1).  A source route in front is left alone."""
    start = address.find(b":") + 1 if address.startswith(b"@") else 0
    at = address.rfind(b"@", start)
    end = at if at >= 0 else len(address)
    return address[:start] + quote_local_part(address[start:end]) + address[end:]


def quote_local_part(local: bytes) -> bytes:
    """The same for a local part alone."""
    if _NO_DOT_STRING.search(local):
        return b'"' + _QUOTE_IN_STRING.sub(rb"\\\1", local) + b'"'
    return local


def unquote_address(address: bytes) -> bytes:
    """Outside form to inside form.  A source route, and what follows the last `@` outside of quotes, are left alone."""
    start = address.find(b":") + 1 if address.startswith(b"@") else 0
    out = bytearray()
    position = start
    domain = kept_octets = -1
    in_quotes = False
    for match in _UNQUOTE_MARK.finditer(address, start):
        out += address[position : match.start()]
        position = match.end()
        mark = match[0]
        if mark == b'"':
            in_quotes = not in_quotes
        elif mark == b"@":
            if not in_quotes:
                domain, kept_octets = match.start(), len(out)
            out += mark
        else:
            out += mark[1:]
    if domain >= 0:
        return address[:start] + bytes(out[:kept_octets]) + address[domain:]
    return address[:start] + bytes(out + address[position:])


_UNQUOTE_MARK = re.compile(rb'\\.|\\\Z|["@]', re.DOTALL)
