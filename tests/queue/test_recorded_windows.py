"""The concurrency window against sequences that a real qmgr(8) (Postfix 3.7.11) has logged: `record_windows` makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mailrider.machine import read_settings
from mailrider.node_parts import make_service_terms
from mailrider.queue.window import ConcurrencyWindow

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "recorded" / "windows.json").read_text())


def name(case: dict[str, Any]) -> str:
    return "-".join(str(case[key]) for key in ("initial", "limit", "positive", "negative", "failed_cohort_limit"))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_window_is_that_of_qmgr_after_every_feedback(case: dict[str, Any]) -> None:
    prefix = "default_destination_concurrency_"
    given = {
        "initial_destination_concurrency": case["initial"],
        f"{prefix}limit": case["limit"],
        f"{prefix}positive_feedback": case["positive"],
        f"{prefix}negative_feedback": case["negative"],
        f"{prefix}failed_cohort_limit": case["failed_cohort_limit"],
    }
    settings = read_settings(None, [f"{name}={value}" for name, value in given.items()])
    window = ConcurrencyWindow(make_service_terms(settings, "smtp").destination.window)
    widths = []
    for step in case["steps"]:
        if step in "+.":
            window.succeed(window.width if step == "+" else 0)
        else:
            window.fail()
        widths.append(window.width)
    assert widths == case["windows"]


def test_the_recordings_have_what_matters() -> None:
    assert len(CASES) >= 9
    assert any(case["windows"][-1] == 0 for case in CASES), "a destination that dies"
    assert all("-" in case["steps"] and {"+", "."} & set(case["steps"]) for case in CASES)
    assert sum(len(case["steps"]) for case in CASES) > 400
