"""Fitting a message to one server: what smtp(8) does to it before a server that can take less, or for the operator.

A message that needs nothing is not looked at but for its dots and its long lines.  Otherwise it is walked through once (see
`mime`), in the course of which 8-bit parts are made quoted-printable, tables are asked about header fields and body
lines, and addresses are rewritten.  Memory stays bounded whatever the message, and so does the time for each octet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from mailrider.content.address_fields import Rewrite
from mailrider.content.checks import NO_CHECKS, Check, Checks, Lookup
from mailrider.content.editing import MessageEditor
from mailrider.content.fields import Place
from mailrider.content.lines import LINE_LENGTH_LIMIT_OCTETS, prepare_lines
from mailrider.content.mime import DEFAULT_LIMITS, Limits, Walk, passes_unchanged
from mailrider.errors import LocalDataError, TableTrouble
from mailrider.model.request import Content

SLICE_OCTETS = 64 * 1024
"""A message that comes in larger pieces is taken in slices: they cost little memory and stay in the cache of the processor."""


def ignore(text: str) -> None:
    """For those who hear nothing."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """What is to be done to a message.

    `downgrade`: the server takes 7-bit text only (no 8BITMIME) and the message may be more.  The checks and `generic` are
    tables, None where none is configured; `generic` does the whole search of an address (`generic.Generic.rewrite`).
    `prepend` are header fields without line ends.  `line_limit_octets` 0 means no limit.  `prefix` is `smtp` or `lmtp`, for
    the names of parameters.

    `report` hears what was done to this message, one log line each, as in `replace: header Subject: old: Subject: new`;
    `warn` hears what is wrong in a table.  Both may get characters that are not printable.
    """

    downgrade: bool = False
    line_limit_octets: int = LINE_LENGTH_LIMIT_OCTETS
    header_checks: Lookup | None = None
    mime_header_checks: Lookup | None = None
    nested_header_checks: Lookup | None = None
    body_checks: Lookup | None = None
    generic: Rewrite | None = None
    prepend: tuple[bytes, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    prefix: str = "smtp"
    report: Callable[[str], None] = ignore
    warn: Callable[[str], None] = ignore

    @property
    def has_checks(self) -> bool:
        """Whether a header or body check is configured."""
        return self.body_checks is not None or self.has_header_checks

    @property
    def has_header_checks(self) -> bool:
        """Whether any of the header checks is."""
        return self.header_checks is not None or self.mime_header_checks is not None or self.nested_header_checks is not None

    @property
    def walks(self) -> bool:
        """Whether the message has to be looked at."""
        return self.downgrade or self.generic is not None or self.has_checks


def fit_content(content: Content, fitting: Fitting, *, stuff: bool = True) -> Iterator[bytes]:
    """The message as it goes on the wire, in pieces: CRLF, dots stuffed, lines folded, without the final dot.

    `stuff` is off for BDAT.  Asking for a piece raises `ContentUnreadable` where the content does, `UnsuitableContent` where
    the message cannot be converted, and `LocalDataError` where a table could not answer.  What has been sent by then must
    not be ended as a message.
    """
    chunks = content.chunks()
    if fitting.walks:
        chunks = _walk(chunks, fitting)
    elif fitting.prepend:
        chunks = chain((_lines_of(fitting.prepend),), chunks)
    limit = fitting.line_limit_octets

    def tell_of_folding() -> None:
        fitting.report(f"breaking line > {limit} bytes with <CR><LF>SPACE")

    return prepare_lines(chunks, limit, stuff=stuff, when_folded=tell_of_folding)


def _lines_of(fields: tuple[bytes, ...]) -> bytes:
    return b"".join([field + b"\r\n" for field in fields])


def _walk(chunks: Iterator[bytes], fitting: Fitting) -> Iterator[bytes]:
    if fitting.generic is None and not fitting.prepend and not fitting.has_checks:
        beginning = next(chunks, b"")
        if passes_unchanged(beginning, fitting.limits):
            yield beginning
            yield from chunks
            return
        chunks = chain((beginning,), chunks)
    elif fitting.prepend:
        chunks = chain((_lines_of(fitting.prepend),), chunks)
    try:
        yield from _edit(chunks, fitting)
    except TableTrouble as cause:
        fitting.warn(str(cause))
        raise LocalDataError(str(cause)) from cause


def _edit(chunks: Iterator[bytes], fitting: Fitting) -> Iterator[bytes]:
    """Walk through the message; table trouble comes out as it is."""
    checks = _open_checks(fitting) if fitting.has_checks else NO_CHECKS
    editor = MessageEditor(checks, fitting.generic, fitting.warn, fitting.limits.record_limit_octets)
    walk = Walk(editor, parses_mime=fitting.downgrade or fitting.has_checks, converts=fitting.downgrade, limits=fitting.limits)
    last = b"\n"
    for piece in _slice(chunks):
        walk.feed(piece)
        if text := editor.take():
            last = text
            yield text
    walk.finish()
    if text := editor.take():
        last = text
        yield text
    if not last.endswith(b"\n"):
        yield b"\r\n"  # a check has swallowed the end of the last line


def _slice(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= SLICE_OCTETS:
            yield chunk
        else:
            for start in range(0, len(chunk), SLICE_OCTETS):
                yield chunk[start : start + SLICE_OCTETS]


def _open_checks(fitting: Fitting) -> Checks:
    tables = (
        (Place.PRIMARY, fitting.header_checks, "header_checks"),
        (Place.PART, fitting.mime_header_checks, "mime_header_checks"),
        (Place.NESTED, fitting.nested_header_checks, "nested_header_checks"),
    )
    prefix = fitting.prefix
    headers = {place: Check(table, f"{prefix}_{name}") for place, table, name in tables if table is not None}
    body = Check(fitting.body_checks, f"{prefix}_body_checks") if fitting.body_checks is not None else None
    return Checks(headers, body, fitting.report, fitting.warn)
