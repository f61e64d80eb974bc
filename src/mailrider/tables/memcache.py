"""`memcache:/path`: a definition that names a memcached server (memcache_table(5)).

Parameters: `memcache` (`inet:localhost:11211`, or `unix:/path`), `backup` (a table that is asked for what the server has not,
and whose answer the server is given), `key_format`, `domain`, `ttl` (3600 seconds), `timeout` (2 seconds), `flags` (0),
`max_try`, `line_size_limit` (1024), `data_size_limit` (10240), `retry_pause`.

A server that cannot be asked is trouble, unless there is a backup, whose answer then counts.  The protocol is two lines, and
is spoken here without a library.

What differs from Postfix: a key that is too long for the server is a miss there and not trouble; there is no pause
(`retry_pause`), and one new attempt where a kept connection turns out to be broken, whatever `max_try` says; `key_digest` is
refused.
"""

from __future__ import annotations

import re
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.definition import ChangeWatch, Definition
from mailrider.tables.dialogue import Dialogue, Endpoint, MalformedAnswer, show_octets
from mailrider.tables.key_template import KeyTemplates
from mailrider.tables.match_list import MatchList, open_string_list
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings, key_octets
from mailrider.tables.table import Table, close_table, fold_key

USUAL_SERVER: Final = "inet:localhost:11211"
TTL_SECONDS: Final = 3600
TIMEOUT_SECONDS: Final = 2
LINE_LIMIT_OCTETS: Final = 1024
DATA_LIMIT_OCTETS: Final = 10240
"""What memcache_table(5) has by default for `ttl`, `timeout`, `line_size_limit` and `data_size_limit`."""

KEY_LIMIT_OCTETS: Final = 250
"""The server's own: it has no longer key, and calls the question for one an error."""

SIZE_DIGITS: Final = 9

_VALUE = re.compile(rb"VALUE [^ ]+ [0-9]+ ([0-9]{1,%d})(?: [0-9]+)?\r?" % SIZE_DIGITS)
_UNFIT = re.compile(rb"[\x00-\x20\x7f]")


class MemcacheTable:
    """`memcache:`."""

    kind = "memcache"

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"memcache:{name}"
        self._name = name
        self._surroundings = surroundings
        self._watch = ChangeWatch(name, surroundings)
        self._trouble = ""
        self._read()

    def _read(self) -> None:
        definition = Definition(self.title, self._name, self._surroundings)
        definition.refuse("key_digest", "give short keys by key_format")
        usual_seconds = min(float(TIMEOUT_SECONDS), self._surroundings.time_limit_seconds)
        limit_seconds = float(definition.number("timeout", 0, 0)) or usual_seconds
        self._ttl_seconds = definition.number("ttl", TTL_SECONDS, 0)
        self._flags = definition.number("flags", 0, 0)
        self._line_limit = definition.number("line_size_limit", LINE_LIMIT_OCTETS, 1)
        self._data_limit = definition.number("data_size_limit", DATA_LIMIT_OCTETS, 1)
        self._key_format = definition.text("key_format", "%s")
        self._templates = KeyTemplates(self.title, [self._key_format])
        self._domains: MatchList | None = None
        if definition.text("domain"):
            self._domains = open_string_list(f"{self.title}: domain", definition.text("domain"), warn=self._surroundings.warn)
        try:
            endpoint = Endpoint(definition.text("memcache", USUAL_SERVER))
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: memcache: {trouble}") from None
        self._dialogue = Dialogue(self.title, endpoint, self._surroundings.now_seconds, limit_seconds)
        backup = definition.text("backup")
        self._backup: Table | None = open_table(backup, surroundings=self._surroundings) if backup else None

    def close(self) -> None:
        """Hang up; the next lookup makes a new connection."""
        self._dialogue.close()
        if self._backup is not None:
            close_table(self._backup)

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        if self._watch.has_changed():
            self._read_again()
        if self._trouble:
            raise TableTrouble(self._trouble)
        if self._surroundings.folds:
            key = fold_key(key)
        name = self._name_of(key)
        if name is None:
            return None
        if len(name) > KEY_LIMIT_OCTETS:
            return self._backup.find(key) if self._backup is not None else None
        try:
            value = self._get(name)
        except TableTrouble:
            if self._backup is None:
                raise
            return self._backup.find(key)
        if value is None and self._backup is not None:
            value = self._backup.find(key)
            if value is not None:
                self._set(name, value)
        return value

    def _read_again(self) -> None:
        self._trouble = ""
        try:
            self._read()
        except WrongConfiguration as trouble:
            self._trouble = str(trouble)

    def _name_of(self, key: str) -> bytes | None:
        """What the server calls a key, or None where it cannot have it."""
        if self._domains is not None:
            _, at, domain = key.rpartition("@")
            if not at or not domain or not self._domains.matches(domain):
                return None
        name = self._templates.expand_query(self._key_format, key)
        if not name:
            return None
        octets = key_octets(self.title, name)
        return None if _UNFIT.search(octets) else octets

    def _get(self, name: bytes) -> str | None:
        answer = self._dialogue.ask(b"get %b\r\n" % name, self._read_value)
        if not answer:
            return None
        try:
            return answer[1:].partition(b"\0")[0].decode()
        except UnicodeDecodeError:
            raise TableTrouble(f"{self.title}: a value that is no UTF-8: {show_octets(answer[1:])}") from None

    def _read_value(self, dialogue: Dialogue) -> bytes:
        """An equals sign and the value, or nothing where there is none."""
        line = dialogue.read_line(self._line_limit).rstrip(b"\r")
        if line == b"END":
            return b""
        match = _VALUE.fullmatch(line)
        if match is None or int(match[1]) > self._data_limit:
            raise MalformedAnswer(show_octets(line))
        value = dialogue.read_exactly(int(match[1]))
        if dialogue.read_line(2).rstrip(b"\r") or dialogue.read_line(self._line_limit).rstrip(b"\r") != b"END":
            raise MalformedAnswer("a value without an end")
        return b"=" + value

    def _set(self, name: bytes, value: str) -> None:
        """Have the server keep a value; where it cannot, the next lookup asks the backup again."""
        octets = key_octets(self.title, value)
        if len(octets) > self._data_limit:
            self._surroundings.warn(f"{self.title}: not kept: a value longer than data_size_limit = {self._data_limit}")
            return
        head = b"set %b %d %d %d\r\n" % (name, self._flags, self._ttl_seconds, len(octets))
        try:
            answer = self._dialogue.ask(head + octets + b"\r\n", lambda dialogue: dialogue.read_line(self._line_limit))
        except TableTrouble as trouble:
            self._surroundings.warn(f"{trouble}; the value is not kept")
            return
        if answer.rstrip(b"\r") != b"STORED":
            self._surroundings.warn(f"{self.title}: the server does not keep a value: {show_octets(answer)}")
