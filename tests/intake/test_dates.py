"""The date of now."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from mailrider.intake import dates


def test_it_goes_with_the_clock_and_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.25
    monkeypatch.setattr("time.time", lambda: now)
    first = dates.date_now()
    assert parsedate_to_datetime(first).timestamp() == 1_800_000_000
    now += 0.5
    assert dates.date_now() is first
    now += 0.5
    assert parsedate_to_datetime(dates.date_now()).timestamp() == 1_800_000_001
