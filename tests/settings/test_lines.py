from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.settings import lines
from mailrider.settings.lines import join_lines, quote, read_text


def joined(text: str) -> list[tuple[int, str]]:
    return list(join_lines(text, "file", []))


def test_a_line_takes_in_what_continues_it() -> None:
    assert joined("a\n b\n\n# c\n\td\ne") == [(1, "a b\td"), (6, "e")]


def test_a_continuation_of_nothing_is_told() -> None:
    warnings: list[str] = []
    assert list(join_lines(" a\n b\nc\n", "file", warnings)) == [(3, "c")]
    assert warnings == ['file, line 1: ignored, since a line may not start with white space: " a b"']


def test_a_null_byte_ends_a_line_with_a_warning() -> None:
    warnings: list[str] = []
    assert list(join_lines("a\0b\nc\n", "file", warnings)) == [(1, "a"), (2, "c")]
    assert warnings == ["file, line 1: text after a null byte is ignored"]


@given(st.text(alphabet="ab =#\n\t\r\0", max_size=80))
def test_logical_lines_say_what_the_text_says(text: str) -> None:
    """Numbers rise, no line holds a newline, and no visible character is lost but comments and continuations of nothing."""
    warnings: list[str] = []
    found = list(join_lines(text, "file", warnings))
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    physical = text.split("\n")
    for number, line in found:
        assert "\n" not in line
        assert not line[:1].isspace()
        assert physical[number - 1].partition("\0")[0] == line[: len(physical[number - 1].partition("\0")[0])]


def test_a_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_LIMIT_CHARACTERS", 10)
    assert joined("x" * 10) == [(1, "x" * 10)]
    with pytest.raises(WrongConfiguration, match="file, line 2: longer than 10"):
        joined("a\nb\n" + " x\n" * 6)


def test_files_are_read_whole_and_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"caf\xe9\r\n")
    assert read_text(path) == "caf\udce9\r\n"
    monkeypatch.setattr(lines, "FILE_LIMIT_OCTETS", 5)
    with pytest.raises(WrongConfiguration, match="larger than 5 octets"):
        read_text(path)
    with pytest.raises(WrongConfiguration, match="cannot read"):
        read_text(tmp_path)


def test_what_is_quoted_cannot_disturb_a_log() -> None:
    assert quote("a\x1b\n\u00e9") == '"a\\x1b\\n\\xe9"'
    assert quote("x" * 31) == '"' + "x" * 30 + '..."'
