"""Server replies: an incremental, bounded parser (RFC 5321 §4.2).

The parser takes bytes as they come and returns the replies that have ended.  It believes nothing:

* A line ends with LF; any CR before it is dropped.  Text after a NUL is dropped, as in smtp(8).
* A line that is not three digits followed by a blank, a hyphen or its end is *garbage*: kept in the text, noted, and
  not an end of the reply.  The last line gives the code.
* A line longer than `line_length_limit` is cut; once the text of a reply is longer than that, further lines are read but
  not kept.
* A reply may not hold more than `REPLY_LIMIT_OCTETS` in all, kept or not: `errors.PeerBabbles`.

Code and status are those of the last line; an enhanced code counts only if its class is that of the reply (RFC 2034 §4).
Text is decoded on demand, with everything that a terminal or a log could choke on replaced by `?`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import NamedTuple

from mailrider.errors import LocalDataError, PeerBabbles
from mailrider.model import status as status_code

LINE_LIMIT_OCTETS = 2048
"""Default of `line_length_limit`."""

REPLY_LIMIT_OCTETS = 8 * 1024 * 1024
"""What one reply may hold altogether.  Greetings of 20,000 lines have been seen (0.6 MB); nobody needs more."""

LINE_COST_OCTETS = 32
"""What a line of an odd reply counts beside its text: eight million empty lines would keep the processor busy for long."""

KNOWN_LINES_LIMIT = 16
"""Replies that are remembered: a server says the same words to the same command, so most replies need no second look."""

KNOWN_LINE_LIMIT_OCTETS = 128
"""Longer ones are not remembered, so that an idle connection stays small."""

# Controls, and the separators that some log readers take for line ends.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIGITS = re.compile(rb"[0-9]+")


def _replace_with_question_marks(error: UnicodeError) -> tuple[str, int]:
    """One `?` for each octet that is not part of a UTF-8 character, then go on with the next octet."""
    assert isinstance(error, UnicodeDecodeError)
    return "?", error.start + 1


codecs.register_error("mailrider.printable", _replace_with_question_marks)


def make_printable(octets: bytes, *, utf8: bool = True) -> str:
    """Decode `octets` for people: unprintable characters become `?`; UTF-8 stays where `utf8` is on."""
    if octets.isascii():
        text = octets.decode("ascii")
        return text if text.isprintable() else _UNPRINTABLE.sub("?", text)
    if not utf8:
        octets = bytes(octet if octet < 0x80 else 0x3F for octet in octets)
    return _UNPRINTABLE.sub("?", octets.decode("utf-8", "mailrider.printable"))


class Reply:
    """One reply.

    `code` is the number on its last line, `octets` the lines that were kept, `garbled` tells that garbage stands among
    them.  `last` is the last line, which decides the status even where the text was full before it came.
    """

    __slots__ = ("_status", "_text", "code", "garbled", "last", "octets")

    def __init__(self, code: int, octets: tuple[bytes, ...], last: bytes, garbled: bool = False) -> None:
        self.code = code
        self.octets = octets
        self.last = last
        self.garbled = garbled
        self._status: str | None = None
        self._text: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines with their codes, printable."""
        return tuple(make_printable(line) for line in self.octets)

    @property
    def text(self) -> str:
        """All lines in one, joined by blanks: what the log shows."""
        if self._text is None:
            self._text = make_printable(self.octets[0]) if len(self.octets) == 1 else " ".join(self.lines)
        return self._text

    @property
    def status(self) -> str:
        """The enhanced status code: the server's, or one made from the class of its code."""
        if self._status is None:
            self._status = _status_of(self.last)
        return self._status

    @property
    def is_syntax_complaint(self) -> bool:
        """True where the peer says, or shows, that one of us is not speaking the protocol (RFC 5321 §4.2.1, x0z)."""
        return not 400 <= self.code <= 599 or 500 <= self.code < 510 or self.code == 555

    def __repr__(self) -> str:
        return f"<Reply {self.text}>"


def _status_of(last: bytes) -> str:
    """The enhanced status code of a reply by its last line."""
    digit = last[:1].decode("latin-1")
    if digit not in ("2", "4", "5"):
        return status_code.PROTOCOL_ERROR
    given = status_code.parse_status(make_printable(last[3:]).lstrip(" "))
    return given if given is not None and given[0] == digit else status_code.of_reply_class(digit)


class GarbageLine(NamedTuple):
    """A line without a reply code was seen."""

    line: str


class LineCut(NamedTuple):
    """A line was longer than the limit."""

    beginning: str


class ReplyCut(NamedTuple):
    """A multi-line reply was longer than the limit."""

    beginning: str


class LineReplaced(NamedTuple):
    """The reply filter put another line in its place."""

    original: str
    replacement: str


Note = GarbageLine | LineCut | ReplyCut | LineReplaced

BEGINNING_CHARACTERS = 30
"""How much of an overlong text a note shows."""

NOTES_LIMIT = 100
"""Notes on one reply.  A reply may hold four million lines of garbage, and nobody reads so much about it."""


class ReplyParser:
    """Turns bytes into replies.  `notes` collects what was odd; whoever feeds it empties the list.

    `rewrite` is `smtp_reply_filter`: it is given each line, printable, and returns another in its place or None.  `trouble`:
    what it raised, if it did.
    """

    __slots__ = (
        "_garbled", "_kept_octets", "_known", "_limit", "_lines", "_noted", "_overflowed", "_partial", "_total_octets", "_utf8",
        "notes", "rewrite", "trouble",
    )  # fmt: skip

    def __init__(
        self,
        limit_octets: int = LINE_LIMIT_OCTETS,
        *,
        utf8: bool = True,
        rewrite: Callable[[str], str | None] | None = None,
    ) -> None:
        self._limit = limit_octets
        self._utf8 = utf8
        self.rewrite = rewrite
        self.trouble: LocalDataError | None = None
        self.notes: list[Note] = []
        self._partial = b""  # the beginning of a line, at most the limit and one more octet
        self._known: dict[bytes, Reply] = {}  # replies of one line that have come before
        self._lines: list[bytes] = []  # the lines of the current reply
        self._kept_octets = 0
        self._total_octets = 0
        self._garbled = False  # there is garbage in the current reply
        self._overflowed = False  # its text is full
        self._noted = 0  # how much was noted about it

    @property
    def is_between_replies(self) -> bool:
        """True when no reply has begun."""
        return not self._partial and not self._lines and not self._total_octets

    @property
    def begun(self) -> tuple[str, ...]:
        """The lines of a reply that has not ended, printable."""
        return tuple(make_printable(line) for line in self._lines)

    def forget(self) -> None:
        """Begin anew: a reply that has begun never was."""
        self._partial = b""
        self._lines = []
        self._kept_octets = self._total_octets = self._noted = 0
        self._garbled = self._overflowed = False
        self.notes.clear()

    def feed(self, data: bytes) -> list[Reply]:
        """Take octets, return the replies that they complete.  Raises `PeerBabbles` past `REPLY_LIMIT_OCTETS`.

        Where `rewrite` fails, the replies in front of that line come back all the same, and `trouble` is set; it is for the
        next reply.  Nothing more is to be fed then.
        """
        lines = data.split(b"\n")
        if self._partial:
            lines[0] = self._partial + lines[0]
        rest = lines.pop()
        known = self._known if self.rewrite is None else {}
        replies: list[Reply] = []
        try:
            for line in lines:
                reply = None if self._total_octets else known.get(line)
                if reply is None:
                    reply = self._take_line(line)
                if reply is not None:
                    replies.append(reply)
        except LocalDataError as trouble:
            self.trouble = trouble
            return replies
        self._keep_rest(rest)
        return replies

    def _take_line(self, line: bytes) -> Reply | None:
        """Take a line that is not known yet; return the reply if that ends it."""
        stripped = line.rstrip(b"\r")
        # The common line: it ends a reply of one line, and nothing about it is odd.
        if (
            stripped[3:4] == b" "
            and not self._total_octets
            and stripped[:3].isdigit()
            and len(line) <= self._limit
            and self.rewrite is None
            and (self._utf8 or stripped.isascii())
            and b"\0" not in stripped
        ):
            reply = Reply(int(stripped[:3]), (stripped,), stripped)
            if len(line) <= KNOWN_LINE_LIMIT_OCTETS:
                if len(self._known) >= KNOWN_LINES_LIMIT:
                    self._known.clear()
                self._known[line] = reply
            return reply
        return self._take_odd_line(stripped, len(line))

    def _keep_rest(self, rest: bytes) -> None:
        """Remember the beginning of an unfinished line, and count what is dropped.

        One octet behind the limit stays, as a sign that the line is too long: the first that is no CR, since CRs may turn out
        to belong to the line end.
        """
        limit = self._limit
        if len(rest) > limit:
            kept = rest[:limit] + rest[limit:].lstrip(b"\r")[:1]
            self._count(len(rest) - len(kept))
            rest = kept
        self._partial = rest

    def _count(self, octets: int) -> None:
        self._total_octets += octets
        if self._total_octets > REPLY_LIMIT_OCTETS:
            raise PeerBabbles(f"a reply of more than {REPLY_LIMIT_OCTETS} octets")

    def _take_odd_line(self, line: bytes, length_octets: int) -> Reply | None:
        """Add one line to the reply; return the reply if that ends it."""
        self._count(length_octets + LINE_COST_OCTETS)
        cut = len(line) > self._limit
        line = line[: self._limit].partition(b"\0")[0]
        if not self._utf8:
            line = make_printable(line, utf8=False).encode("ascii")
        if cut:
            self._note(LineCut(make_printable(line)[:BEGINNING_CHARACTERS]))
        line = self._filter(line)
        self._store(line)
        number = _DIGITS.match(line)
        digits = number.end() if number else 0
        if digits == 3 and line[3:4] == b"-":
            return None
        if digits == 3 and line[3:4] in (b" ", b""):
            return self._finish(line)
        self._garbled = True
        if self._noted < NOTES_LIMIT:
            self._note(GarbageLine(make_printable(line)))
        return None

    def _note(self, note: Note) -> None:
        self._noted += 1
        if self._noted <= NOTES_LIMIT:
            self.notes.append(note)

    def _filter(self, line: bytes) -> bytes:
        if self.rewrite is None:
            return line
        original = make_printable(line)
        try:
            replacement = self.rewrite(original)
        except LocalDataError:
            self._store(line)  # it was said, whatever is made of it
            raise
        if replacement is None:
            return line
        self._note(LineReplaced(original, replacement))
        return replacement.encode("utf-8", "surrogateescape")

    def _store(self, line: bytes) -> None:
        """Keep the line unless the text of the reply is past the limit already; empty ones in front of it are nothing."""
        if self._kept_octets <= self._limit:
            if line or self._lines:
                self._lines.append(line)
                self._kept_octets += len(line) + 1
        elif not self._overflowed:
            self._overflowed = True
            self.notes.append(ReplyCut(make_printable(b" ".join(self._lines))[:BEGINNING_CHARACTERS]))

    def _finish(self, last: bytes) -> Reply:
        reply = Reply(int(last[:3]), tuple(self._lines), last, self._garbled)
        self._lines = []
        self._kept_octets = self._total_octets = self._noted = 0
        self._garbled = self._overflowed = False
        return reply
