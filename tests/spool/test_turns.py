from __future__ import annotations

from mailrider.spool.spool import HELD_SECONDS, PASSED_OVER_SECONDS
from mailrider.spool.turns import Turn, Turns


def test_the_longest_due_comes_first_and_nobody_too_early() -> None:
    turns = Turns([Turn(30.0, 1, 0), Turn(10.0, 2, 0)])
    turns.add(3, 0, 20.0)
    assert turns.next_seconds() == 10.0
    assert turns.take(25.0) == Turn(10.0, 2, 0)
    second = turns.take(25.0)
    assert second == Turn(20.0, 3, 0)
    assert turns.take(25.0) is None
    turns.put_back(second)
    assert turns.take(25.0) == second
    assert turns.next_seconds() == 30.0


def test_who_was_left_has_his_turn_again() -> None:
    turns = Turns([Turn(10.0, 1, 0), Turn(10.0, 2, 0)])
    left, passed = turns.take(10.0), turns.take(10.0)
    assert left is not None
    assert passed is not None
    turns.leave(left)
    assert turns.next_seconds() == HELD_SECONDS, "there is no time for who was left"
    turns.pass_over(passed, 10.0)
    assert turns.next_seconds() == 10.0 + PASSED_OVER_SECONDS
    turns.look_in_time(10.0)
    assert turns.take(10.0) is None
    turns.look_in_time(10.0 + PASSED_OVER_SECONDS)
    assert [turns.take(10.0), turns.take(10.0), turns.take(10.0)] == [left, passed, None]
    assert turns.next_seconds() == HELD_SECONDS
