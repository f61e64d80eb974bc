"""The definition of a table that asks a server: parameters in a file of its own, or in main.cf with a prefix.

`ldap:/path` and `ldap:./path` name a file in the format of main.cf, in which nothing is expanded; of a parameter given twice
the last value counts.  `ldap:name` is the older way: the parameters are `name_server_host` and so on in main.cf, where they
are expanded.  The file is read again when it has changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from mailrider.errors import WrongConfiguration
from mailrider.tables.indexed import stamp_of
from mailrider.tables.logical_lines import BLANKS, quote_beginning, split_logical_lines
from mailrider.tables.source import LOOK_SECONDS, Surroundings, find_no_parameter, read_text

_LIST = re.compile(r"[, \t\r\n]+")
NUMBER_LIMIT: Final = 2**31 - 1
"""As large as a number may be in Postfix."""


class Definition:
    """The parameters of one table.  Every method raises `WrongConfiguration` for a value that makes no sense."""

    def __init__(self, title: str, name: str, surroundings: Surroundings) -> None:
        self.title = title
        self.name = name
        self._find: Callable[[str], str | None]
        if name.startswith(("/", ".")):
            self._find = self._read_file(surroundings).get
        elif surroundings.find_parameter is find_no_parameter:
            # Defaults would take the place of all that was set.
            raise WrongConfiguration(
                f"{title}: a definition in main.cf is not read here; write it into a file: {title.partition(':')[0]}:/path"
            )
        else:
            self._find = lambda parameter: surroundings.find_parameter(f"{name}_{parameter}")

    def _read_file(self, surroundings: Surroundings) -> dict[str, str]:
        try:
            text = read_text(self.name)
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}") from None
        values: dict[str, str] = {}
        for number, line in split_logical_lines(text, self.name, surroundings.warn):
            parameter, equals, value = line.partition("=")
            parameter = parameter.strip(BLANKS)
            if not equals or not parameter or any(letter in BLANKS for letter in parameter):
                raise WrongConfiguration(f"{self.title}: {self.name}, line {number}: no name = value: {quote_beginning(line)}")
            if parameter in values:
                surroundings.warn(f"{self.name}, line {number}: {parameter} was set before; this value counts")
            values[parameter] = value.strip(BLANKS)
        return values

    def text(self, parameter: str, default: str = "", *, required: bool = False) -> str:
        """A text; `required` means that it may not be empty."""
        found = self._find(parameter)
        value = default if found is None else found
        if required and not value:
            raise WrongConfiguration(f"{self.title}: {parameter} is empty or not set")
        return value

    def number(self, parameter: str, default: int, least: int | None = None) -> int:
        """A whole number."""
        found = self._find(parameter)
        if found is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,10}", found) or abs(int(found)) > NUMBER_LIMIT:
            raise WrongConfiguration(f"{self.title}: {parameter} = {quote_beginning(found)}: not a whole number")
        if least is not None and int(found) < least:
            raise WrongConfiguration(f"{self.title}: {parameter} = {found}: less than {least}")
        return int(found)

    def is_on(self, parameter: str, default: bool) -> bool:
        """`yes` or `no`."""
        found = self._find(parameter)
        if found is None:
            return default
        if found.lower() not in ("yes", "no"):
            raise WrongConfiguration(f"{self.title}: {parameter} = {quote_beginning(found)}: neither yes nor no")
        return found.lower() == "yes"

    def members(self, parameter: str) -> list[str]:
        """What stands between commas and blanks."""
        return [member for member in _LIST.split(self.text(parameter)) if member]

    def refuse(self, parameter: str, why: str) -> None:
        """Raise where a parameter is set that would not be obeyed."""
        if self.text(parameter):
            raise WrongConfiguration(f"{self.title}: {parameter} is not supported here: {why}")

    def time_limit_seconds(self, surroundings: Surroundings) -> float:
        """The parameter `timeout`, or what is usual."""
        seconds = self.number("timeout", 0, 0)
        return float(seconds) if seconds else surroundings.time_limit_seconds


class ChangeWatch:
    """Tells when the file of a definition has changed; it is looked at once a second at most."""

    __slots__ = ("_looked_seconds", "_now_seconds", "_path", "_stamp")

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self._path = name if name.startswith(("/", ".")) else ""
        self._now_seconds = surroundings.now_seconds
        self._looked_seconds = surroundings.now_seconds()
        self._stamp = self._look()

    def has_changed(self) -> bool:
        """Whether the file is another one than at the last answer."""
        if not self._path:
            return False
        now_seconds = self._now_seconds()
        if now_seconds - self._looked_seconds < LOOK_SECONDS:
            return False
        self._looked_seconds = now_seconds
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        return True

    def _look(self) -> object:
        try:
            return stamp_of(os.stat(self._path)) if self._path else None
        except OSError:
            return None
