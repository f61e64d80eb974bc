"""One message while it comes over the wire: its text decoded, its header completed, its size watched.

Pieces go to the door as they come.  Once something is wrong with a message it is dropped there, and what is still to come is
read and forgotten, because the client cannot be told before its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailrider.content.completion import is_all_header
from mailrider.intake.decoding import ChunkedText, DottedText
from mailrider.intake.heading import HEADER_LIMIT_OCTETS, Heading, find_end

TOO_LARGE = "552 5.3.4 Error: message file too big"
HEADER_TOO_LARGE = "552 5.3.4 Error: message header too big"
TOO_MANY_HOPS = "554 5.4.0 Error: too many hops"


class Limits(NamedTuple):
    """`size_octets` 0: any size.  `bare_lf_refusal` empty: bare line feeds are made whole."""

    size_octets: int
    hops: int
    bare_lf_refusal: str = ""


class Sink(NamedTuple):
    """Where the message goes.  `head` makes a heading and opens the message at the door."""

    head: Callable[[bytes], Heading]
    add: Callable[[bytes], None]
    drop: Callable[[], None]


class IncomingMessage:
    """`chunked`: it comes by BDAT.  `refusal` is the reply that it has earned, empty while all is well.

    `size_octets`: what has come of it.
    """

    __slots__ = ("_chunks", "_dotted", "_gathered", "_has_begun", "_limits", "_sink", "message_id", "refusal", "size_octets")

    def __init__(self, limits: Limits, sink: Sink, *, chunked: bool) -> None:
        self._limits = limits
        self._sink = sink
        self._dotted = None if chunked else DottedText()
        self._chunks = ChunkedText() if chunked else None
        self._gathered = bytearray()
        self._has_begun = False
        self.size_octets = 0
        self.refusal = ""
        self.message_id = ""

    def feed_dotted(self, octets: bytes) -> bytes | None:
        """Take a piece of DATA; what follows the end of the message, or None where that has not come."""
        assert self._dotted is not None
        decoded = self._dotted.feed(octets)
        if self._dotted.has_bare_lf and self._limits.bare_lf_refusal:
            self.refuse(self._limits.bare_lf_refusal)
        self._take(decoded.text)
        return decoded.rest

    def feed_chunk(self, octets: bytes) -> None:
        """Take a piece of a chunk."""
        assert self._chunks is not None
        text = self._chunks.feed(octets)
        if self._chunks.has_bare_lf and self._limits.bare_lf_refusal:
            self.refuse(self._limits.bare_lf_refusal)
        self._take(text)

    def finish(self) -> None:
        """The end has come: hand over what is left."""
        if self._chunks is not None:
            self._take(self._chunks.finish())
        if not self._has_begun and not self.refusal:
            self._begin(len(self._gathered))

    def refuse(self, reply: str) -> None:
        """It will not be taken, for the first reason that was found."""
        if self.refusal:
            return
        self.refusal = reply
        self._gathered = bytearray()
        if self._has_begun:
            self._sink.drop()

    def _take(self, text: bytes) -> None:
        if self.refusal or not text:
            return
        self.size_octets += len(text)
        if self._limits.size_octets and self.size_octets > self._limits.size_octets:
            self.refuse(TOO_LARGE)
        elif self._has_begun:
            self._sink.add(text)
        else:
            searched = len(self._gathered)
            self._gathered += text
            end = find_end(self._gathered, searched)
            if end >= 0:
                self._begin(end)
            elif len(self._gathered) > HEADER_LIMIT_OCTETS:
                if is_all_header(bytes(self._gathered)):
                    self.refuse(HEADER_TOO_LARGE)  # a guess where it ends could show a Bcc to everybody
                else:
                    self._begin(len(self._gathered))

    def _begin(self, header_octets: int) -> None:
        gathered, self._gathered = bytes(self._gathered), bytearray()
        heading = self._sink.head(gathered[:header_octets])
        self._has_begun = True
        self.message_id = heading.message_id
        if heading.hops >= self._limits.hops:
            self.refuse(TOO_MANY_HOPS)
            return
        self._sink.add(heading.octets)
        if header_octets < len(gathered):
            self._sink.add(gathered[header_octets:])
