"""Header and body checks: tables that may change what is sent (header_checks(5), `smtp_header_checks`).

A table sees a whole header field with its line breaks as bare LF, or a record of the body (see `records`), and answers with
an action.  The actions of a client:

============================  ========================================================
WARN, INFO                    tell, send unchanged
DUNNO, OK                     send unchanged
REPLACE text                  send the text instead
PREPEND text                  send the text, then what was there
STRIP, IGNORE                 send nothing; STRIP tells
============================  ========================================================

Anything else, and a text that would be no header field, is warned of and changes nothing.

Octets that are no UTF-8 pass through the tables as lone surrogates.  Text from a table is put into lines: whatever it says, it
cannot bring a bare CR, a bare LF or a NUL into the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from mailrider.content.canonical import canonicalize
from mailrider.content.fields import FIELD_BEGINNING, MIME_FIELDS, Place
from mailrider.errors import TableTrouble

Lookup = Callable[[str], str | None]
"""A table: key to value, or None for no entry.  Raises `errors.TableTrouble`."""

Tell = Callable[[str], None]
"""Takes a line for the log."""

TOLD_LIMIT_OCTETS = 60
"""How much of a field or record goes to the log (Postfix 3.7; later releases show 200)."""

_HEADER = "header"
_BODY = "body"


class Check(NamedTuple):
    """One table and the parameter that names it."""

    lookup: Lookup
    parameter: str


class Verdict(NamedTuple):
    """What is to be sent: `before`, in front of it, and `text`; None where nothing is."""

    text: bytes | None
    before: bytes | None = None


class Checks:
    """All the tables of a transport.  `report` hears what was done to the message, `warn` what is wrong in a table."""

    __slots__ = ("_body", "_headers", "_report", "_warn", "has_body", "has_headers")

    def __init__(self, headers: dict[Place, Check], body: Check | None, report: Tell, warn: Tell) -> None:
        self._headers = headers
        self._body = body
        self._report = report
        self._warn = warn
        self.has_headers = bool(headers)
        self.has_body = body is not None

    def judge_field(self, place: Place, name: bytes, field: bytes) -> Verdict:
        """Look a header field up in the table of its class.  `name` is empty for a field that we have made."""
        check = self._headers.get(Place.PART if name in MIME_FIELDS else place)
        return Verdict(field) if check is None else self._judge(check, _HEADER, field)

    def judge_record(self, text: bytes) -> Verdict:
        """Look a record of the body up."""
        return Verdict(text) if self._body is None else self._judge(self._body, _BODY, text)

    def _judge(self, check: Check, where: str, text: bytes) -> Verdict:
        key = text.partition(b"\0")[0]  # a C string ends there, and so does what Postfix's tables see
        if not key:
            return Verdict(text)
        answer = check.lookup(key.decode("utf-8", "surrogateescape"))
        if answer is None:
            return Verdict(text)
        if not answer:
            raise TableTrouble(f"{check.parameter}: the action is empty")
        return self._act(check, where, text, answer)

    def _act(self, check: Check, where: str, text: bytes, answer: str) -> Verdict:
        action, argument = _split_action(answer)
        if action in ("WARN", "INFO"):
            self._tell("warning" if action == "WARN" else "info", where, text, argument)
        elif action in ("REPLACE", "PREPEND"):
            if self._is_fit(check, where, action, argument):
                self._tell(action.lower(), where, text, argument)
                made = _encode(argument)
                return Verdict(made) if action == "REPLACE" else Verdict(text, made)
        elif action == "STRIP":
            self._tell("strip", where, text, argument)
            return Verdict(None)
        elif action == "IGNORE":
            return Verdict(None)
        elif action not in ("DUNNO", "OK"):
            self._warn(f"unsupported command in {check.parameter} map: {answer}")
        return Verdict(text)

    def _is_fit(self, check: Check, where: str, action: str, argument: str) -> bool:
        """Whether this text may take the place of a field or record."""
        if not argument:
            self._warn(f"{action} action without text in {check.parameter} map")
            return False
        if where == _HEADER and not FIELD_BEGINNING.match(_encode(argument)):
            self._warn(f'bad {action} header text "{argument}" in {check.parameter} map -- need "headername: headervalue"')
            return False
        return True

    def _tell(self, action: str, where: str, text: bytes, argument: str) -> None:
        shown = text.partition(b"\0")[0][:TOLD_LIMIT_OCTETS].decode("utf-8", "surrogateescape")
        self._report(f"{action}: {where} {shown}: {argument}" if argument else f"{action}: {where} {shown}")


def _ignore(text: str) -> None:
    """Nobody listens."""


NO_CHECKS = Checks({}, None, _ignore, _ignore)


_ACTION = re.compile(r"([^ \t]*)[ \t\n\v\f\r]*(.*)", re.DOTALL)


def _split_action(answer: str) -> tuple[str, str]:
    match = _ACTION.match(answer)
    assert match is not None
    word = match[1]
    return word.upper() if word.isascii() else word, match[2]


def _encode(text: str) -> bytes:
    """A text from a table as lines, with bare LF between them."""
    octets = text.encode("utf-8", "surrogateescape").replace(b"\0", b"")
    return canonicalize(octets)[:-2].replace(b"\r\n", b"\n")
