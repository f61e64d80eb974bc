"""For the whole suite: property tests try the same examples every time, and no clock is looked at."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mailrider", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mailrider")
