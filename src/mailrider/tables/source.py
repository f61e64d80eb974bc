"""Where the rules of a table come from: a file, which may change, or text in braces.

A file is read whole when its table is opened and again when it has changed, which is looked at once a second at most.
What cannot be read at first is a wrong setting, later it is a table that cannot answer.

Known fault: a file that is being written while it is read is read as it then is; the change of its modification time
brings a second reading.  Write a new file and rename it.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.braces import split_members, take_braced, take_stripped
from mailrider.tables.logical_lines import LogicalLine, Warn, split_logical_lines

FILE_LIMIT_OCTETS: Final = 64 * 1024 * 1024
"""A table of text is kept in memory; what is larger belongs into an indexed one."""

LOOK_SECONDS: Final = 1.0
"""How often a file is looked at for a change, at most."""

KEY_LIMIT_OCTETS: Final = 1024 * 1024
"""A longer key is refused: the longest that Postfix knows are header fields of 100 kilooctets."""

Rules = TypeVar("Rules")


def ignore_warning(text: str) -> None:
    """For those who want no warnings."""


class Surroundings(NamedTuple):
    """What a table needs from the world: who hears its warnings, and a clock that never goes back, in seconds."""

    warn: Warn = ignore_warning
    now_seconds: Callable[[], float] = time.monotonic


class TextTable(ABC, Generic[Rules]):
    """A table whose rules are lines of text, in a file or, as `{ {rule}, {rule} }`, in its name.

    Raises `WrongConfiguration` when it is opened and cannot be read.
    """

    kind: str

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self._warn = surroundings.warn
        self._now_seconds = surroundings.now_seconds
        self._is_inline = name.startswith("{")
        self._stamp: object = None
        self._looked_seconds = self._now_seconds()
        try:
            self._rules = self._parse(list(self._read_lines()))
        except OSError as trouble:
            raise WrongConfiguration(f"{self.kind}:{name}: cannot read {name}: {_reason(trouble)}") from None

    @property
    def title(self) -> str:
        """`type:name`, for messages."""
        return f"{self.kind}:{self.name}"

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`); reads the file again where it has changed."""
        if not self._is_inline:
            now_seconds = self._now_seconds()
            if now_seconds - self._looked_seconds >= LOOK_SECONDS:
                self._reread()
                self._looked_seconds = now_seconds
        return self._look_up(self._rules, key)

    @abstractmethod
    def _parse(self, lines: list[LogicalLine]) -> Rules:
        """The rules that the lines mean; what they mean nothing by is warned of."""

    @abstractmethod
    def _look_up(self, rules: Rules, key: str) -> str | None:
        """The value of `key` under `rules`."""

    def _place(self, line: int) -> str:
        """Where a line stands, for messages."""
        return f"{self.kind} map {self.name}, line {line}"

    def _reread(self) -> None:
        try:
            if _stamp_of(os.stat(self.name)) != self._stamp:
                self._rules = self._parse(list(self._read_lines()))
        except OSError as trouble:
            raise TableTrouble(f"{self.title}: cannot read {self.name}: {_reason(trouble)}") from None
        except WrongConfiguration as trouble:
            # Not read again before it changes again; until then every look says the same.
            raise TableTrouble(str(trouble)) from None

    def _read_lines(self) -> list[LogicalLine]:
        if self._is_inline:
            try:
                return self._inline_lines()
            except WrongConfiguration as trouble:
                raise WrongConfiguration(f"{self.title}: {trouble}") from None
        # A pipe without a writer would keep a blocking open waiting for ever.
        descriptor = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            stamp = _stamp_of(os.fstat(descriptor))
            octets = file.read(FILE_LIMIT_OCTETS + 1) or b""
        if len(octets) > FILE_LIMIT_OCTETS:
            raise WrongConfiguration(f"{self.title}: {self.name} is larger than {FILE_LIMIT_OCTETS} octets")
        self._stamp = stamp
        return list(split_logical_lines(octets.decode("utf-8", "surrogateescape"), self.title, self._warn))

    def _inline_lines(self) -> list[LogicalLine]:
        rules = "\n".join([take_stripped(member) for member in split_members(take_braced(self.name))])
        return list(split_logical_lines(rules, self.title, self._warn))


def key_octets(title: str, key: str) -> bytes:
    """`key` as octets; raises `TableTrouble` where it is longer than `KEY_LIMIT_OCTETS`."""
    octets = key.encode("utf-8", "surrogateescape")
    if len(octets) > KEY_LIMIT_OCTETS:
        raise TableTrouble(f"{title}: key of {len(octets)} octets is longer than {KEY_LIMIT_OCTETS}")
    return octets


def _stamp_of(status: os.stat_result) -> object:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _reason(trouble: OSError) -> str:
    return trouble.strerror or str(trouble)
