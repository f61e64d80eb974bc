"""What is done to fields and lines on their way out of the walk: checks, generic addresses, and nothing else.

The checks come first, then the addresses are rewritten in what the checks have left; a field that a check has put in the
place of another is treated as the one that it replaces.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.content.address_fields import Rewrite, rewrite_field
from mailrider.content.checks import Checks
from mailrider.content.fields import ADDRESS_FIELDS, Place
from mailrider.content.records import RECORD_LIMIT_OCTETS, cut_line, split_lines


class MessageEditor:
    """An `mime.Editor` that keeps what it was given, as text for the wire, until it is taken.

    Everything may raise `errors.TableTrouble`.
    """

    __slots__ = ("_checks", "_out", "_record_limit", "_rewrite", "_warn", "takes_fields_as_they_are")

    def __init__(
        self,
        checks: Checks,
        rewrite: Rewrite | None,
        warn: Callable[[str], None],
        record_limit_octets: int = RECORD_LIMIT_OCTETS,
    ) -> None:
        self._checks = checks
        self._rewrite = rewrite
        self._warn = warn
        self._record_limit = record_limit_octets
        self._out: list[bytes] = []
        self.takes_fields_as_they_are = rewrite is None and not checks.has_headers

    def take(self) -> bytes:
        """What has been written since the last time."""
        text = b"".join(self._out)
        self._out.clear()
        return text

    def write_field(self, place: Place, name: bytes, field: bytes) -> None:
        """See `mime.Editor`."""
        if self._checks.has_headers:
            verdict = self._checks.judge_field(place, name, field)
            if verdict.before is not None:
                self._write_text(verdict.before)
            if verdict.text is None:
                return
            field = verdict.text
        if self._rewrite is not None and place is Place.PRIMARY and name in ADDRESS_FIELDS:
            lines = rewrite_field(len(name), field, self._rewrite, self._warn)
            if lines is not None:
                field = b"\n".join(lines)
        self._write_text(field)

    def write_record(self, text: bytes, *, ended: bool) -> None:
        """See `mime.Editor`."""
        if not self._checks.has_body:
            self._out.append(text)
            if ended:
                self._out.append(b"\r\n")
            return
        verdict = self._checks.judge_record(text)
        if verdict.before is not None:
            self._write_text(verdict.before)
        if verdict.text is None:
            return
        self._out.append(text if verdict.text is text else verdict.text.replace(b"\n", b"\r\n"))
        if ended:
            self._out.append(b"\r\n")

    def write_lines(self, block: bytes) -> None:
        """See `mime.Editor`."""
        if not self._checks.has_body:
            self._out.append(block)
            return
        for line in split_lines(block):
            if len(line) < self._record_limit:
                self.write_record(line, ended=True)
            else:
                for record in cut_line(line, self._record_limit):
                    self.write_record(record.text, ended=record.ended)

    def pass_lines(self, block: bytes) -> None:
        """See `mime.Editor`."""
        self._out.append(block)

    def _write_text(self, text: bytes) -> None:
        self._out.append(text.replace(b"\n", b"\r\n") + b"\r\n")
