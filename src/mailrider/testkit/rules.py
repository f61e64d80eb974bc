"""What a scripted server does otherwise than a friendly one, as data.

A rule says *when* (at which moment, on which command, the how-manieth time, on which connection) and *what* (wait, say
something, then go on or end in one of several bad ways).  The first rule that fits wins; where none fits, the server is
friendly.

    Rule(match="^RCPT TO:<nobody@", reply="550 5.1.1 no such user")
    Rule(match="^MAIL", nth=2, reply="421 4.3.2 tired", then="close")
    Rule(on="greeting", then="silence")
    Rule(on="data", after_octets=1000, then="reset")
    Rule(on="dot", replies=(None, "450 4.2.2 full"))        # LMTP: the default for the first recipient, then this
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from mailrider.errors import WrongUsage

Moment = Literal["greeting", "command", "data", "dot"]
Afterwards = Literal["go on", "close", "reset", "silence", "stall"]

Numbers = int | Container[int] | None
"""Which of the counted things are meant: one of them, any container of numbers such as `range(2, 5)`, or all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One exception from friendliness.

    When: `on` is the moment (`data`: once `after_octets` of the content, still dot-stuffed, have come; `dot`: the end of
    the content, BDAT LAST included); `match` a regular expression searched for in the command line, at the end of the
    content in its recipients with a blank between them, without regard to case; `nth` counts the times this rule would fit
    on one connection, `nth_total` those on all, `connection` the connections, all from 1.

    What: wait `delay_seconds`; then say `reply` (a line, or the lines of one reply, each with its code), or the octets of `raw`
    as they are, or for LMTP `replies`, one for each accepted recipient, None meaning the default; then do what `then`
    says.  `silence` never answers again but goes on reading, `stall` does not even read, `reset` ends the connection with
    a TCP reset.  A rule without words gives the default reply when it goes on, else none.  `short`: the recipients
    after the last of `replies` get none.

    Raises `WrongUsage` where the parts do not fit together.
    """

    on: Moment = "command"
    match: str = ""
    after_octets: int = 0
    nth: Numbers = None
    nth_total: Numbers = None
    connection: Numbers = None
    delay_seconds: float = 0.0
    reply: str | tuple[str, ...] | None = None
    raw: bytes | None = None
    replies: tuple[str | None, ...] = ()
    short: bool = False
    then: Afterwards = "go on"

    def __post_init__(self) -> None:
        if sum((self.reply is not None, self.raw is not None, bool(self.replies))) > 1:
            raise WrongUsage("a rule has one of reply, raw and replies")
        if self.match and self.on not in ("command", "dot"):
            raise WrongUsage(f"a rule on {self.on!r} has nothing to match")
        if self.after_octets and self.on != "data":
            raise WrongUsage("after_octets belongs to a rule on 'data'")
        if (self.replies or self.short) and self.on != "dot":
            raise WrongUsage("replies and short belong to a rule on 'dot'")
        try:
            re.compile(self.match)
        except re.error as trouble:
            raise WrongUsage(f"{self.match!r} is no regular expression: {trouble}") from None


def has_number(numbers: Numbers, number: int) -> bool:
    """Whether `number` is among those that `numbers` means."""
    if numbers is None:
        return True
    return number == numbers if isinstance(numbers, int) else number in numbers


Candidates = list[tuple[int, Rule, re.Pattern[str]]]


class RuleBook:
    """The rules of one server, and how often each has fitted on all its connections."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = [(rule, re.compile(rule.match, re.IGNORECASE)) for rule in rules]
        self._totals = [0] * len(rules)

    def open_page(self, connection: int) -> RulePage:
        """The rules as one connection, numbered from 1, sees them."""
        return RulePage(self, connection)

    def candidates(self, on: Moment, connection: int) -> Candidates:
        """The rules for this moment and connection, with their places in the book."""
        return [
            (place, rule, pattern)
            for place, (rule, pattern) in enumerate(self._rules)
            if rule.on == on and has_number(rule.connection, connection)
        ]

    def count(self, place: int) -> int:
        """Note that the rule at `place` fitted once more; how often it has now."""
        self._totals[place] += 1
        return self._totals[place]


class RulePage:
    """The rules of one server for one connection, which counts for itself."""

    def __init__(self, book: RuleBook, connection: int) -> None:
        self._book = book
        self._counts: dict[int, int] = {}
        moments: tuple[Moment, ...] = ("greeting", "command", "data", "dot")
        self._candidates = {moment: book.candidates(moment, connection) for moment in moments}
        self._still_to_come: Candidates = []

    def find(self, on: Moment, text: str = "") -> Rule | None:
        """The rule to follow now, if any: `text` is what it has to match."""
        for place, rule, pattern in self._candidates[on]:
            if pattern.search(text) and self._is_its_turn(place, rule):
                return rule
        return None

    def begin_content(self) -> None:
        """A content begins: each rule for a content half way fits once in it."""
        self._still_to_come = sorted(self._candidates["data"], key=lambda candidate: candidate[1].after_octets)

    def find_in_content(self, octets: int) -> Rule | None:
        """The rule to follow now that `octets` of the content have come, if any."""
        while self._still_to_come and self._still_to_come[0][1].after_octets <= octets:
            place, rule, _ = self._still_to_come.pop(0)
            if self._is_its_turn(place, rule):
                return rule
        return None

    def _is_its_turn(self, place: int, rule: Rule) -> bool:
        """Count that the rule fits, and say whether this is one of the times that it is meant for."""
        count = self._counts[place] = self._counts.get(place, 0) + 1
        total = self._book.count(place)
        return has_number(rule.nth, count) and has_number(rule.nth_total, total)
