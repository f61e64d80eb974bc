from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import wired


@pytest.fixture(scope="module", params=["at once", "together"])
def departures(request: pytest.FixtureRequest) -> Iterator[None]:
    """For connections that send at once, and for such that leave together (`net.departures`)."""
    wired.together = request.param == "together"
    yield
    wired.together = False
