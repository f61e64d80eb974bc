"""Whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.line import Line


def test_senders_take_turns_and_so_do_their_messages() -> None:
    line: Line[str] = Line()
    for item in ("A1a", "A1b", "A1c", "A2a", "A2b", "B1a"):
        line.add(item[0], item[:2], item)
    assert list(line.drain()) == ["A1a", "B1a", "A2a", "A1b", "A2b", "A1c"]


def test_a_small_message_gets_through_while_a_large_one_is_worked_off() -> None:
    line: Line[int] = Line()
    for number in range(1000):
        line.add("news@x", "large", number)
    assert line.take() == 0
    line.add("a@x", "small", -1)
    line.add("news@x", "other", -2)
    first = [line.take() for _ in range(4)]
    assert set(first) == {1, -1, 2, -2}
    assert len(list(line.drain())) == 997


def test_nobody_waits() -> None:
    line: Line[int] = Line()
    with pytest.raises(IndexError):
        line.take()


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("123"), st.booleans()), max_size=60))
def test_everybody_comes_once_and_a_message_in_its_order(plan: list[tuple[str, str, bool]]) -> None:
    line: Line[tuple[str, str, int]] = Line()
    taken = []
    for number, (sender, message, takes) in enumerate(plan):
        line.add(sender, sender + message, (sender, message, number))
        if takes:
            taken.append(line.take())
    taken += line.drain()
    assert sorted(taken, key=lambda item: item[2]) == [(s, m, n) for n, (s, m, _) in enumerate(plan)]
    for message in {item[:2] for item in taken}:
        numbers = [number for *key, number in taken if tuple(key) == message]
        assert numbers == sorted(numbers)
    assert len(line) == 0
