from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from mailrider.errors import ContentUnreadable, MissingInput
from mailrider.model.request import Content
from mailrider.spool import message as message_module
from mailrider.spool.message import PIPE_LIMIT, FileMessage, MemoryMessage, UnreadableMessage, read_message

HEADER = b"Subject: x\nContent-Transfer-Encoding: 8bit\n\n"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits, so that small messages are large ones."""
    monkeypatch.setattr(message_module, "MEMORY_LIMIT_OCTETS", 100)
    monkeypatch.setattr(message_module, "CHUNK_OCTETS", 7)
    monkeypatch.setattr(message_module, "LOOK_OCTETS", 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "message"


def text_of(message: Content) -> bytes:
    return b"".join(message.chunks())


def write(path: Path, octets: bytes) -> str:
    path.write_bytes(octets)
    return str(path)


def test_a_message_in_memory_is_canonical() -> None:
    message = MemoryMessage(HEADER + b"a\r\nb")
    assert text_of(message) == b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\na\r\nb\r\n"
    assert text_of(message) == text_of(message)
    assert message.size_octets == len(text_of(message))
    assert message.labelled_8bit
    assert not MemoryMessage(b"Subject: x\n\ntext\n").labelled_8bit


@pytest.mark.parametrize("length", [0, 1, 99, 100])
def test_a_small_file_is_read_into_memory(path: Path, length: int) -> None:
    message = read_message(write(path, b"x" * length))
    assert isinstance(message, MemoryMessage)
    path.unlink()
    assert text_of(message) == (b"x" * length + b"\r\n" if length else b"")


@pytest.mark.parametrize("body", [b"a\nb\r\nc" * 20, b"a\r\r\r\n" * 30, b"x" * 101 + b"\r", b"\r" * 101, b"." * 98 + b"\n.\n"])
def test_a_large_file_is_streamed_each_time(path: Path, body: bytes) -> None:
    message = read_message(write(path, HEADER + body))
    assert isinstance(message, FileMessage)
    assert text_of(message) == MemoryMessage(HEADER + body).octets
    assert text_of(message) == MemoryMessage(HEADER + body).octets
    assert message.size_octets == len(text_of(message))


def test_the_label_of_a_large_file_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "CHUNK_OCTETS", 60)
    body = b"x" * 100
    assert read_message(write(path, HEADER + body)).labelled_8bit
    assert not read_message(write(path, b"Subject: x\n\n" + HEADER + body)).labelled_8bit
    monkeypatch.setattr(message_module, "HEADER_LOOK_OCTETS", 20)
    assert not read_message(write(path, HEADER + body)).labelled_8bit


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(MissingInput, match=r"cannot open message file .*: No such file or directory"):
        read_message(str(path))
    with pytest.raises(MissingInput, match=r"cannot read message file .*: No such file or directory"):
        FileMessage(str(path))


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(MissingInput, match=r"cannot open message file 'a\\x00b'"):
        read_message("a\0b")


def test_a_folder_is_no_message(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="Is a directory"):
        read_message(str(tmp_path))


def test_a_file_that_is_gone_when_it_is_needed(path: Path) -> None:
    message = read_message(write(path, b"x" * 200))
    path.unlink()
    with pytest.raises(ContentUnreadable, match="No such file"):
        text_of(message)


@pytest.mark.parametrize("octets", [b"", b"x" * 199, b"x" * 201, b"y" * 200])
def test_a_file_that_has_changed_since_it_was_measured(path: Path, octets: bytes) -> None:
    message = read_message(write(path, b"x" * 200))
    before = os.stat(path)
    path.write_bytes(octets)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    chunks = message.chunks()
    with pytest.raises(ContentUnreadable, match="has changed"):
        next(chunks)


def test_a_file_that_is_another_one_by_now(path: Path) -> None:
    message = read_message(write(path, b"x" * 200))
    before = os.stat(path)
    other = path.with_suffix(".new")
    write(other, b"y" * 200)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    with pytest.raises(ContentUnreadable, match="has changed"):
        text_of(message)


def test_a_file_that_changes_while_it_is_read(path: Path) -> None:
    message = read_message(write(path, b"x" * 200))
    chunks = message.chunks()
    assert next(chunks) == b"x" * 7
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(ContentUnreadable, match="has changed"):
        list(chunks)


def test_a_disk_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = read_message(write(path, b"x" * 200))

    class Broken:
        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *how: object) -> None:
            pass

        def fileno(self) -> int:
            return descriptor

        def read(self, octets: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def open_broken(*arguments: Any, **options: Any) -> Broken:
        return Broken()

    with path.open("rb") as file:
        descriptor = file.fileno()
        monkeypatch.setattr(message_module, "open", open_broken, raising=False)
        with pytest.raises(ContentUnreadable, match="Input/output error"):
            text_of(message)


def read_from_pipe(path: Path, *pieces: bytes) -> MemoryMessage | FileMessage:
    """What comes of a named pipe into which somebody writes."""
    os.mkfifo(path)

    def write_all() -> None:
        with path.open("wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)

    writer = threading.Thread(target=write_all)
    writer.start()
    try:
        return read_message(str(path))
    finally:
        writer.join()


def test_a_pipe_is_read_to_its_end(path: Path) -> None:
    message = read_from_pipe(path, b"Subject: x\n", b"\n", b"text\n")
    assert text_of(message) == b"Subject: x\r\n\r\ntext\r\n"


def test_a_pipe_cannot_be_read_twice_so_more_of_it_is_held_in_memory(path: Path) -> None:
    message = read_from_pipe(path, b"x" * 100 * PIPE_LIMIT)
    assert isinstance(message, MemoryMessage)
    assert text_of(message) == b"x" * 100 * PIPE_LIMIT + b"\r\n"


def test_a_pipe_without_end_is_refused(path: Path) -> None:
    with pytest.raises(MissingInput, match="not a plain file and too large"):
        read_from_pipe(path, b"x" * (100 * PIPE_LIMIT + 1))


def test_a_message_that_is_gone_says_why() -> None:
    message = UnreadableMessage("it has been eaten")
    assert (message.size_octets, message.labelled_8bit) == (0, False)
    with pytest.raises(ContentUnreadable, match="it has been eaten"):
        message.chunks()


def test_a_message_that_cannot_be_read_at_the_second_look(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, octets: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(message_module.os, "read", fail)
    with pytest.raises(MissingInput, match=r"cannot read message file .*: Input/output error"):
        read_message(write(path, b"x"))
