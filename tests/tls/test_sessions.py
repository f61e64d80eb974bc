"""Sessions that are kept."""

from __future__ import annotations

from mailrider.model.tls import PeerFacts
from mailrider.tls.sessions import SESSIONS_LIMIT, KeptSession, SessionCache

ONE, TWO = KeptSession("one", PeerFacts()), KeptSession("two", PeerFacts())


def test_the_newest_is_found_until_it_is_too_old() -> None:
    now = 0.0
    cache = SessionCache(10.0, lambda: now)
    cache.keep("a", ONE)
    now = 5.0
    cache.keep("a", TWO)
    now = 14.9
    assert cache.find("a") is TWO
    assert cache.find("b") is None
    now = 15.0
    assert cache.find("a") is None
    assert len(cache) == 0


def test_a_session_that_is_no_good_is_forgotten() -> None:
    cache = SessionCache(10.0, lambda: 0.0)
    cache.keep("a", ONE)
    cache.forget("a")
    cache.forget("a")
    assert cache.find("a") is None


def test_without_a_lifetime_nothing_is_kept() -> None:
    cache = SessionCache(0.0, lambda: 0.0)
    cache.keep("a", ONE)
    assert len(cache) == 0


def test_the_number_is_bounded() -> None:
    cache = SessionCache(10.0, lambda: 0.0)
    for number in range(SESSIONS_LIMIT + 5):
        cache.keep(number, ONE)
    assert len(cache) == SESSIONS_LIMIT
    assert cache.find(4) is None
    assert cache.find(5) is ONE
