"""What a session may be used for, and for how long."""

from __future__ import annotations

import pytest

from .test_opening import admit


@pytest.mark.parametrize(
    ("settings", "uses", "age_seconds", "expired"),
    [
        ({}, 1000, 299, False),
        ({}, 0, 300, True),
        ({"smtp_connection_reuse_time_limit": "10s"}, 0, 10, True),
        ({"smtp_connection_reuse_count_limit": 2}, 2, 0, False),
        ({"smtp_connection_reuse_count_limit": 2}, 3, 0, True),
        ({"smtp_connection_reuse_count_limit": 0}, 10**6, 0, False),
    ],
)
def test_a_session_expires_by_time_and_by_use(
    settings: dict[str, object], uses: int, age_seconds: float, expired: bool
) -> None:
    session, _, _ = admit(**settings)
    session.uses = uses
    assert session.is_expired(session.opened_seconds + age_seconds) == expired
