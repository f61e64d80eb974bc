"""What one client has said, and how much is still borne with: counts for the log and for the limits (smtpd(8)).

A command counts as done unless it failed.  Errors are forgiven when a message has been taken; so are the commands that
bring no mail nearer (`JUNK`).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

JUNK: Final = frozenset({"ehlo", "helo", "lhlo", "noop", "rset", "vrfy", "help"})
"""Commands that bring no mail nearer; `smtpd_junk_command_limit`."""

UNKNOWN: Final = "unknown"

_ORDER: Final = (
    "helo", "ehlo", "lhlo", "xforward", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "noop", "vrfy", "quit",
    "help", UNKNOWN,
)  # fmt: skip
"""In which the log tells them."""


class Tally:
    """One client.  `errors` are those that were not forgiven."""

    __slots__ = ("_failed", "_has_failed", "_junk", "_junk_limit", "_said", "_verb", "errors")

    def __init__(self, junk_limit: int) -> None:
        self._junk_limit = junk_limit
        self._junk = 0
        self._said: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._verb = ""
        self._has_failed = False
        self.errors = 0

    def begin(self, verb: str) -> None:
        """A command, one of `_ORDER`."""
        self._verb = verb
        self._has_failed = False
        self._said[verb] += 1

    def fail(self) -> None:
        """The latest command was not done; how often that is said makes no difference."""
        if self._verb and not self._has_failed:
            self._has_failed = True
            self._failed[self._verb] += 1

    def err(self) -> None:
        """It was not done, by a fault of the client."""
        self.errors += 1
        self.fail()

    def end(self) -> None:
        """The latest command has been answered; what comes next is none, until another begins."""
        if self._verb in JUNK:
            self.errors += self._junk > self._junk_limit
            self._junk += 1

    def forgive(self) -> None:
        """A message was taken."""
        self.errors = self._junk = 0

    def tell(self) -> str:
        """For the log: ` ehlo=1 auth=0/1 quit=1 commands=2/3`, where `0/1` is none done of one."""
        words = [_share(verb, self._said[verb], self._failed[verb]) for verb in _ORDER if self._said[verb]]
        return " " + " ".join([*words, _share("commands", self._said.total(), self._failed.total())])


def _share(name: str, said: int, failed: int) -> str:
    return f"{name}={said - failed}/{said}" if failed else f"{name}={said}"
