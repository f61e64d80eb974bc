from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import BrokenPromise
from mailrider.settings import Settings
from mailrider.settings.manual import BEGIN, END, render_reference, replace_reference

MANUAL = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_parameter_has_a_line() -> None:
    lines = [line for line in render_reference().splitlines() if line.startswith("* ")]
    assert len(lines) == len(Settings.declared)
    assert (
        "* `smtp_connect_timeout` (default `30s`; `lmtp_connect_timeout`: `0s`; Postfix pre-2.0): "
        "How long making a connection may take; 0 leaves it to the system." in lines
    )
    assert any(line.startswith("* `SERVICE_destination_rate_delay` (") for line in lines)


@pytest.mark.skipif(not MANUAL.exists(), reason="the manual is not beside the tests")
def test_the_manual_is_up_to_date() -> None:
    text = MANUAL.read_text("utf-8")
    assert replace_reference(text) == text, f"run: python -m mailrider.settings.manual {MANUAL.name}"


def test_only_what_is_between_the_marks_changes() -> None:
    text = replace_reference(f"a\n{BEGIN}what was there before\n{END}b\n")
    assert text.startswith(f"a\n{BEGIN}\n### ")
    assert text.endswith(f"\n{END}b\n")
    assert "what was there before" not in text
    with pytest.raises(BrokenPromise):
        replace_reference(f"a\n{END}")
