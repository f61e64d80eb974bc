r"""Tables of patterns: `regexp:/path` and `pcre:/path`, or with their rules in braces.

Rules are tried in their order, each on the whole key (regexp_table(5), pcre_table(5))::

    /pattern/flags  text       the text, with $1 for the first group
    !/pattern/flags text       where the pattern does not match
    if /pattern/flags          the rules up to endif only where it matches; `if !` where it does not
    endif

Any character that is no letter, digit, blank or `!` will do for the slash.  A `regexp` rule may add a second condition,
`/one/!/other/ text`.  Case does not count unless the flag `i` turns that off; every flag turns its default round: for
`regexp` i and m, for `pcre` i s m x A E U.  X is ignored, as it is today in Postfix.

A rule that makes no sense is warned of and ignored.  A rule that Postfix would follow and this cannot is
`WrongConfiguration` with its place, since to leave it out would change what the others mean.  A match that needs too many
steps is `TableTrouble` (Postfix goes on to the next rule): what a stranger wrote may not choose which rule is left out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Final, NamedTuple

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.logical_lines import BLANKS, LogicalLine, quote_beginning
from mailrider.tables.matching import Engine, MatchTrouble, PcreEngine, PosixEngine
from mailrider.tables.posix_syntax import Malformed, Unsupported
from mailrider.tables.source import TextTable, key_octets
from mailrider.tables.template import Template, WrongTemplate, parse_template

RULES_LIMIT: Final = 100_000
"""Every rule costs time on every lookup; a table of so many patterns is something else."""


class WrongRule(ValueError):
    """The rule is to be ignored; the message says why."""


class Condition(NamedTuple):
    """A pattern, and whether it has to match or must not."""

    engine: Engine
    wanted: bool

    def holds(self, subject: bytes) -> tuple[bytes, ...] | None:
        """The groups where the condition holds (none of a pattern that must not match), else None."""
        groups = self.engine.match(subject)
        if self.wanted:
            return groups
        return () if groups is None else None


class MatchRule(NamedTuple):
    """`/pattern/ text`."""

    line: int
    condition: Condition
    second: Condition | None
    template: Template


class IfRule(NamedTuple):
    """`if /pattern/`; the rules up to `end` are its own."""

    line: int
    condition: Condition
    end: int


Rule = MatchRule | IfRule


class PatternTable(TextTable[list[Rule]]):
    """What both kinds have in common."""

    is_pattern = True

    def _look_up(self, rules: list[Rule], key: str) -> str | None:
        subject = key_octets(self.title, key)
        position = 0
        while position < len(rules):
            rule = rules[position]
            position += 1
            try:
                groups = rule.condition.holds(subject)
                if isinstance(rule, IfRule):
                    position = position if groups is not None else rule.end
                elif groups is not None and (rule.second is None or rule.second.holds(subject) is not None):
                    return rule.template.fill(tuple([group.decode("utf-8", "surrogateescape") for group in groups]))
            except MatchTrouble as trouble:
                raise TableTrouble(f"{self._place(rule.line)}: {trouble}") from None
        return None

    def _parse(self, lines: list[LogicalLine]) -> list[Rule]:
        rules: list[Rule] = []
        unfinished: list[int] = []
        for number, line in lines:
            try:
                self._parse_rule(line.rstrip(BLANKS), number, rules, unfinished)
            except (WrongRule, WrongTemplate, Malformed) as trouble:
                self._warn(f"{self._place(number)}: ignored: {trouble}")
            except Unsupported as trouble:
                raise WrongConfiguration(f"{self._place(number)}: not supported: {trouble}") from None
            if len(rules) > RULES_LIMIT:
                raise WrongConfiguration(f"{self.title}: more than {RULES_LIMIT} rules")
        while unfinished:
            # Where such a condition does not hold, no rule is left to try.
            self._end_if(rules, unfinished)
            self._warn(f"{self._place(rules[unfinished.pop()].line)}: if without endif")
        return rules

    def _parse_rule(self, line: str, number: int, rules: list[Rule], unfinished: list[int]) -> None:
        if not _is_alphanumeric(line[0]):
            rules.append(self._parse_match(line, number))
        elif _begins_with(line, "if"):
            condition, rest = self._parse_condition(line[2:])
            if rest.strip(BLANKS):
                self._warn(f"{self._place(number)}: ignored text after if: {quote_beginning(rest.strip(BLANKS))}")
            unfinished.append(len(rules))
            rules.append(IfRule(number, condition, 0))
        elif _begins_with(line, "endif"):
            if not unfinished:
                raise WrongRule("endif without if")
            self._end_if(rules, unfinished)
            unfinished.pop()
            if line[5:].strip(BLANKS):
                self._warn(f"{self._place(number)}: ignored text after endif")
        else:
            raise WrongRule(f"{quote_beginning(line)} is neither a pattern nor if nor endif")

    @staticmethod
    def _end_if(rules: list[Rule], unfinished: list[int]) -> None:
        """The innermost `if` that has no end ends here."""
        rule = rules[unfinished[-1]]
        assert isinstance(rule, IfRule)
        rules[unfinished[-1]] = rule._replace(end=len(rules))

    def _parse_match(self, line: str, number: int) -> MatchRule:
        condition, rest = self._parse_condition(line)
        second = None
        if rest.startswith("!"):
            second, rest = self._parse_condition(rest)
        text = rest.lstrip(BLANKS)
        if not text:
            self._warn(f"{self._place(number)}: no text after the pattern: an empty one is used")
        template = parse_template(text)
        if template.largest and not condition.wanted:
            raise WrongRule("a pattern that must not match has no groups")
        if template.largest > condition.engine.groups:
            raise WrongRule(f"the pattern has no group {template.largest}")
        return MatchRule(number, condition, second, template)

    def _parse_condition(self, text: str) -> tuple[Condition, str]:
        """`!/pattern/flags` at the beginning, and what follows."""
        delimited = text.lstrip(BLANKS + "!")
        wanted = text[: len(text) - len(delimited)].count("!") % 2 == 0
        if not delimited:
            raise WrongRule("no pattern")
        delimiter, end = delimited[0], 1
        while delimited[end : end + 1] != delimiter:
            end += 2 if delimited[end : end + 1] == "\\" else 1
            if end >= len(delimited):
                raise WrongRule(f"no second {delimiter} to end the pattern")
        pattern = delimited[1:end].encode("utf-8", "surrogateescape")
        flags, rest = self._split_flags(delimited[end + 1 :])
        return Condition(self._compile(pattern, flags), wanted), rest

    def _split_flags(self, text: str) -> tuple[str, str]:
        stop = next((index for index, letter in enumerate(text) if letter in BLANKS), len(text))
        return text[:stop], text[stop:]

    @abstractmethod
    def _compile(self, pattern: bytes, flags: str) -> Engine:
        """Make a pattern ready; raises `WrongRule`, `Malformed` and `Unsupported`."""


class RegexpTable(PatternTable):
    """`regexp:`."""

    kind = "regexp"

    def _split_flags(self, text: str) -> tuple[str, str]:
        # A second pattern may follow at once.
        stop = next((index for index, letter in enumerate(text) if letter in BLANKS + "!"), len(text))
        return text[:stop], text[stop:]

    def _compile(self, pattern: bytes, flags: str) -> Engine:
        is_on = _read_flags(flags, "imx")
        if is_on("x"):
            raise Unsupported("basic regular expressions (flag x); write it as an extended one")
        return PosixEngine(pattern, ignore_case=not is_on("i"), newline=is_on("m"))


class PcreTable(PatternTable):
    """`pcre:`."""

    kind = "pcre"

    def _compile(self, pattern: bytes, flags: str) -> Engine:
        is_on = _read_flags(flags, "imsxAEUX")
        return PcreEngine(
            pattern,
            ignore_case=not is_on("i"),
            dot_all=not is_on("s"),
            multiline=is_on("m"),
            extended=is_on("x"),
            anchored=is_on("A"),
            dollar_end_only=is_on("E"),
            ungreedy=is_on("U"),
        )


def _read_flags(flags: str, known: str) -> Callable[[str], bool]:
    """Whether a flag is given an odd number of times."""
    for flag in flags:
        if flag not in known:
            raise WrongRule(f"unknown flag {flag!r} after the pattern")
    return lambda flag: flags.count(flag) % 2 == 1


def _is_alphanumeric(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _begins_with(line: str, word: str) -> bool:
    """Whether the line begins with this word, in any case, and not with a longer one."""
    following = line[len(word) : len(word) + 1]
    return line[: len(word)].lower() == word and not _is_alphanumeric(following)
