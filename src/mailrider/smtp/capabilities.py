"""What a server says that it can do: the reply to EHLO or LHLO (RFC 5321 §4.1.1.1, RFC 2033 §4.1)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from mailrider.smtp.reply import Reply

DISCARDABLE = (
    "8BITMIME", "AUTH", "ETRN", "PIPELINING", "SIZE", "VERP", "VRFY", "XCLIENT", "XFORWARD", "STARTTLS",
    "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING", "REQUIRETLS",
)  # fmt: skip
"""Keywords that `smtp_discard_ehlo_keywords` knows, in the order in which the log lists them."""

SILENT_DISCARD = "SILENT-DISCARD"

# The reply code up to a blank or a hyphen, the keyword up to a blank or an equals sign, what follows it.
_LINE = re.compile(r"[- ]*+[^- ]++[- ]?+[ \t=]*+([^ \t=]++)[ \t=]?+(.*)", re.DOTALL)
_WORD = re.compile(r"[^ \t]+")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions that may be used on a connection, after discarding.

    `size_limit_octets` is 0 where the server names none.  `name` is how it calls itself.  `auth` holds the mechanisms of
    all AUTH lines; `announces_auth` is true even where there are none on them.
    """

    name: str = ""
    extended: bool = False
    eight_bit_mime: bool = False
    pipelining: bool = False
    size: bool = False
    size_limit_octets: int = 0
    dsn: bool = False
    smtputf8: bool = False
    starttls: bool = False
    chunking: bool = False
    requiretls: bool = False
    xforward: frozenset[str] = frozenset()
    announces_auth: bool = False
    auth: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def names(self) -> tuple[str, ...]:
        """The extensions by their EHLO keywords, for events."""
        flags = (
            ("PIPELINING", self.pipelining), ("SIZE", self.size), ("8BITMIME", self.eight_bit_mime),
            ("DSN", self.dsn), ("SMTPUTF8", self.smtputf8), ("STARTTLS", self.starttls),
            ("CHUNKING", self.chunking), ("REQUIRETLS", self.requiretls), ("XFORWARD", bool(self.xforward)),
            ("AUTH", bool(self.auth)),
        )  # fmt: skip
        return tuple(name for name, offered in flags if offered)


def known_discards(words: Collection[str]) -> tuple[str, ...]:
    """The keywords among `words` that can be discarded, any case, in the order of the log; unknown ones are ignored."""
    wanted = {word.upper() for word in words}
    return tuple(keyword for keyword in DISCARDABLE if keyword in wanted)


def parse_capabilities(reply: Reply, discard: Collection[str] = ()) -> Capabilities:
    """Read an EHLO or LHLO reply.  `discard` holds upper-case keywords that count as not announced.

    The first line names the server; each other line is a keyword and its arguments.  `AUTH=PLAIN` is
    understood as `AUTH PLAIN`, as old servers write it.
    """
    found: dict[str, list[list[str]]] = {}
    name: str | None = None
    for line in reply.lines:
        match = _LINE.match(line)
        if match is None:
            continue
        if name is None:
            name = match[1]
        elif (keyword := match[1].upper()) not in discard:
            found.setdefault(keyword, []).append(_WORD.findall(match[2]))
    warnings: list[str] = []
    return Capabilities(
        name=name or "",
        extended=True,
        eight_bit_mime="8BITMIME" in found,
        pipelining="PIPELINING" in found,
        size="SIZE" in found,
        size_limit_octets=_read_size_limit(found.get("SIZE", []), warnings),
        dsn="DSN" in found,
        smtputf8="SMTPUTF8" in found,
        starttls="STARTTLS" in found,
        chunking="CHUNKING" in found,
        requiretls="REQUIRETLS" in found,
        xforward=frozenset(word.upper() for words in found.get("XFORWARD", []) for word in words),
        announces_auth="AUTH" in found,
        auth=tuple(word.upper() for words in found.get("AUTH", []) for word in words),
        warnings=tuple(warnings),
    )


def _read_size_limit(announcements: list[list[str]], warnings: list[str]) -> int:
    """The last usable argument of SIZE; 0 is "no limit named" (RFC 1870 §4)."""
    limit = 0
    for words in announcements:
        if not words:
            continue
        if words[0].isascii() and words[0].isdigit():
            limit = int(words[0][:20])
        else:
            warnings.append(f'bad EHLO SIZE limit "{words[0]}"')
    return limit
