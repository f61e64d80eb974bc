"""Who works on which recipient."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.claims import Claims


def test_who_comes_second_is_denied_until_it_is_back() -> None:
    claims = Claims()
    assert claims.claim(1, [(7, 0), (7, 1)]) == []
    assert claims.claim(2, [(7, 1), (7, 2)]) == [(7, 1)]
    claims.give_back(2, [(7, 1)])
    assert claims.claim(2, [(7, 1)]) == [(7, 1)], "nobody gives back what another one has"
    claims.give_back(1, [(7, 1)])
    assert claims.claim(2, [(7, 1)]) == []
    assert claims.claim(2, [(7, 1)]) == [], "it has that already"


def test_the_dead_hold_nothing() -> None:
    claims = Claims()
    claims.claim(1, [(7, 0), (8, 0)])
    claims.claim(2, [(9, 0)])
    assert sorted(claims.bury(1)) == [(7, 0), (8, 0)]
    assert claims.bury(1) == []
    assert claims.claim(3, [(7, 0), (9, 0)]) == [(9, 0)]
    assert len(claims) == 2


SPOTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=5)


@given(st.lists(st.tuples(st.sampled_from(["claim", "back", "bury"]), st.integers(0, 2), SPOTS), max_size=40))
def test_nobody_ever_shares_a_recipient(story: list[tuple[str, int, list[tuple[int, int]]]]) -> None:
    claims = Claims()
    held: dict[int, set[tuple[int, int]]] = {0: set(), 1: set(), 2: set()}
    for what, worker, spots in story:
        if what == "claim":
            held[worker] |= set(spots) - set(claims.claim(worker, spots))
        elif what == "back":
            claims.give_back(worker, spots)
            held[worker] -= set(spots)
        else:
            claims.bury(worker)
            held[worker] = set()
        assert sum(map(len, held.values())) == len(set.union(*held.values())) == len(claims)
