"""The right-hand side of a pattern rule: text with `$1`, `${1}`, `$(1)` for what the groups matched, `$$` for a dollar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

GROUP_DIGITS_LIMIT: Final = 4
"""No pattern has ten thousand groups, and no number of more digits is worth reading."""

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^{}]*)\}|\(([^()]*)\)|([A-Za-z0-9_]+))?")


class WrongTemplate(ValueError):
    """The text after a pattern makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Template:
    """A replacement text: `parts` are texts and the numbers of groups, `largest` the largest number, 0 for none."""

    parts: tuple[str | int, ...]
    largest: int

    def fill(self, groups: tuple[str, ...]) -> str:
        """The text with `groups` (from group 1 on; empty where one matched nothing) in their places."""
        return "".join([part if isinstance(part, str) else groups[part - 1] for part in self.parts])


def parse_template(text: str) -> Template:
    """Take a replacement text.  Raises `WrongTemplate` for a dollar that is followed by anything else than a group's number."""
    parts: list[str | int] = []
    position = 0
    for match in _REFERENCE.finditer(text):
        if match.start() > position:
            parts.append(text[position : match.start()])
        position = match.end()
        if match[1]:
            parts.append("$")
            continue
        name = match[2] or match[3] or match[4]
        if name is None or not name:
            raise WrongTemplate("a $ without the number of a group; write $$ for a dollar")
        if not (name.isascii() and name.isdigit()) or len(name) > GROUP_DIGITS_LIMIT or int(name) < 1:
            raise WrongTemplate(f"${{{name[:20]}}} is not the number of a group")
        parts.append(int(name))
    parts.append(text[position:])
    return Template(tuple(part for part in parts if part != ""), max([0, *[n for n in parts if isinstance(n, int)]]))
