from __future__ import annotations

import io
import sys

import pytest

from mailrider.cli import standard_input
from mailrider.cli.standard_input import read_standard_input
from mailrider.errors import ContentUnreadable
from mailrider.spool.message import FileMessage, MemoryMessage, UnreadableMessage

TEXT = b"Subject: x\n\n" + b"a line\n" * 100
CANONICAL = TEXT.replace(b"\n", b"\r\n")


def give(monkeypatch: pytest.MonkeyPatch, raw: io.RawIOBase | io.BytesIO) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))  # type: ignore[arg-type]


def test_a_short_message_is_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, io.BytesIO(TEXT))
    message = read_standard_input()
    assert isinstance(message, MemoryMessage)
    assert b"".join(message.chunks()) == CANONICAL


@pytest.mark.parametrize("limit", [1, len(TEXT) - 1, len(TEXT)])
def test_a_long_message_can_be_read_again_and_again(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(standard_input, "HELD_OCTETS", limit)
    give(monkeypatch, io.BytesIO(TEXT))
    message = read_standard_input()
    assert isinstance(message, FileMessage)
    assert message.size_octets == len(CANONICAL)
    assert [b"".join(message.chunks()) for _ in range(2)] == [CANONICAL] * 2


def test_without_a_way_to_open_it_again_memory_has_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_input, "HELD_OCTETS", 10)
    monkeypatch.setattr(standard_input, "_DESCRIPTORS", standard_input.Path("/nonexistent"))
    give(monkeypatch, io.BytesIO(TEXT))
    message = read_standard_input()
    assert isinstance(message, MemoryMessage)
    assert b"".join(message.chunks()) == CANONICAL


class Breaking(io.RawIOBase):
    """Gives some octets, and then an error."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._octets:
            raise OSError(5, "Input/output error")
        count = min(len(buffer), len(self._octets))
        buffer[:count], self._octets = self._octets[:count], self._octets[count:]
        return count


@pytest.mark.parametrize("limit", [10, 10_000])
def test_what_cannot_be_read_to_its_end_is_no_message(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(standard_input, "HELD_OCTETS", limit)
    give(monkeypatch, Breaking(TEXT))
    message = read_standard_input()
    assert isinstance(message, UnreadableMessage)
    with pytest.raises(ContentUnreadable, match="cannot read standard input: Input/output error"):
        list(message.chunks())


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(standard_input, "HELD_OCTETS", 10)
    monkeypatch.setattr(standard_input.tempfile, "TemporaryFile", make)
    give(monkeypatch, io.BytesIO(TEXT))
    message = read_standard_input()
    with pytest.raises(ContentUnreadable, match="No space left"):
        list(message.chunks())
