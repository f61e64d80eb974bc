"""Running a message through the walk, in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterator

from mailrider.content.checks import NO_CHECKS
from mailrider.content.editing import MessageEditor
from mailrider.content.fields import Place
from mailrider.content.mime import DEFAULT_LIMITS, Limits, Walk


class FieldLog(MessageEditor):
    """An editor that looks at every field, and remembers where it stood."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        super().__init__(NO_CHECKS, None, [].append)
        self.takes_fields_as_they_are = False
        self.fields: list[tuple[Place, bytes, bytes]] = []

    def write_field(self, place: Place, name: bytes, field: bytes) -> None:
        self.fields.append((place, name, field))
        super().write_field(place, name, field)


def walk(
    message: bytes,
    *,
    converts: bool = True,
    parses_mime: bool = True,
    piece_octets: int = 1 << 30,
    limits: Limits = DEFAULT_LIMITS,
    editor: MessageEditor | None = None,
) -> bytes:
    """What comes out of the walk."""
    editor = editor or MessageEditor(NO_CHECKS, None, [].append, limits.record_limit_octets)
    walker = Walk(editor, parses_mime=parses_mime, converts=converts, limits=limits)
    for start in range(0, len(message), piece_octets):
        walker.feed(message[start : start + piece_octets])
    walker.finish()
    return editor.take()


class Content:
    """A message in pieces of a given size, which counts how many have been asked for."""

    def __init__(self, octets: bytes, piece_octets: int = 1 << 30) -> None:
        self._octets = octets
        self._piece_octets = piece_octets
        self.size_octets = len(octets)
        self.asked = 0

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._octets), self._piece_octets):
            self.asked += 1
            yield self._octets[start : start + self._piece_octets]


def lines(*texts: bytes) -> bytes:
    """Lines of a message."""
    return b"".join([text + b"\r\n" for text in texts])
