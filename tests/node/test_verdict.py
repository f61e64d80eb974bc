"""What the judge of `make chaos` makes of copies and kills."""

from __future__ import annotations

import pytest
from tests.node.far_side import Copy
from tests.node.verdict import KILL_WINDOW_SECONDS, explain, judge

LIFE, NEXT = "life-1", "life-2"


def copy(taken: float, said: float | None, life: str = LIFE) -> Copy:
    return Copy(life, taken, said)


@pytest.mark.parametrize(
    ("first", "killed", "reason"),
    [
        (copy(10.0, 10.5), 10.6, "twice"),
        (copy(10.0, 10.5), 10.2, "unheard"),
        (copy(10.0, 10.5), 9.5, "unheard"),
        (copy(10.0, None), None, "unheard"),
        (copy(10.0, 10.5), None, "unexplained"),
        (copy(10.0, 10.5, NEXT), 10.6, "unexplained"),
        (copy(10.0, 10.5), 10.6 + KILL_WINDOW_SECONDS, "unexplained"),
    ],
)
def test_who_has_to_answer_for_a_second_copy(first: Copy, killed: float | None, reason: str) -> None:
    assert explain(first, copy(20.0, 20.1, NEXT), killed)[0] == reason


def test_everything_is_counted_by_door() -> None:
    accepted = {"a": "SMTP", "b": "SMTP", "c": "LMTP", "d": "LMTP", "e": "LMTP"}
    copies = {
        "a": [copy(1, 1)],
        "b": [copy(1, 1), copy(3, 3, NEXT)],
        "d": [copy(1, None)],
        "e": [copy(1, None), copy(2, 2, NEXT)],
    }
    verdict = judge(accepted, copies, {"c"}, {LIFE: 1.5}, 60.0)
    assert verdict.doors["SMTP"]._asdict() == {
        "accepted": 2, "delivered": 2, "told": 0, "missing": 0, "twice": 1, "unheard": 0
    }  # fmt: skip
    assert verdict.total._asdict() == {"accepted": 5, "delivered": 3, "told": 1, "missing": 1, "twice": 1, "unheard": 1}
    assert verdict.missing == ("d",)
    assert verdict.gaps == (0.5,)
    assert not verdict.is_good
    assert "missing: d" in verdict.text()


def test_a_few_that_came_twice_are_allowed_and_no_more() -> None:
    accepted = {str(number): "SMTP" for number in range(200)}
    twice = [copy(1, 1), copy(3, 3, NEXT)]
    copies = {address: [copy(1, 1)] for address in accepted}
    for address in ("1", "2"):
        copies[address] = twice
    assert judge(accepted, copies, set(), {LIFE: 1.5}, 60.0).is_good
    copies["3"] = twice
    assert not judge(accepted, copies, set(), {LIFE: 1.5}, 60.0).is_good
    assert judge(accepted, copies, set(), {LIFE: 1.5, "another": 1.5}, 60.0).is_good, "two for each kill, where there are few"
