"""Address headers as lists of addresses: taking them apart, putting them together again (RFC 5322 §3.6).

`find_addresses` marks what an address is among the tokens of a header, from right to left, as smtp(8) does it:

* an address is what stands between `<` and `>`, or words joined by signs (`a@b.c`, `a!b`, `a%b`);
* two words side by side are two addresses, with a comma put between them;
* the words in front of `<` are a phrase, and so is what stands in front of the colon of a group;
* a comment within an address goes behind it.

Nothing is thrown away, so there is no header that cannot be taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mailrider.content.address_tokens import (
    CLOSING,
    COLON,
    COMMA,
    OPENING,
    SEMICOLON,
    Sort,
    Token,
    needs_space,
)

Element = Token | list[Token]
"""A token, or the tokens that make an address."""

FOLD_OCTETS = 70
"""A rewritten header is folded between addresses so that lines are shorter than this."""

NOISE_LIMIT_OCTETS = 250
"""More than this around one address (comments, phrases) is dropped: old Sendmails overflow (CERT CA-2003-07)."""

_GROUP = Token(Sort.GROUP, b":")
_ENDS_PHRASE = (CLOSING, SEMICOLON, COMMA, COLON)
_WORDS = (Sort.WORD, Sort.QUOTED, Sort.LITERAL)


class _Finder:
    """The state of one pass from right to left; `out` grows from right to left too."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.out: list[Element] = []
        self._tokens = tokens
        self._index = len(tokens) - 1
        self._pending: list[Token] = []  # the address that is being collected
        self._word_may_follow = True  # else another word would begin another address
        self._in_group = False

    def run(self) -> None:
        while self._index >= 0:
            token = self._tokens[self._index]
            self._index -= 1
            if token.sort is Sort.COMMENT:
                self.out.append(token)
            elif token == SEMICOLON:
                self._close(with_comma=True)
                self.out.append(token)
                self._in_group = self._word_may_follow = True
            elif token == COLON and self._in_group:
                self._close(with_comma=False)
                self.out.append(_GROUP)
                self._copy_until((COMMA,))
            elif token == CLOSING:
                self._take_brackets()
            elif token.sort in _WORDS:
                self._take_word(token)
            elif token == COMMA:
                self._close(with_comma=False)
                self.out.append(token)
                self._word_may_follow = True
            else:
                self._pending.append(token)
                self._word_may_follow = True
        self._close(with_comma=False)

    def _take_word(self, token: Token) -> None:
        if not self._word_may_follow:
            self._close(with_comma=True)
        self._pending.append(token)
        self._word_may_follow = False

    def _take_brackets(self) -> None:
        """Behind `>`: what comes up to `<` is an address, and what is in front of that a phrase."""
        self._close(with_comma=True)
        self.out.append(CLOSING)
        while self._index >= 0 and self._tokens[self._index] != OPENING:
            token = self._tokens[self._index]
            self._index -= 1
            (self.out if token.sort is Sort.COMMENT else self._pending).append(token)
        self._close(with_comma=False)
        self._copy_until(_ENDS_PHRASE)
        self._word_may_follow = True

    def _copy_until(self, ends: tuple[Token, ...]) -> None:
        while self._index >= 0 and self._tokens[self._index] not in ends:
            self.out.append(self._tokens[self._index])
            self._index -= 1

    def _close(self, *, with_comma: bool) -> None:
        """The address that was being collected is complete."""
        if self._pending:
            self.out.append(self._pending[::-1])
            self._pending.clear()
            if with_comma:
                self.out.append(COMMA)


def find_addresses(tokens: Sequence[Token]) -> list[Element]:
    """Put the tokens of each address into a list of their own."""
    finder = _Finder(tokens)
    finder.run()
    finder.out.reverse()
    return finder.out


def write_list(beginning: bytes, tokens: Sequence[Token], warn: Callable[[str], None]) -> bytes:
    """The tokens as the text of a header that begins so, with a line break after each comma."""
    out = bytearray(beginning)
    start = len(out)  # of the text between two commas
    address: Token | None = None
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token == COMMA:
            _drop_noise(out, start, address, warn)
            out += b",\n"
            start, address = len(out), None
            continue
        if token.sort is Sort.ADDRESS:
            address = token
        elif token == OPENING and following == CLOSING:
            address = _NOBODY
        out += outside_form(token)
        if needs_space(token, following):
            out += b" "
    _drop_noise(out, start, address, warn)
    return bytes(out)


_NOBODY = Token(Sort.ADDRESS, b"")
_QUOTE_IN_QUOTED = re.compile(rb'(["\\\r\n])')
_QUOTE_IN_LITERAL = re.compile(rb"([\\\r\n])")


def outside_form(token: Token) -> bytes:
    """A token as it stands in a header."""
    if token.sort is Sort.QUOTED:
        return b'"' + _QUOTE_IN_QUOTED.sub(rb"\\\1", token.text) + b'"'
    if token.sort is Sort.LITERAL:
        return b"[" + _QUOTE_IN_LITERAL.sub(rb"\\\1", token.text) + b"]"
    return token.text


def _drop_noise(out: bytearray, start: int, address: Token | None, warn: Callable[[str], None]) -> None:
    """Reduce an address with too much around it to itself."""
    if address is not None and len(out) - len(address.text) > start + NOISE_LIMIT_OCTETS:
        shown = out[start : start + 100].decode("utf-8", "surrogateescape")
        warn(f"stripping too many comments from address: {shown}...")
        del out[start:]
        out += b"<" + address.text + b">"


def fold_list(text: bytes) -> list[bytes]:
    """Fill the lines of a header that has a line break after each comma, and indent all but the first."""
    lines: list[bytes] = []
    for line in text.split(b"\n"):
        if lines and len(lines[-1]) + 1 + len(line) < FOLD_OCTETS:
            lines[-1] += b" " + line
        else:
            lines.append(line)
    return [line if number == 0 or line.startswith((b" ", b"\t")) else b"\t" + line for number, line in enumerate(lines)]
