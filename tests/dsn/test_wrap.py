"""Lines, dates, and text that is safe to show."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.dsn.wrap import format_date, wrap_line


def test_a_short_line_stays_whole() -> None:
    assert list(wrap_line("a b c")) == ["a b c"]
    assert list(wrap_line("")) == [""]


def test_a_line_breaks_before_column_79_and_goes_on_indented() -> None:
    text = "<bob@bad.example>: host 127.0.0.1[127.0.0.1] said: 500 5.3.0 Error: command failed (in reply to RCPT TO command)"
    assert list(wrap_line(text)) == [
        "<bob@bad.example>: host 127.0.0.1[127.0.0.1] said: 500 5.3.0 Error: command",
        "    failed (in reply to RCPT TO command)",
    ]


def test_a_word_that_is_longer_than_a_line_stays_whole() -> None:
    assert list(wrap_line("x" * 100 + " y")) == ["x" * 100, "    y"]


@given(st.text(alphabet="ab \t", max_size=300), st.integers(10, 80))
def test_no_word_is_lost_and_no_line_too_long(text: str, width: int) -> None:
    lines = list(wrap_line(text, width))
    assert " ".join(lines).split() == text.split()
    for line in lines:
        assert len(line) <= width or len(line.split()) <= 1


def test_dates_are_those_of_postfix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert format_date(1_795_367_319.7) == "Sun, 22 Nov 2026 17:08:39 +0000 (UTC)"
    assert format_date(1_793_522_319) == "Sun,  1 Nov 2026 08:38:39 +0000 (UTC)"
    monkeypatch.setenv("TZ", "EST5EDT")
    time.tzset()
    assert format_date(1_795_367_319) == "Sun, 22 Nov 2026 12:08:39 -0500 (EST)"
    monkeypatch.setenv("TZ", "XYZ+3:30")
    time.tzset()
    assert format_date(1_795_369_368.5) == "Sun, 22 Nov 2026 14:12:48 -0330 (XYZ)"
    monkeypatch.undo()
    assert "TZ" not in os.environ or os.environ["TZ"]
    time.tzset()
