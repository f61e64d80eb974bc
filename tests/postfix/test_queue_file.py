"""Files of the queue: where they are, which are opened, what is locked and marked."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from mailrider.errors import ContentDamaged
from mailrider.postfix.queue_file import Hashing, NotOpened, QueuedContent, QueueFile, find_path, open_queue_file

FLAT = Hashing(frozenset({"deferred"}), 1)


@pytest.mark.parametrize(
    ("queue_id", "hashing", "path"),
    [
        ("884DC21001F", FLAT, "active/884DC21001F"),
        ("884DC21001F", Hashing(frozenset({"active"}), 1), "active/8/884DC21001F"),
        ("884DC21001F", Hashing(frozenset({"active"}), 3), "active/8/8/4/884DC21001F"),
        # Of a long id the microseconds count: 4 digits to the base 52 before the last z, in hexadecimal.
        ("4gXyZ60000z9vTjD", Hashing(frozenset({"active"}), 2), "active/0/0/4gXyZ60000z9vTjD"),
        ("4gXyZ6zzzzz9vTjD", Hashing(frozenset({"active"}), 1), "active/6/4gXyZ6zzzzz9vTjD"),
        ("4gXyZ61000z9vTjD", Hashing(frozenset({"active"}), 2), "active/2/2/4gXyZ61000z9vTjD"),
        ("AB", Hashing(frozenset({"active"}), 3), "active/A/B/_/AB"),
    ],
)
def test_where_a_file_is(queue_id: str, hashing: Hashing, path: str) -> None:
    assert find_path("active", queue_id, hashing) == path


def make(folder: Path, octets: bytes = b"0123456789", mode: int = 0o700) -> str:
    path = folder / "ABC"
    path.write_bytes(octets)
    path.chmod(mode)
    return str(path)


def opened(path: str) -> QueueFile:
    file = open_queue_file(path)
    assert isinstance(file, QueueFile)
    return file


def test_a_recipient_is_marked_by_one_octet(tmp_path: Path) -> None:
    path = make(tmp_path)
    file = opened(path)
    file.mark_done(3)
    file.close()
    file.close()
    assert Path(path).read_bytes() == b"012D456789"


def test_the_lock_is_shared_and_kept_to_the_end(tmp_path: Path) -> None:
    path = make(tmp_path)
    file, another = opened(path), opened(path)
    descriptor = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.close()
    another.close()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    refused = open_queue_file(path)
    assert isinstance(refused, NotOpened)
    assert refused.text.startswith("shared lock ")
    os.close(descriptor)


def test_a_corrupt_file_loses_its_write_permission(tmp_path: Path) -> None:
    path = make(tmp_path, b"N\x01a?\x00")
    file = opened(path)
    content = QueuedContent(file, 0, 3)
    with pytest.raises(ContentDamaged):
        b"".join(content.chunks())
    assert content.damage == "bad record type: 63 in message content"
    file.mark_corrupt()
    file.close()
    assert Path(path).stat().st_mode & 0o777 == 0o400


def test_content_is_read_anew_each_time(tmp_path: Path) -> None:
    file = opened(make(tmp_path, b"N\x01aX\x00"))
    content = QueuedContent(file, 0, 3)
    assert [b"".join(content.chunks()) for _ in range(2)] == [b"a\r\n", b"a\r\n"]
    assert not content.damage
    file.close()


def test_what_is_not_opened(tmp_path: Path) -> None:
    for mode in (0o600, 0o400):
        path = make(tmp_path, mode=mode)
        refused = open_queue_file(path)
        assert isinstance(refused, NotOpened)
        assert "file mode" in refused.text
        os.unlink(path)
    gone = open_queue_file(path)
    assert isinstance(gone, NotOpened)
    assert "No such file" in gone.text
    folder = open_queue_file(str(tmp_path))
    assert isinstance(folder, NotOpened)
    assert "not a regular file" in folder.text
    make(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "ABC")
    assert isinstance(open_queue_file(str(tmp_path / "link")), NotOpened)
