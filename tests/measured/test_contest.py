from __future__ import annotations

import math

import pytest
from benchmarks.contest import Contestant, compete
from benchmarks.measuring import Cost


def make(name: str, said: list[tuple[str, int]], costs: dict[int, list[Cost]]) -> Contestant:
    def run(count: int) -> Cost:
        said.append((name, count))
        return costs[count].pop(0)

    return Contestant(name, run, 11)


def test_start_up_is_taken_off_and_medians_are_given_beside_the_best() -> None:
    costs = {
        1: [Cost(0.5, 1.0, 0), Cost(0.25, 0.5, 0), Cost(4.0, 9.0, 0)],
        11: [Cost(1.5, 2.0, 0), Cost(1.25, 2.5, 0), Cost(7.0, 11.0, 0)],
    }
    its = compete([make("a", [], costs)], 3)["a"]
    assert its.microseconds == pytest.approx(1e5)
    assert its.best_microseconds == pytest.approx(1e5)
    assert its.messages_per_second == pytest.approx(10 / 1.5)
    assert its.best_messages_per_second == pytest.approx(10 / 1.5)
    assert its.start_milliseconds == pytest.approx(500)


def test_contestants_take_turns() -> None:
    said: list[tuple[str, int]] = []
    costs = [{1: [Cost(1, 1, 0)] * 2, 11: [Cost(2, 2, 0)] * 2} for _ in "ab"]
    compete([make(name, said, each) for name, each in zip("ab", costs, strict=True)], 2)
    assert said == [("a", 1), ("a", 11), ("b", 1), ("b", 11)] * 2


def test_what_is_lost_in_the_noise_is_no_number() -> None:
    its = compete([make("a", [], {1: [Cost(2, 2, 0)], 11: [Cost(1, 1, 0)]})], 1)["a"]
    assert math.isnan(its.microseconds)
    assert math.isnan(its.messages_per_second)
