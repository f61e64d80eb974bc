"""The result rows of `mailrider deliver`: one JSON object per recipient and line, in the order of the request.

Rows of one message are written together as soon as those of all messages before it have been.  Keys::

    {"message": 1, "recipient": "b@dest.example", "status": "sent", "dsn": "2.0.0",
     "relay": "mx1.dest.example[192.0.2.1]:25", "text": "250 2.0.0 Ok", "conn_use": 1, "action": "relayed"}

`message` counts from 1 and is there in a batch only.  `in_doubt` is there, and true, where the message may have been
delivered although it counts as deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring

from mailrider.model.outcome import Outcome, Status, defer_for_transport

_quote: Callable[[str], str] = encode_basestring
"""A text as JSON has it: quoted, with escapes for what must have them.  A whole encoder would cost five times as much."""


# Looking up a member of an Enum is dear until Python 3.12, and a row is made for every recipient.
_SENT, _DELIVERABLE, _DEFERRED = Status.SENT, Status.DELIVERABLE, Status.DEFERRED


class Rows:
    """Writes rows in order, and keeps count for the exit code."""

    __slots__ = ("_held", "_next", "_numbered", "_write", "bounced", "deferred", "sent")

    def __init__(self, write: Callable[[str], None], *, numbered: bool) -> None:
        self._write = write
        self._numbered = numbered
        self._next = 0
        self._held: dict[int, list[str]] = {}
        self.sent = self.deferred = self.bounced = 0

    def add(self, position: int, given: Sequence[str], outcomes: Sequence[Outcome | None], best_mx: str) -> None:
        """The outcomes of the message at `position`, counted from 0.  `best_mx` explains outcomes that are None."""
        rows = [
            self._row(position, recipient, outcome if outcome is not None else defer_for_transport(best_mx))
            for recipient, outcome in zip(given, outcomes, strict=True)
        ]
        if position != self._next:
            self._held[position] = rows
            return
        ready: list[str] | None = rows
        while ready is not None:
            for row in ready:
                self._write(row)
            self._next += 1
            ready = self._held.pop(self._next, None)

    def _row(self, position: int, recipient: str, outcome: Outcome) -> str:
        status = outcome.status
        if status is _SENT or status is _DELIVERABLE:
            self.sent += 1
        elif status is _DEFERRED:
            self.deferred += 1
        else:
            self.bounced += 1
        number = f'"message": {position + 1}, ' if self._numbered else ""
        doubt = ', "in_doubt": true' if outcome.in_doubt else ""
        return (
            f'{{{number}"recipient": {_quote(recipient)}, "status": "{status._value_}", "dsn": {_quote(outcome.status_code)}, '
            f'"relay": {_quote(outcome.relay)}, "text": {_quote(outcome.text)}, '
            f'"conn_use": {outcome.connection_use}, "action": "{outcome.action._value_}"{doubt}}}'
        )
