"""Lists whose members may be text in braces: the names of inline tables and lists of tables.

A member ends at a comma or a blank that stands outside braces; a member in braces may hold both (postconf(5), "{ }").
Braces count by number only: there is no way to quote one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailrider.errors import WrongConfiguration
from mailrider.tables.logical_lines import BLANKS, quote_beginning

# What lists are separated by is fewer than what counts as a blank inside a member.
_SEPARATORS = ", \t\r\n"
_TOKEN = re.compile(r"[{}]|[, \t\r\n]+")


def split_members(text: str) -> Iterator[str]:
    """The members of a list, braces included; one that lacks a closing brace takes in the rest."""
    level = 0
    start: int | None = None
    position = 0
    for match in _TOKEN.finditer(text):
        if start is None and match.start() > position:
            start = position
        position = match.end()
        if match[0] == "{":
            level += 1
        elif match[0] == "}":
            level = max(level - 1, 0)
        elif level == 0:
            if start is not None:
                yield text[start : match.start()]
            start = None
            continue
        if start is None:
            start = match.start()
    if start is None and position < len(text):
        start = position
    if start is not None:
        yield text[start:]


def take_braced(text: str) -> str:
    """What stands between the braces that `text` begins and ends with.

    Raises `WrongConfiguration` where it does not begin with a brace, the brace is not closed, or text follows.
    """
    if not text.startswith("{"):
        raise WrongConfiguration(f"{quote_beginning(text)} does not begin with a {{")
    level = 0
    for match in re.finditer(r"[{}]", text):
        level += 1 if match[0] == "{" else -1
        if level == 0:
            if match.end() < len(text):
                raise WrongConfiguration(f"text after the closing }} in {quote_beginning(text)}")
            return text[1:-1]
    raise WrongConfiguration(f"missing }} in {quote_beginning(text)}")


def take_stripped(text: str) -> str:
    """`take_braced` without the blanks at both ends."""
    return take_braced(text).strip(BLANKS)
