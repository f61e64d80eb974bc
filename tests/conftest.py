"""For the whole suite: property tests try the same examples every time, and no clock is looked at.

The suite runs on the compiled package as well (`PYTHONPATH=build/compiled`), but for what is marked `plain`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from mailrider.smtp import wire

settings.register_profile(
    "mailrider", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mailrider")


def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("plain")
    if mark is not None and not wire.__file__.endswith(".py"):
        pytest.skip(f"not beside compiled modules: {mark.args[0]}")
