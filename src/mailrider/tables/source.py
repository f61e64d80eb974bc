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

READ_OCTETS: Final = 1024 * 1024
"""Asked for at a time."""

KEY_LIMIT_OCTETS: Final = 1024 * 1024
"""A longer key is refused: the longest that Postfix knows are header fields of 100 kilooctets."""

Rules = TypeVar("Rules")


def ignore_warning(text: str) -> None:
    """For those who want no warnings."""


TIME_LIMIT_SECONDS: Final = 5.0
"""What one lookup over a network or in a database may take; while it lasts, deliveries wait for it."""


def find_no_parameter(name: str) -> str | None:
    """For those who have no main.cf at hand."""
    return None


class Surroundings(NamedTuple):
    """What a table needs from the world.

    Who hears its warnings; a clock that never goes back, in seconds; how long one lookup may take where the table's own
    file does not say; whether keys are folded; and the value of a parameter of main.cf, expanded, or None where it is not
    set (for tables like `ldap:name`, whose definition is there).
    """

    warn: Warn = ignore_warning
    now_seconds: Callable[[], float] = time.monotonic
    time_limit_seconds: float = TIME_LIMIT_SECONDS
    folds: bool = True
    find_parameter: Callable[[str], str | None] = find_no_parameter


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
        self._trouble = ""
        try:
            lines = self._read_lines()
        except (OSError, ValueError) as trouble:
            raise WrongConfiguration(f"{self.title}: cannot read {name}: {_reason(trouble)}") from None
        self._rules = self._parse(lines)

    @property
    def title(self) -> str:
        """`type:name`, for messages."""
        return f"{self.kind}:{self.name}"

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`); reads the file again where it has changed."""
        if not self._is_inline:
            now_seconds = self._now_seconds()
            if now_seconds - self._looked_seconds >= LOOK_SECONDS:
                self._looked_seconds = now_seconds
                self._look_for_change()
        if self._trouble:
            raise TableTrouble(self._trouble)
        return self._look_up(self._rules, key)

    @abstractmethod
    def _parse(self, lines: list[LogicalLine]) -> Rules:
        """The rules that the lines mean; what they mean nothing by is warned of."""

    @abstractmethod
    def _look_up(self, rules: Rules, key: str) -> str | None:
        """The value of `key` under `rules`."""

    def _place(self, line: int) -> str:
        """Where a line stands, for messages."""
        return f"{self.title}, line {line}"

    def _look_for_change(self) -> None:
        """Read the file again where it has changed; where that fails, every lookup says so until it changes once more."""
        try:
            if _stamp_of(os.stat(self.name)) != self._stamp:
                self._stamp = None
                self._rules = self._parse(self._read_lines())
                self._trouble = ""
        except OSError as trouble:
            self._stamp = None
            self._trouble = f"{self.title}: cannot read {self.name}: {_reason(trouble)}"
        except WrongConfiguration as trouble:
            self._trouble = str(trouble)

    def _read_lines(self) -> list[LogicalLine]:
        try:
            if self._is_inline:
                text = "\n".join([take_stripped(member) for member in split_members(take_braced(self.name))])
            else:
                self._stamp, text = _read_file(self.name)
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}") from None
        return list(split_logical_lines(text, self.title, self._warn))


def key_octets(title: str, key: str) -> bytes:
    """`key` as octets; raises `TableTrouble` where it is longer than `KEY_LIMIT_OCTETS`."""
    try:
        octets = key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        octets = key.encode("utf-8", "surrogatepass")
    if len(octets) > KEY_LIMIT_OCTETS:
        raise TableTrouble(f"{title}: key of {len(octets)} octets is longer than {KEY_LIMIT_OCTETS}")
    return octets


def read_text(path: str) -> str:
    """The text of a file; octets that are not UTF-8 are kept as lone surrogates.

    Raises `WrongConfiguration` where it cannot be read or is larger than `FILE_LIMIT_OCTETS`.
    """
    try:
        return _read_file(path)[1]
    except (OSError, ValueError) as trouble:
        raise WrongConfiguration(f"cannot read {path}: {_reason(trouble)}") from None


def _read_file(path: str) -> tuple[object, str]:
    """The stamp of a file and its text."""
    # A pipe without a writer would keep a blocking open waiting for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        stamp = _stamp_of(os.fstat(descriptor))
        pieces: list[bytes] = []
        missing = FILE_LIMIT_OCTETS + 1
        while missing and (piece := os.read(descriptor, min(missing, READ_OCTETS))):
            pieces.append(piece)
            missing -= len(piece)
    finally:
        os.close(descriptor)
    if not missing:
        raise WrongConfiguration(f"{path} is larger than {FILE_LIMIT_OCTETS} octets")
    return stamp, b"".join(pieces).decode("utf-8", "surrogateescape")


def _stamp_of(status: os.stat_result) -> object:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _reason(trouble: Exception) -> str:
    return getattr(trouble, "strerror", None) or str(trouble)
