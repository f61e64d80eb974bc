"""`socketmap:inet:host:port:name` and `socketmap:unix:/path:name`: Sendmail's protocol (socketmap_table(5)).

Questions and answers are netstrings: `name key`, and `OK value`, `NOTFOUND`, or `TEMP`, `TIMEOUT` or `PERM` with a reason,
all three of which are trouble.  An answer has 100,000 octets at most; a key of more is in no such table.

What differs from Postfix: the time limit is for the lookup as a whole, and tables at one server have a connection each.
"""

from __future__ import annotations

import re
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.dialogue import Dialogue, Endpoint, MalformedAnswer, show_octets
from mailrider.tables.source import Surroundings, key_octets

SIZE_LIMIT_OCTETS: Final = 100_000
"""Of a question and of an answer, as for Postfix."""

_LENGTH_DIGITS: Final = 7
"""What the head of a netstring may have: the six digits of `SIZE_LIMIT_OCTETS` and a colon."""

_LENGTH = re.compile(rb"0|[1-9][0-9]{0,5}")

_TROUBLE: Final = {b"TEMP": "temporary error", b"TIMEOUT": "timeout", b"PERM": "permanent error"}


class SocketmapTable:
    """`socketmap:`."""

    is_pattern = True

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"socketmap:{name}"
        server, colon, self._map = name.rpartition(":")
        if not colon or not self._map or not server.startswith(("inet:", "unix:")):
            raise WrongConfiguration(f"{self.title}: write socketmap:inet:host:port:name or socketmap:unix:/path:name")
        try:
            endpoint = Endpoint(server)
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}") from None
        self._dialogue = Dialogue(self.title, endpoint, surroundings.now_seconds, surroundings.time_limit_seconds)

    def close(self) -> None:
        """Hang up; the next lookup makes a new connection."""
        self._dialogue.close()

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        octets = key_octets(self.title, key)
        if len(octets) > SIZE_LIMIT_OCTETS:
            return None
        question = key_octets(self.title, self._map) + b" " + octets
        answer = self._dialogue.ask(b"%d:%b," % (len(question), question), _read_answer)
        word, _, text = answer.partition(b" ")
        if word == b"NOTFOUND":
            return None
        if word == b"OK":
            try:
                return text.partition(b"\0")[0].decode()
            except UnicodeDecodeError:
                raise TableTrouble(f"{self.title}: the server answered what is no UTF-8: {show_octets(answer)}") from None
        kind = _TROUBLE.get(word, "unknown error")
        raise TableTrouble(f"{self.title}: {kind} of the server: {show_octets(answer)}")


def _read_answer(dialogue: Dialogue) -> bytes:
    """The text of a netstring."""
    head = b""
    while not head.endswith(b":"):
        if len(head) >= _LENGTH_DIGITS:
            raise MalformedAnswer(show_octets(head))
        head += dialogue.read_exactly(1)
    if _LENGTH.fullmatch(head[:-1]) is None or int(head[:-1]) > SIZE_LIMIT_OCTETS:
        raise MalformedAnswer(f"a netstring of length {show_octets(head[:-1])}")
    text = dialogue.read_exactly(int(head[:-1]))
    if dialogue.read_exactly(1) != b",":
        raise MalformedAnswer("a netstring without a comma at its end")
    return text
