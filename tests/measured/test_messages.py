from __future__ import annotations

from pathlib import Path

from benchmarks.messages import LARGEST_OCTETS, MESSAGE_OCTETS, SMALLEST_OCTETS, TEXTS, write_messages, write_mixed_messages


def octets(folder: Path) -> list[int]:
    """Sizes with CRLF line ends."""
    return [len(path.read_bytes().replace(b"\n", b"\r\n")) for path in sorted(folder.glob("*.eml"))]


def test_letters_have_the_size_that_is_told(tmp_path: Path) -> None:
    write_messages(tmp_path)
    sizes = octets(tmp_path)
    assert len(sizes) == TEXTS
    assert all(abs(size - MESSAGE_OCTETS) <= 2 for size in sizes)


def test_mixed_messages_have_all_sizes_once_and_the_mean_that_is_told(tmp_path: Path) -> None:
    mean = write_mixed_messages(tmp_path)
    sizes = octets(tmp_path)
    assert len(set(sizes)) == TEXTS
    assert abs(min(sizes) - SMALLEST_OCTETS) <= 2
    assert abs(max(sizes) - LARGEST_OCTETS) <= 2
    assert abs(sum(sizes) / TEXTS - mean) <= 3
    assert sizes != sorted(sizes)
