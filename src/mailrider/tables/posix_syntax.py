"""POSIX extended regular expressions (regex(7)) as RE2 understands them.

RE2 was chosen because it cannot run away: its time grows with the length of the text and nothing else, while a
backtracking engine, Python's own `re` among them, can be kept busy for ever by one header field.  It also finds the
longest of the leftmost matches, as POSIX wants and as `re` cannot.  `google-re2` is kept by RE2's authors and comes as wheels.

The pattern is octets, as in the C locale in which Postfix runs.  What glibc's regcomp(3) takes is taken, with its
extensions `\\w \\W \\s \\S \\b \\B \\< \\>` and the anchors of the whole text.  What it refuses is `Malformed`; what it takes
and RE2 cannot do is `Unsupported`: back-references, basic syntax, named collating elements, more than 1,000
repetitions.

A backslash before any other letter is no escape: that is the letter, or where case does not count, for a small letter
nothing at all (so `\\d` matches no digit, here as there).

Known faults: `\\<` and `\\>` are both any edge of a word, which differs only where a pattern goes on with something
that is no part of a word.  What a group matched that stands in a repetition which ended with the empty text may differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

REPETITIONS_LIMIT: Final = 1000
"""The most that RE2 repeats."""

POSIX_REPETITIONS_LIMIT: Final = 0x7FFF
"""RE_DUP_MAX of glibc."""

_OCTETS = range(256)
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "blank": lambda letter: letter in " \t",
    "cntrl": lambda letter: letter < " " or letter == "\x7f",
    "digit": str.isdigit,
    "graph": lambda letter: "!" <= letter <= "~",
    "lower": str.islower,
    "print": lambda letter: " " <= letter <= "~",
    "punct": lambda letter: "!" <= letter <= "~" and not letter.isalnum(),
    "space": lambda letter: letter in " \t\n\v\f\r",
    "upper": str.isupper,
    "xdigit": lambda letter: letter in "0123456789abcdefABCDEF",
}
_TOKEN = re.compile(r"\\(?s:.)|(?s:.)")
_INTERVAL = re.compile(r"\{([0-9]*)(?:(,)([0-9]*))?\}")
_NOTHING = "[^\\x00-\\xff]"  # matches nothing, not even the empty text
_WORD_ESCAPES = {"\\w": "\\w", "\\W": "\\W", "\\s": "[\\x09-\\x0d\\x20]", "\\S": "[^\\x09-\\x0d\\x20]"}
_EDGE_ESCAPES = {"\\b": "\\b", "\\B": "\\B", "\\<": "\\b", "\\>": "\\b"}


class Malformed(ValueError):
    """The pattern is wrong for POSIX too."""


class Unsupported(ValueError):
    """The pattern is right, but cannot be followed here."""


class _Translation:
    """One pattern on its way."""

    def __init__(self, pattern: str, *, ignore_case: bool, newline: bool) -> None:
        self._pattern = pattern
        self._ignore_case = ignore_case
        self._newline = newline
        self._position = 0
        self._depth = 0
        self._has_atom = False  # something that a repetition can follow

    def run(self) -> str:
        pieces = []
        while self._position < len(self._pattern):
            pieces.append(self._take())
        if self._depth:
            raise Malformed("unmatched (")
        return "".join(pieces)

    def _take(self) -> str:
        """The translation of what comes next."""
        match = _TOKEN.match(self._pattern, self._position)
        assert match is not None
        token = match[0]
        if token in "*+?{":
            return self._take_repetition(token)
        if token == "[":
            self._has_atom = True
            return self._take_brackets()
        self._position = match.end()
        if token in "^$|(":
            self._has_atom = False
            self._depth += token == "("
            return token
        self._has_atom = True
        if token == ")" and self._depth:
            self._depth -= 1
            return token
        if token == ".":
            return "[^\\n]" if self._newline else token
        if token[0] == "\\":
            return self._translate_escape(token)
        return _quote(token)

    def _take_repetition(self, token: str) -> str:
        if not self._has_atom:
            raise Malformed(f"nothing before {token} to repeat")
        if token != "{":
            self._position += 1
            return token
        match = _INTERVAL.match(self._pattern, self._position)
        if match is None or not (match[1] or match[2]):
            raise Malformed("{ without numbers and a }")
        self._position = match.end()
        least = int(match[1] or "0") if len(match[1]) < 7 else POSIX_REPETITIONS_LIMIT + 1
        bound = match[1] if match[2] is None else match[3]
        most = None if not bound else int(bound) if len(bound) < 7 else POSIX_REPETITIONS_LIMIT + 1
        if max(least, most or 0) > POSIX_REPETITIONS_LIMIT or (most is not None and most < least):
            raise Malformed(f"{match[0]} is no number of repetitions")
        if max(least, most or 0) > REPETITIONS_LIMIT:
            raise Unsupported(f"more than {REPETITIONS_LIMIT} repetitions")
        return f"{{{least}}}" if match[2] is None else f"{{{least},{'' if most is None else most}}}"

    def _translate_escape(self, token: str) -> str:
        if len(token) < 2:
            raise Malformed("backslash at the end")
        if token in _WORD_ESCAPES:
            return _WORD_ESCAPES[token]
        if token in _EDGE_ESCAPES:
            self._has_atom = False
            return _EDGE_ESCAPES[token]
        if token in ("\\`", "\\'"):
            self._has_atom = False
            if self._newline:
                raise Unsupported(f"{token} together with the option m")
            return "^" if token == "\\`" else "$"
        if token[1] in "123456789":
            raise Unsupported(f"back-reference {token}")
        if self._ignore_case and "a" <= token[1] <= "z":
            # glibc compares in capital letters, and forgets to make one of the letter after a backslash.
            return _NOTHING
        return _quote(token[1])

    def _take_brackets(self) -> str:
        """A bracket expression, as the set of octets that it means."""
        position = self._position + 1
        negated = self._pattern.startswith("^", position)
        position += negated
        members: set[int] = set()
        first = True
        while first or not self._pattern.startswith("]", position):
            first = False
            position = self._take_member(position, members)
        self._position = position + 1
        if self._ignore_case:
            members = {octet for octet in _OCTETS if _fold(octet) in {_fold(member) for member in members}}
        if negated:
            members = set(_OCTETS) - members - ({10} if self._newline else set())
        if not members:
            return _NOTHING
        return f"[{''.join(_ranges(members))}]"

    def _take_member(self, position: int, members: set[int]) -> int:
        """Add one member of a bracket expression, a class or a range or an octet; where the next one begins."""
        pattern = self._pattern
        if pattern.startswith("[:", position):
            end = pattern.find(":]", position + 2)
            name = pattern[position + 2 : end] if end >= 0 else ""
            if name not in _CLASSES:
                raise Malformed(f"there is no character class [:{name[:20]}:]")
            if self._ignore_case and name in ("lower", "upper"):
                name = "alpha"
            members |= {octet for octet in range(128) if _CLASSES[name](chr(octet))}
            if pattern.startswith("-", end + 2) and not pattern.startswith("-]", end + 2):
                raise Malformed("a character class cannot begin a range")
            return end + 2
        low, position = self._take_element(position)
        if not pattern.startswith("-", position) or pattern.startswith("-]", position):
            members.add(low)
            return position
        if pattern.startswith("[:", position + 1):
            raise Malformed("a character class cannot end a range")
        high, end = self._take_element(position + 1)
        if self._ignore_case:
            low, high = _fold(low), _fold(high)
        if low > high:
            raise Malformed("a range runs backwards")
        if pattern.startswith("-", end) and not pattern.startswith("-]", end):
            raise Malformed("the end of a range cannot begin another")
        members |= set(range(low, high + 1))
        return end

    def _take_element(self, position: int) -> tuple[int, int]:
        """One octet of a bracket expression, also as `[.x.]` or `[=x=]`, and where the next one begins."""
        pattern = self._pattern
        for mark in ".=":
            if pattern.startswith("[" + mark, position):
                end = pattern.find(mark + "]", position + 2)
                if end < 0:
                    raise Malformed("unmatched [")
                if end != position + 3:
                    raise Unsupported(f"the collating element {pattern[position : end + 2][:20]}")
                return ord(pattern[position + 2]), end + 2
        if position >= len(pattern):
            raise Malformed("unmatched [")
        return ord(pattern[position]), position + 1


def _quote(letter: str) -> str:
    return letter if letter.isascii() and letter.isalnum() else f"\\x{ord(letter):02x}"


def _fold(octet: int) -> int:
    """The capital letter, as glibc compares where case does not count."""
    return octet - 32 if 97 <= octet <= 122 else octet


def _ranges(members: set[int]) -> Iterator[str]:
    start: int | None = None
    for octet in range(257):
        if octet in members:
            start = octet if start is None else start
        elif start is not None:
            yield f"\\x{start:02x}-\\x{octet - 1:02x}"
            start = None


def translate_posix(pattern: bytes, *, ignore_case: bool, newline: bool) -> bytes:
    """An extended regular expression as RE2 writes it, for its options `posix_syntax` and `encoding=LATIN1`.

    `newline` is REG_NEWLINE: `.` and `[^...]` leave out the line feed, `^` and `$` match around it.
    """
    translation = _Translation(pattern.decode("latin-1"), ignore_case=ignore_case, newline=newline)
    return translation.run().encode("latin-1")
