"""`proxy:type:name` inside of an installation of Postfix: proxymap(8) opens the table and is asked.

So a table may lie where the agent cannot see it (behind a chroot, or readable for nobody but root), and a database has
few connections to bear.  proxymap(8) serves what `proxy_read_maps` lists.  One table keeps one connection; a lookup is done by
the time limit of tables.  Each question says how the table is to be opened, since any proxymap process may be the next to be
asked.  Since Postfix 3.11 the flags of the open table are parted from those, and go back and forth with each lookup.

What can go wrong: a table that is not listed is `WrongConfiguration` when it is opened.  A service that is not there, or is
silent, is `TableTrouble` in every lookup until it is back.  (smtp(8) waits for it without end.)

Known fault: a connection is kept for as long as the agent lives, so that proxymap(8) does not end for `max_idle` meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mailrider.attributes.plain import AttributeReader, Attributes, MalformedAttributes, Value, encode_attributes
from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.dialogue import Dialogue, Endpoint, MalformedAnswer
from mailrider.tables.source import Surroundings, key_octets

PROTOCOL: Final = "proxymap_protocol"
"""What the service announces (since Postfix 3.6)."""

# Flags of a table, as in Postfix.
PATTERN_FLAG: Final = 1 << 5
LOCK_FLAG: Final = 1 << 6
FOLD_FLAG: Final = 1 << 14
UTF8_FLAG: Final = 1 << 19

# The status of an answer.
FOUND: Final = 0
NO_KEY: Final = 1
DENIED: Final = 4

_TROUBLES: Final = {2: "table lookup error", 3: "invalid request", 5: "table configuration error"}


class Proxymap:
    """The proxymap(8) of an installation.  `path` is where it listens, relative to the queue directory.

    `announces`: it says first what it speaks (since 3.6).  `parts_flags`: see above.  `utf8`: keys are UTF-8
    (`smtputf8_enable`).
    """

    def __init__(
        self,
        path: str,
        *,
        announces: bool = True,
        parts_flags: bool = False,
        utf8: bool = True,
        now_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._announces = announces
        self._parts_flags = parts_flags
        self._utf8 = utf8
        self._now_seconds = now_seconds

    def open_table(self, name: str, surroundings: Surroundings) -> ProxiedTable:
        """Open `type:name`.  Raises `WrongConfiguration` where the service does not serve it."""
        flags = LOCK_FLAG | (FOLD_FLAG if surroundings.folds else 0) | (UTF8_FLAG if self._utf8 else 0)
        title = f"proxy:{name}"
        greet = _greet if self._announces else None
        endpoint = Endpoint(f"unix:{self._path}")
        dialogue = Dialogue(title, endpoint, self._now_seconds, surroundings.time_limit_seconds, greet=greet)
        return ProxiedTable(name, flags, dialogue, surroundings, parts_flags=self._parts_flags)


class ProxiedTable:
    """A table that proxymap(8) has opened, or will open as soon as it is there."""

    def __init__(self, name: str, flags: int, dialogue: Dialogue, surroundings: Surroundings, *, parts_flags: bool) -> None:
        self.title = f"proxy:{name}"
        self._name = name
        self._parts_flags = parts_flags
        self._wanted = flags
        self._flags: int | None = None  # not before the service has opened the table
        self._dialogue = dialogue
        try:
            self._open()
        except TableTrouble as trouble:
            surroundings.warn(f"{trouble}; lookups fail until proxymap(8) answers")

    @property
    def is_pattern(self) -> bool:
        """As the service says; of a table that it has not opened yet nobody knows."""
        return self._flags is not None and bool(self._flags & PATTERN_FLAG)

    def close(self) -> None:
        """Hang up; the next lookup makes a new connection."""
        self._dialogue.close()

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        octets = key_octets(self.title, key)
        if b"\0" in octets:
            return None
        try:
            if self._flags is None:
                self._open()
        except WrongConfiguration as fault:
            raise TableTrouble(str(fault)) from None
        status, value = self._look_up(octets)
        if status in (FOUND, NO_KEY):
            return value if status == FOUND else None
        if status == DENIED:
            self._flags = None
            raise TableTrouble(self._tell_denied())
        raise self._tell(status)

    def _open(self) -> None:
        """Raises `TableTrouble`, and `WrongConfiguration` where the service does not serve this table."""
        answer = self._ask(self._begin("open"))
        try:
            status, flags = answer.integer(b"status"), answer.integer(b"flags")
            answer.end()
        except MalformedAttributes as fault:
            raise self._distrust(fault) from None
        if status == DENIED:
            raise WrongConfiguration(self._tell_denied())
        if status != FOUND:
            raise self._tell(status)
        self._flags = flags

    def _look_up(self, key: bytes) -> tuple[int, str]:
        """The status of an answer, and the value in it."""
        question = self._begin("lookup")
        if self._parts_flags:
            question.append(("flags", self._flags or 0))
        answer = self._ask([*question, ("key", key)])
        try:
            status = answer.integer(b"status")
            if self._parts_flags:
                self._flags = answer.integer(b"flags")
            value = answer.text(b"value")
            answer.end()
        except MalformedAttributes as fault:
            raise self._distrust(fault) from None
        return status, value

    def _begin(self, request: str) -> list[tuple[str, Value]]:
        flags = "instance_flags" if self._parts_flags else "flags"
        return [("request", request), ("table", self._name), (flags, self._wanted)]

    def _ask(self, question: list[tuple[str, Value]]) -> Attributes:
        return self._dialogue.ask(encode_attributes(question), receive_list)

    def _distrust(self, fault: MalformedAttributes) -> TableTrouble:
        self.close()
        return TableTrouble(f"{self.title}: proxymap(8) gave an answer that makes no sense: {fault}")

    def _tell_denied(self) -> str:
        return f"{self.title}: proxymap(8) is not configured for this table: list it in proxy_read_maps, or drop proxy:"

    def _tell(self, status: int) -> TableTrouble:
        return TableTrouble(f"{self.title}: proxymap(8): {_TROUBLES.get(status, f'unexpected status {status}')}")


def receive_list(dialogue: Dialogue) -> Attributes:
    """The next list.  Questions and answers alternate, so nothing may come behind it."""
    reader = AttributeReader()
    try:
        while (found := reader.take()) is None:
            reader.feed(dialogue.read_some())
    except MalformedAttributes as fault:
        raise MalformedAnswer(str(fault)) from None
    if reader.pending_octets:
        raise MalformedAnswer("more than was asked for")
    return found


def _greet(dialogue: Dialogue) -> None:
    try:
        announced = receive_list(dialogue).text(b"protocol")
    except MalformedAttributes as fault:
        raise MalformedAnswer(str(fault)) from None
    if announced != PROTOCOL:
        raise MalformedAnswer(f"it speaks {announced[:60]!r} and not {PROTOCOL}")
