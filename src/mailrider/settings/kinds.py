"""The kinds of parameters: how the text of a value becomes a typed value.

Bounds are those that Postfix checks at start-up.  Where Postfix checks none and reads anything below zero as "no limit", such a
number becomes 0 here.  Lists are separated by commas and white space; text in braces is not split where tables may stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.settings.expansion import parse_level
from mailrider.settings.parameter import Parameter, WrongValue

INTEGER_LIMIT = 2**31 - 1
"""Postfix keeps numbers and times in a C int."""

PORT_LIMIT = 65535
"""TCP has 16 bits for it (RFC 9293 §3.1)."""

DNS_PORT = 53

BALANCED = "a list with as many { as }"

# Patterns are compiled by `re` on first use: most commands use few of them.
_INTEGER = r"[+-]?[0-9]{1,18}"
_TIME = r"\+?([0-9]{1,18})([a-z]*)"
_SEPARATORS = r"[, \t\r\n]+"
_TOKEN = r"[^, \t\r\n{}]+|[{}]"
_HOST_NAME = r"(?!-)[^\x00-,./:-@\[-^`{-\x7f]{1,63}(?<!-)(\.(?!-)[^\x00-,./:-@\[-^`{-\x7f]{1,63}(?<!-))*"
_FRACTION = r"([0-9.eE+-]{1,30})\s*(?:/\s*(\S{1,30}))?"
_ADDRESS_PORT = r"\[([^\]]+)\](?::([0-9]{1,5}))?|([^:]+)(?::([0-9]{1,5}))?|([0-9a-fA-F:.]+)"

_UNITS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SECONDS_OF_WORD = {word: _SECONDS[unit] for unit, words in _UNITS.items() for word in words}


def split_words(text: str) -> tuple[str, ...]:
    """A list without braces: what stands between commas and white space."""
    return tuple(word for word in re.split(_SEPARATORS, text) if word)


def split_groups(text: str) -> tuple[str, ...]:
    """A list in which text within balanced braces stays together; raises `WrongValue` where they do not balance."""
    if "{" not in text and "}" not in text:
        return split_words(text)
    words: list[str] = []
    level = start = end = 0
    for match in re.finditer(_TOKEN, text):
        if level == 0 and match.start() > end:
            words.append(text[start:end])
            start = match.start()
        if match[0] == "{":
            level += 1
        elif match[0] == "}":
            level -= 1
        if level < 0:
            break
        end = match.end()
    if level != 0:
        raise WrongValue(BALANCED)
    words.append(text[start:end])
    return tuple(word for word in words if word)


class Flag(Parameter[bool]):
    """`yes` or `no`, in any case.  Empty counts as no where the default is empty."""

    wanted = "yes or no"

    def _convert(self, text: str) -> bool:
        word = text.lower()
        if word == "yes":
            return True
        if word == "no" or (not word and not self.default):
            return False
        raise WrongValue(self.wanted)


class Count(Parameter[int]):
    """A whole number from `least` to `most`."""

    def __init__(self, default: str, doc: str, *, least: int = 0, most: int = INTEGER_LIMIT, **rest: Any) -> None:
        super().__init__(default, doc, **rest)
        self.least = least
        self.most = most

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The bounds in words."""
        if self.most == INTEGER_LIMIT:
            return f"a whole number, {self.least} or more"
        return f"a whole number from {self.least} to {self.most}"

    def _convert(self, text: str) -> int:
        if not re.fullmatch(_INTEGER, text):
            raise WrongValue(self.wanted)
        number = int(text)
        if self.least == 0 and -INTEGER_LIMIT <= number < 0:
            return 0
        if not self.least <= number <= self.most:
            raise WrongValue(self.wanted)
        return number


class Seconds(Parameter[float]):
    """A time in seconds.  A number without a unit counts in the unit of the default (postconf(5))."""

    def __init__(self, default: str, doc: str, *, least: int = 1, most: int = INTEGER_LIMIT, **rest: Any) -> None:
        super().__init__(default, doc, **rest)
        self.least = least
        self.most = most
        self.unit = default[-1:] if default[-1:] in _SECONDS and default[:1].isdigit() else "s"

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The bounds in words."""
        bounds = f", {self.least}s or more" if self.least else ""
        if self.most != INTEGER_LIMIT:
            bounds += f", {self.most}s at most"
        return f"a time such as 30s, 5m, 1h, 2d or 1w{bounds} (no unit means {self.unit})"

    def _convert(self, text: str) -> float:
        match = re.fullmatch(_TIME, text)
        factor = _SECONDS_OF_WORD.get(match[2] or self.unit) if match else None
        if match is None or factor is None:
            raise WrongValue(self.wanted)
        seconds = int(match[1]) * factor
        if not self.least <= seconds <= self.most:
            raise WrongValue(self.wanted)
        return float(seconds)


class Text(Parameter[str]):
    """Any text of at least `least` characters."""

    def __init__(self, default: str, doc: str, *, least: int = 0, **rest: Any) -> None:
        super().__init__(default, doc, **rest)
        self.least = least

    wanted = "a text that is not empty"

    def _convert(self, text: str) -> str:
        if len(text) < self.least:
            raise WrongValue(self.wanted)
        return text


class Character(Parameter[str]):
    """Exactly one character."""

    wanted = "exactly one character that is no blank"

    def _convert(self, text: str) -> str:
        if len(text) != 1:
            raise WrongValue(self.wanted)
        return text


class HostName(Parameter[str]):
    """A host or domain name: labels of letters, digits, hyphens and underscores; other scripts are let through."""

    wanted = "a host name"

    def _convert(self, text: str) -> str:
        if not re.fullmatch(_HOST_NAME, text) or len(text) > 255:
            raise WrongValue(self.wanted)
        return text


class Level(Parameter[str]):
    """A compatibility level such as `2` or `3.6`."""

    wanted = "a compatibility level such as 2 or 3.6"

    def _convert(self, text: str) -> str:
        try:
            parse_level(text)
        except WrongConfiguration:
            raise WrongValue(self.wanted) from None
        return text


class Choice(Parameter[str]):
    """One word of a fixed set, in any case; the value has the case of the set.  `empty`: it may also be empty."""

    def __init__(self, default: str, doc: str, *, of: tuple[str, ...], empty: bool = False, **rest: Any) -> None:
        super().__init__(default, doc, **rest)
        self.of = {word.lower(): word for word in of}
        self.empty = empty

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The words."""
        words = ", ".join(self.of.values())
        return f"one of {words}" + (" or nothing" if self.empty else "")

    def _convert(self, text: str) -> str:
        if not text and self.empty:
            return ""
        word = self.of.get(text.lower())
        if word is None:
            raise WrongValue(self.wanted)
        return word


class Words(Parameter[tuple[str, ...]]):
    """A list of words.

    `of`: the words that are accepted.  `fold`: case does not count, and the value is in lower case.  `lenient`: words that are
    not in `of` are dropped, as Postfix does in silence for EHLO keywords.  `loose`: case does not count, the value has the case
    of `of`, and other words are kept, for a warning by whoever uses them.  `least`: how many there must be.
    """

    def __init__(
        self,
        default: str,
        doc: str,
        *,
        of: tuple[str, ...] = (),
        fold: bool = False,
        lenient: bool = False,
        loose: bool = False,
        least: int = 0,
        **rest: Any,
    ) -> None:
        super().__init__(default, doc, **rest)
        self.of = of
        self.fold = fold
        self.lenient = lenient
        self.loose = loose
        self.least = least

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The words."""
        number = "a list of at least one word" if self.least else "a list"
        return f"{number} of {', '.join(self.of)}" if self.of else number

    def _convert(self, text: str) -> tuple[str, ...]:
        words = split_words(text.lower() if self.fold else text)
        if self.loose:
            known = {word.lower(): word for word in self.of}
            words = tuple(known.get(word.lower(), word) for word in words)
        elif self.of:
            words = tuple(word for word in words if self._accepts(word))
        if len(words) < self.least:
            raise WrongValue(self.wanted)
        return words

    def _accepts(self, word: str) -> bool:
        if word in self.of:
            return True
        if self.lenient:
            return False
        raise WrongValue(self.wanted)


class Patterns(Parameter[tuple[str, ...]]):
    """A match list: names, addresses, networks, `/file`, `type:table`, each with `!` for the opposite (postconf(5))."""

    wanted = BALANCED

    def _convert(self, text: str) -> tuple[str, ...]:
        return split_groups(text)


class Tables(Parameter[tuple[str, ...]]):
    """A list of lookup tables as `type:name`, in the order in which they are asked."""

    wanted = "a list of tables, each as type:name"

    def _convert(self, text: str) -> tuple[str, ...]:
        tables = split_groups(text)
        if any(":" not in table[1:] for table in tables):
            raise WrongValue(self.wanted)
        return tables


class NextHops(Parameter[tuple[str, ...]]):
    """A list of destinations such as `[mx.example]:25`."""

    wanted = "a list of destinations"

    def _convert(self, text: str) -> tuple[str, ...]:
        return split_words(text)


class Address(Parameter[str]):
    """A numeric address of one family, with or without brackets, or nothing; the value has no brackets."""

    def __init__(self, default: str, doc: str, *, version: int, **rest: Any) -> None:
        super().__init__(default, doc, **rest)
        self.version = version

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The family."""
        return f"a numeric IPv{self.version} address, or nothing"

    def _convert(self, text: str) -> str:
        bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
        if text and not _is_address(bare, self.version):
            raise WrongValue(self.wanted)
        return bare


def _is_address(text: str, version: int = 0) -> bool:
    """Whether `text` is a numeric address (of the family, if one is given); a zone such as `%eth0` is allowed."""
    import ipaddress

    try:
        return ipaddress.ip_address(text).version in ((version,) if version else (4, 6))
    except ValueError:
        return False


class Ports(Parameter[Mapping[str, int]]):
    """Service names with their ports: `smtp=25, smtps=submissions=465`."""

    wanted = "a list such as smtp=25, smtps=submissions=465 without numeric or repeated names"

    def _convert(self, text: str) -> Mapping[str, int]:
        ports: dict[str, int] = {}
        for association in text.split(","):
            if not association.strip():
                continue
            *names, port = (part.strip() for part in association.split("="))
            if not names or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > PORT_LIMIT:
                raise WrongValue(self.wanted)
            for name in names:
                if not name or name.isdigit() or name in ports or len(name.split()) > 1:
                    raise WrongValue(self.wanted)
                ports[name] = int(port)
        return ports


class NameServers(Parameter[tuple[tuple[str, int], ...]]):
    """Name servers as (numeric address, port): `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`."""

    wanted = "a list of numeric addresses, each with :port where it is not 53"

    def _convert(self, text: str) -> tuple[tuple[str, int], ...]:
        return tuple(self._parse_server(word) for word in split_words(text))

    def _parse_server(self, word: str) -> tuple[str, int]:
        match = re.fullmatch(_ADDRESS_PORT, word)
        if match is None:
            raise WrongValue(self.wanted)
        address = match[1] or match[3] or match[5]
        port = int(match[2] or match[4] or DNS_PORT)
        if not _is_address(address, 6 if match[1] else 0) or not 0 < port <= PORT_LIMIT:
            raise WrongValue(self.wanted)
        return address, port


class Rate(NamedTuple):
    """How much of a unit of concurrency one delivery adds or takes away.

    `base`, divided by nothing, by the `concurrency`, or by its square root (`sqrt_concurrency`).
    """

    base: float
    per: str = ""

    def at(self, concurrency: float) -> float:
        """The amount while `concurrency` deliveries are allowed."""
        if self.per == "concurrency":
            return self.base / concurrency
        return self.base / concurrency**0.5 if self.per else self.base


class Feedback(Parameter[Rate]):
    """A number from 0 to 1, a fraction, or a number divided by `concurrency` or `sqrt_concurrency`."""

    wanted = "a number from 0 to 1, number/number, number/concurrency or number/sqrt_concurrency"

    def _convert(self, text: str) -> Rate:
        match = re.fullmatch(_FRACTION, text)
        if match is None:
            raise WrongValue(self.wanted)
        per = (match[2] or "").lower()
        try:
            base = float(match[1])
            if per and per not in ("concurrency", "sqrt_concurrency"):
                base, per = base / float(per), ""
        except (ValueError, ZeroDivisionError, OverflowError):
            raise WrongValue(self.wanted) from None
        if not 0 <= base <= 1:
            raise WrongValue(self.wanted)
        return Rate(base, per)
