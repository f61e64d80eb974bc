"""`tcp:host:port`: a server that is asked line by line (tcp_table(5)).

A question is `get key`, an answer `200 value`, `500 text` for a miss, or `400 text` for trouble; keys and values have `%XX` for
a percent sign, blanks, and what is not printable ASCII.  An answer has 4,096 characters at most.

What differs from Postfix: there is one new attempt where a kept connection turns out to be broken, instead of ten with
pauses of a second between them; and the time limit is for the lookup as a whole.
"""

from __future__ import annotations

import re
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.dialogue import Dialogue, Endpoint, MalformedAnswer, show_octets
from mailrider.tables.source import Surroundings, key_octets

LINE_LIMIT_OCTETS: Final = 4096
"""tcp_table(5)."""

_STATUS_OCTETS: Final = 4
"""Three digits and a blank, before the text of an answer."""

_UNSAFE = re.compile(rb"[^!-$&-~]")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})?")


class TcpTable:
    """`tcp:`."""

    is_pattern = True

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"tcp:{name}"
        try:
            endpoint = Endpoint(name)
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}; write tcp:host:port") from None
        if endpoint.path:
            raise WrongConfiguration(f"{self.title}: write tcp:host:port")
        self._dialogue = Dialogue(self.title, endpoint, surroundings.now_seconds, surroundings.time_limit_seconds)

    def close(self) -> None:
        """Hang up; the next lookup makes a new connection."""
        self._dialogue.close()

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        octets = key_octets(self.title, key)
        if b"\0" in octets:
            return None
        answer = self._dialogue.ask(b"get %b\n" % quote(octets), _read_answer)
        if answer[:1] == b"5":
            return None
        if answer[:1] == b"4":
            self._dialogue.close()
            raise TableTrouble(f"{self.title}: the server answered {show_octets(answer)}")
        try:
            return unquote(answer[_STATUS_OCTETS:]).partition(b"\0")[0].decode()
        except UnicodeDecodeError:
            raise TableTrouble(f"{self.title}: the server answered what is no UTF-8: {show_octets(answer)}") from None


def _read_answer(dialogue: Dialogue) -> bytes:
    """A line that makes sense."""
    line = dialogue.read_line(LINE_LIMIT_OCTETS)
    if not line[:3].isdigit() or not line[3:4].isspace() or line[:1] not in b"245":
        raise MalformedAnswer(show_octets(line))
    try:
        unquote(line[_STATUS_OCTETS:])
    except ValueError:
        raise MalformedAnswer(show_octets(line)) from None
    return line


def quote(octets: bytes) -> bytes:
    """`octets` with `%XX` for what is unsafe in a line."""
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], octets)


def unquote(quoted: bytes) -> bytes:
    """What `quote` was given.  Raises `ValueError` for a percent sign without two digits."""

    def take(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("% without two hexadecimal digits")
        return bytes.fromhex(match[1].decode("ascii"))

    return _QUOTED.sub(take, quoted)
