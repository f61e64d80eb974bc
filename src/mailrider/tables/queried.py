"""What tables that ask a database or a directory have in common: which keys are asked for, and what becomes of the answers.

A key is folded; it is not asked for where it is no UTF-8, where `domain` is set and its domain is not in that list, or where
it lacks a part that a query asks for.  The values that come back go through `result_format` and are joined by commas; empty
ones are warned of and left out.  More than `expansion_limit` of them are trouble.  The definition is read again when its
file has changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.definition import ChangeWatch, Definition
from mailrider.tables.key_template import KeyTemplates
from mailrider.tables.logical_lines import quote_beginning
from mailrider.tables.match_list import MatchList, open_string_list
from mailrider.tables.source import Surroundings
from mailrider.tables.table import fold_key

RESULT_LIMIT_CHARACTERS: Final = 1024 * 1024
"""All values of a key together; as long as a key may be."""

ANSWER_LIMIT_OCTETS: Final = 4 * 1024 * 1024
"""What a server may send for one question, with all that its protocol adds."""


class QueriedTable(ABC):
    """A table that asks.  Raises `WrongConfiguration` where its definition makes no sense."""

    kind: str

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"{self.kind}:{name}"
        self._name = name
        self._surroundings = surroundings
        self._watch = ChangeWatch(name, surroundings)
        self._trouble = ""
        self._read()

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        if self._watch.has_changed():
            self._read_again()
        if self._trouble:
            raise TableTrouble(self._trouble)
        if self._surroundings.folds:
            key = fold_key(key)
        if "\0" in key or not _is_text(key) or not self._is_for(key):
            return None
        values = self._ask(key)
        return None if values is None else self._join(values, key)

    @abstractmethod
    def _configure(self, definition: Definition) -> KeyTemplates:
        """Take what is particular to this kind; what is open is closed.  Raises `WrongConfiguration`."""

    @abstractmethod
    def _ask(self, key: str) -> Iterable[str | None] | None:
        """The values of a key, or None where it lacks what is asked for.  Raises `TableTrouble`."""

    def _read(self) -> None:
        definition = Definition(self.title, self._name, self._surroundings)
        self._time_limit_seconds = definition.time_limit_seconds(self._surroundings)
        self._expansion_limit = definition.number("expansion_limit", 0, 0)
        self._domains: MatchList | None = None
        domains = definition.text("domain")
        if domains:
            self._domains = open_string_list(f"{self.title}: domain", domains, warn=self._surroundings.warn)
        self._templates = self._configure(definition)

    def _read_again(self) -> None:
        self._trouble = ""
        try:
            self._read()
        except WrongConfiguration as trouble:
            self._trouble = str(trouble)

    def _is_for(self, key: str) -> bool:
        if self._domains is None:
            return True
        _, at, domain = key.rpartition("@")
        return bool(at and domain) and self._domains.matches(domain)

    def _join(self, values: Iterable[str | None], key: str) -> str | None:
        answer: list[str] = []
        octets = 0
        for value in values:
            if value == "":
                self._surroundings.warn(f"{self.title}: ignored an empty value for {quote_beginning(key)}")
            expanded = self._templates.expand_result(value, key) if value else None
            if expanded is None:
                continue
            answer.append(expanded)
            octets += len(expanded) + 1
            if 0 < self._expansion_limit < len(answer):
                raise TableTrouble(f"{self.title}: more than expansion_limit = {self._expansion_limit} values")
            if octets > RESULT_LIMIT_CHARACTERS:
                raise TableTrouble(f"{self.title}: the values are longer than {RESULT_LIMIT_CHARACTERS} characters")
        joined = ",".join([value for value in answer if value])
        if not _is_text(joined):
            raise TableTrouble(f"{self.title}: the value of {quote_beginning(key)} is no UTF-8")
        return joined or None


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
