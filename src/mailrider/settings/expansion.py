"""Expansion of `$name` and its relatives in parameter values (postconf(5), "main.cf file format").

Understood are `$name`, `${name}`, `$(name)`, `$$`, `${name?text}`, `${name:text}`, `${name?{text}:{text}}`,
`${{text} op {text}}`, the same followed by `?` and `:`, the compatibility level operators (`<level` and so on), and
`${domain_to_ascii{text}}` / `${domain_to_utf8{text}}` of Postfix 3.11.  Text without braces after `?` or `:` runs to the end of
the reference, so `${a?b:c}` has no else branch.  A name that nobody defined is empty.

`expand` promises to end: it counts nesting, characters read and characters written, and refuses what goes past
the named limits below.

Known fault: each side of a comparison counts one level deeper here, while Postfix starts again at zero and so runs out of
stack for a parameter that compares itself with something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mailrider.errors import WrongConfiguration

NESTING_LIMIT = 100
"""How deep references may refer on; the number is Postfix's."""

WORK_LIMIT_CHARACTERS = 1 << 22
"""Characters that one expansion may read: `a = $b$b`, `b = $c$c`, ... doubles with each line."""

REFERENCE_COST_CHARACTERS = 100
"""What a reference costs beside the text it stands for, so that short ones are counted at what they take."""

RESULT_LIMIT_CHARACTERS = 1 << 20
"""Characters that one expansion may write; no table specification or list comes near it."""

DIGITS_LIMIT = 18
"""Digits of a number that is compared: more do not fit a C long, which Postfix refuses too."""

Lookup = Callable[[str], str | None]
"""The unexpanded value of a name, or None where there is none."""

# Patterns are compiled by `re` on first use: most commands use few of them.
_REFERENCE = r"\$\$|\$[({]?[ \t\r\n]*([A-Za-z0-9_]+)"
_BRACES = r"[{}]"
_PARENTHESES = r"[()]"
_LEVEL = r"[ \t\r\n]*\+?([0-9]{1,9})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?"
_LEVEL_PART_LIMIT = 1023
"""Postfix keeps the second and third part of a level in 10 bits each."""

_BLANKS = " \t\r\n"
_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME = _ALPHANUMERIC | {"_"}
_OPERATOR = frozenset("<>!=?+-*/~&|%")

_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "==": lambda delta: delta == 0,
    "!=": lambda delta: delta != 0,
    "<": lambda delta: delta < 0,
    "<=": lambda delta: delta <= 0,
    ">": lambda delta: delta > 0,
    ">=": lambda delta: delta >= 0,
}


def expand(text: str, lookup: Lookup) -> str:
    """Return `text` with every reference replaced, recursively.

    Raises `WrongConfiguration` for a malformed reference and for what grows past a limit.
    """
    if "$" not in text:
        return text
    return _Expansion(lookup).expand(text, 0)


def find_references(text: str) -> Iterator[str]:
    """Names that `text` may refer to, in any form; never raises."""
    for match in re.finditer(_REFERENCE, text):
        if match[1]:
            yield match[1]


def parse_level(text: str) -> tuple[int, int, int]:
    """A compatibility level (`2`, `3.6`, `3.10.1`) as numbers; raises `WrongConfiguration`.

    Blanks in front of it are allowed and those behind it are not, as in Postfix.
    """
    match = re.fullmatch(_LEVEL, text)
    if not match:
        raise WrongConfiguration(f'malformed compatibility level "{_shorten(text)}"')
    major, minor, patch = (int(part or 0) for part in match.groups())
    if minor > _LEVEL_PART_LIMIT or patch > _LEVEL_PART_LIMIT:
        raise WrongConfiguration(f'malformed compatibility level "{_shorten(text)}"')
    return major, minor, patch


def _shorten(text: str, limit: int = 40) -> str:
    """The beginning of `text` for an error message."""
    return text if len(text) <= limit else text[:limit] + "..."


def _skip(text: str, position: int, characters: frozenset[str] | str = _BLANKS) -> int:
    """Index of the first character at or after `position` that is none of `characters`."""
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _find_end(text: str, position: int, brackets: str, opening: str) -> int:
    """Index of the bracket that closes the one before `position`, or -1."""
    level = 1
    for match in re.compile(brackets).finditer(text, position):
        level += 1 if match[0] == opening else -1
        if level == 0:
            return match.start()
    return -1


def _take_group(text: str, position: int) -> tuple[str, int]:
    """The text between the brace at `position` and its partner, and the index after it and any blanks."""
    end = _find_end(text, position + 1, _BRACES, "{")
    if end < 0:
        raise WrongConfiguration(f'unbalanced {{}} in "{_shorten(text[position:])}"')
    return text[position + 1 : end], _skip(text, end + 1)


def _take_operand(text: str, position: int) -> tuple[str, int]:
    """What follows `?` or `:`: a group in braces, or else everything."""
    start = _skip(text, position)
    if text[start : start + 1] == "{":
        return _take_group(text, start)
    return text[position:], len(text)


def _compare(left: str, operator: str, right: str) -> bool:
    """Compare as numbers where both sides are digits, else byte for byte."""
    if left.isascii() and right.isascii() and left.isdigit() and right.isdigit():
        if max(len(left), len(right)) > DIGITS_LIMIT:
            raise WrongConfiguration(f'"{_shorten(max(left, right, key=len))}" is too large to be compared')
        delta = int(left) - int(right)
    else:
        one, other = left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
        delta = (one > other) - (one < other)
    return _COMPARISONS[operator](delta)


def _compare_levels(left: str, operator: str, right: str) -> bool:
    """Compare compatibility levels part by part: 3.10 is above 3.9."""
    one, other = parse_level(left), parse_level(right)
    return _COMPARISONS[operator]((one > other) - (one < other))


def _call_function(name: str, argument: str) -> str:
    """`domain_to_ascii` and `domain_to_utf8` (UTS 46, non-transitional)."""
    if name not in ("domain_to_ascii", "domain_to_utf8"):
        raise WrongConfiguration(f'unknown function "{_shorten(name)}"')
    if argument.isascii() == (name == "domain_to_ascii"):
        return argument
    import idna

    try:
        if name == "domain_to_ascii":
            return idna.encode(argument, uts46=True, transitional=False).decode("ascii")
        return idna.decode(argument, uts46=True)
    except UnicodeError as error:
        raise WrongConfiguration(f'"{_shorten(argument)}" is no domain name: {error}') from None


class _Expansion:
    """One call of `expand` with what it has used up so far."""

    __slots__ = ("lookup", "read", "written")

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.read = 0
        self.written = 0

    def expand(self, text: str, level: int) -> str:
        """Replace the references in `text`; `level` counts how deep we are."""
        if not text:
            return ""
        self._charge(text, level)
        pieces: list[str] = []
        position = 0
        while True:
            dollar = text.find("$", position)
            if dollar < 0:
                pieces.append(self._write(text[position:]))
                return "".join(pieces)
            pieces.append(self._write(text[position:dollar]))
            if text[dollar + 1 : dollar + 2] == "$":
                pieces.append(self._write("$"))
                position = dollar + 2
                continue
            reference, position = self._take_reference(text, dollar + 1)
            pieces.append(self._evaluate(reference, level))

    def _charge(self, text: str, level: int) -> None:
        """Refuse to go on where a limit is passed."""
        if level > NESTING_LIMIT:
            raise WrongConfiguration(f'unreasonable macro call nesting: "{_shorten(text)}"')
        self.read += len(text) + REFERENCE_COST_CHARACTERS
        if self.read > WORK_LIMIT_CHARACTERS:
            raise WrongConfiguration("its references multiply without end")

    def _write(self, text: str) -> str:
        self.written += len(text)
        if self.written > RESULT_LIMIT_CHARACTERS:
            raise WrongConfiguration(f"it expands to more than {RESULT_LIMIT_CHARACTERS} characters")
        return text

    @staticmethod
    def _take_reference(text: str, position: int) -> tuple[str, int]:
        """What stands after a dollar sign, without its brackets, and the index after it."""
        opening = text[position : position + 1]
        if opening == "{" or opening == "(":
            brackets = _BRACES if opening == "{" else _PARENTHESES
            end = _find_end(text, position + 1, brackets, opening)
            if end < 0:
                raise WrongConfiguration(f'truncated macro reference: "{_shorten(text[position - 1 :])}"')
            reference, after = text[position + 1 : end], end + 1
        else:
            after = _skip(text, position, _NAME)
            reference = text[position:after]
        if not reference:
            raise WrongConfiguration(f'empty macro name in "{_shorten(text[position - 1 :])}"; write $$ for a dollar sign')
        return reference, after

    def _evaluate(self, reference: str, level: int) -> str:
        """The text that one reference stands for."""
        position = _skip(reference, 0)
        if reference[position : position + 1] == "{":
            truth, position = self._evaluate_comparison(reference, position, level)
            value: str | None = "true" if truth else ""
            operator = reference[position : position + 1]
            if operator and operator not in "?:":
                raise WrongConfiguration(f'"?" or ":" expected at "{_shorten(reference[position:])}"')
            position += 1
        else:
            name, operator, position = self._take_name(reference, position)
            if operator == "{":
                return self._evaluate_function(name, reference, position, level)
            value = self.lookup(name)
        if not operator:
            return self.expand(value, level + 1) if value else ""
        return self._choose(bool(value), operator, reference, position, level)

    @staticmethod
    def _take_name(reference: str, position: int) -> tuple[str, str, int]:
        """The parameter or function name, what follows it (`?`, `:`, `{` or nothing) and the index after that."""
        end = _skip(reference, position, _NAME)
        after = _skip(reference, end)
        operator = reference[after : after + 1]
        if operator not in ("", "?", ":", "{"):
            raise WrongConfiguration(f'malformed parameter name at "{_shorten(reference[end:])}"')
        return reference[position:end], operator, after if operator == "{" else after + 1

    def _choose(self, truth: bool, operator: str, reference: str, position: int, level: int) -> str:
        """`?text`, `:text` and `?{text}:{text}`, from after the operator."""
        result = ""
        if operator == "?":
            chosen, position = _take_operand(reference, position)
            if truth:
                result = self.expand(chosen, level + 1)
            if position >= len(reference):
                return result
            if reference[position] != ":":
                raise WrongConfiguration(f'":" expected at "{_shorten(reference[position:])}"')
            position += 1
        chosen, position = _take_operand(reference, position)
        if position < len(reference):
            raise WrongConfiguration(f'unexpected text at "{_shorten(reference[position:])}"')
        return result if truth else self.expand(chosen, level + 1)

    def _evaluate_comparison(self, reference: str, position: int, level: int) -> tuple[bool, int]:
        """`{text} op {text}`, and the index after it."""
        left, position = _take_group(reference, position)
        operator = reference[position : _skip(reference, position, _OPERATOR)]
        if operator not in _COMPARISONS:
            wanted = ", ".join(_COMPARISONS)
            raise WrongConfiguration(f'one of {wanted} expected at "{_shorten(reference[position:])}"')
        position += len(operator)
        suffix = reference[position : _skip(reference, position, _ALPHANUMERIC)]
        if suffix not in ("", "level"):
            raise WrongConfiguration(f'unknown operator "{operator}{_shorten(suffix)}"')
        position = _skip(reference, position + len(suffix))
        if reference[position : position + 1] != "{":
            raise WrongConfiguration(f'"{{text}}" expected at "{_shorten(reference[position:])}"')
        right, position = _take_group(reference, position)
        compare = _compare_levels if suffix else _compare
        return compare(self.expand(left, level + 1), operator, self.expand(right, level + 1)), position

    def _evaluate_function(self, name: str, reference: str, position: int, level: int) -> str:
        """`name{text}` with `position` at the brace."""
        argument, position = _take_group(reference, position)
        if position < len(reference):
            raise WrongConfiguration(f'unexpected text at "{_shorten(reference[position:])}"')
        return self._write(_call_function(name, self.expand(argument.strip(_BLANKS), level + 1)))
