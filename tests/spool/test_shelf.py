"""Messages that were read lately."""

import os
from pathlib import Path

import pytest

from mailrider.errors import MissingInput
from mailrider.spool import shelf as shelf_module
from mailrider.spool.message import FileMessage, MemoryMessage
from mailrider.spool.shelf import FRESH_SECONDS, MessageShelf


class Watch:
    """A clock that is set by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def write(path: Path, text: bytes, *, at_nanoseconds: int) -> str:
    path.write_bytes(text)
    os.utime(path, ns=(at_nanoseconds, at_nanoseconds))
    return str(path)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    shelf = MessageShelf(Watch())
    path = write(tmp_path / "m", b"Subject: a\n\nb\n", at_nanoseconds=1)
    assert shelf.read(path) is shelf.read(path)


def test_a_file_that_is_written_anew_is_read_anew_soon(tmp_path: Path) -> None:
    watch = Watch()
    shelf = MessageShelf(watch)
    path = write(tmp_path / "m", b"Subject: a\n", at_nanoseconds=1)
    first = shelf.read(path)
    write(tmp_path / "m", b"Subject: b\n", at_nanoseconds=2)
    watch.seconds += FRESH_SECONDS / 2
    assert shelf.read(path) is first
    watch.seconds += FRESH_SECONDS / 2
    second = shelf.read(path)
    assert isinstance(first, MemoryMessage)
    assert isinstance(second, MemoryMessage)
    assert (first.octets, second.octets) == (b"Subject: a\r\n", b"Subject: b\r\n")


def test_a_file_that_is_as_it_was_stays(tmp_path: Path) -> None:
    watch = Watch()
    shelf = MessageShelf(watch)
    path = write(tmp_path / "m", b"Subject: a\n", at_nanoseconds=1)
    first = shelf.read(path)
    watch.seconds += 2 * FRESH_SECONDS
    assert shelf.read(path) is first
    write(tmp_path / "m", b"Subject: b\n", at_nanoseconds=2)
    watch.seconds += FRESH_SECONDS / 2
    assert shelf.read(path) is first  # it was looked at just now


def test_a_file_that_is_written_anew_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "SHELF_LIMIT_OCTETS", 20)
    watch = Watch()
    shelf = MessageShelf(watch)
    kept = write(tmp_path / "kept", b"123456\n", at_nanoseconds=1)
    first = shelf.read(kept)
    for number in range(5):
        watch.seconds += 2 * FRESH_SECONDS
        shelf.read(write(tmp_path / "changing", b"123456\n", at_nanoseconds=number))
    assert shelf.read(kept) is first


def test_a_large_message_is_not_kept(tmp_path: Path) -> None:
    shelf = MessageShelf(Watch())
    path = write(tmp_path / "m", b"x" * 300 * 1024, at_nanoseconds=1)
    first = shelf.read(path)
    assert isinstance(first, FileMessage)
    assert shelf.read(path) is not first


def test_the_oldest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "SHELF_LIMIT_OCTETS", 20)
    shelf = MessageShelf(Watch())
    paths = [write(tmp_path / name, b"123456\n", at_nanoseconds=1) for name in "abc"]
    first, second, third = map(shelf.read, paths)
    assert shelf.read(paths[2]) is third
    assert shelf.read(paths[1]) is second
    assert shelf.read(paths[0]) is not first


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="No such file"):
        MessageShelf(Watch()).read(str(tmp_path / "gone"))
