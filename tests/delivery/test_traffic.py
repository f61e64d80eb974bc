"""The hints of a queue manager: on after it "gets up to speed", off when it is "running out of steam"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.delivery import traffic as traffic_module
from mailrider.delivery.traffic import BACK_TO_BACK_SECONDS, Traffic, TrafficMemory


def play(*steps: tuple[float, str]) -> list[tuple[bool, bool]]:
    """(load, store) as of each beginning."""
    traffic = Traffic()
    hints = []
    for now, what in steps:
        if what == "begin":
            traffic.begin(now)
            hints.append((traffic.load, traffic.store))
        else:
            traffic.end(now)
    return hints


NONE, BOTH, LOAD = (False, False), (True, True), (True, False)


def test_the_first_delivery_keeps_nothing() -> None:
    assert play((0.0, "begin"), (0.5, "end")) == [NONE]
    assert play((1e9, "begin")) == [NONE]


def test_concurrency_alone_keeps_nothing() -> None:
    """A burst below the initial concurrency opens its connections once, and that is all there is to it."""
    assert play(*[(100.0, "begin")] * 5) == [NONE] * 5


@pytest.mark.parametrize(("next_seconds", "hint"), [(100.2, BOTH), (101.99, BOTH), (102.0, NONE), (500.0, NONE)])
def test_a_delivery_right_after_another_keeps_connections(next_seconds: float, hint: tuple[bool, bool]) -> None:
    """Seconds are counted whole: 100.9 and 101.99 are one apart."""
    assert play((99.0, "begin"), (100.9, "end"), (next_seconds, "begin")) == [NONE, hint]


def test_what_was_kept_is_used_up_when_the_stream_thins_out() -> None:
    hints = play(
        (100, "begin"), (100, "end"), (100, "begin"), (100, "end"), (200, "begin"), (200, "end"), (300, "begin")
    )  # fmt: skip
    assert hints == [NONE, BOTH, LOAD, LOAD]


def test_others_that_are_busy_keep_it_up() -> None:
    hints = play((100, "begin"), (100, "end"), (100, "begin"), (200, "begin"), (300, "end"), (400, "begin"))
    assert hints == [NONE, BOTH, BOTH, BOTH]


def test_it_comes_back_with_the_mail() -> None:
    hints = play((0, "begin"), (0, "end"), (0, "begin"), (0, "end"), (50, "begin"), (50, "end"), (51, "begin"))
    assert hints == [NONE, BOTH, LOAD, BOTH]


def model(steps: list[tuple[float, bool]]) -> list[tuple[bool, bool]]:
    """The same in the words of qmgr_entry.c, as flags and whole seconds."""
    flags: set[str] = set()
    last_done, busy = -(10**9), 0
    hints = []
    for now, begins in steps:
        if begins:
            busy += 1
            back_to_back = last_done + BACK_TO_BACK_SECONDS >= int(now)
            if "store" not in flags:
                if back_to_back:
                    flags |= {"load", "store"}
            elif not (busy > 1 or back_to_back):
                flags.discard("store")
            hints.append(("load" in flags, "store" in flags))
        elif busy:
            busy -= 1
            last_done = int(now)
    return hints


@given(st.lists(st.tuples(st.floats(min_value=0, max_value=3), st.booleans()), max_size=60))
def test_the_rule_is_that_of_the_queue_manager(steps: list[tuple[float, bool]]) -> None:
    now, busy = 1000.0, 0
    absolute: list[tuple[float, bool]] = []
    for pause, begins in steps:
        now += pause
        if begins or busy:
            busy += 1 if begins else -1
            absolute.append((now, begins))
    assert play(*[(moment, "begin" if begins else "end") for moment, begins in absolute]) == model(absolute)


def test_destinations_do_not_know_each_other() -> None:
    memory = TrafficMemory()
    one = memory.of("one")
    one.begin(0)
    one.end(0)
    assert memory.of("one") is one
    assert memory.of("two") is not one


def test_the_quietest_are_forgotten_first_and_the_busy_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "DESTINATIONS_LIMIT", 3)
    memory = TrafficMemory()
    busy, old, recent = memory.of("busy"), memory.of("old"), memory.of("recent")
    busy.begin(0)
    assert memory.of("old") is old  # now "recent" is the one that was longest not used
    memory.of("new")
    assert memory.of("busy") is busy
    assert memory.of("old") is old
    assert memory.of("recent") is not recent


def test_where_all_are_busy_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "DESTINATIONS_LIMIT", 2)
    memory = TrafficMemory()
    kept = {}
    for name in "abcd":
        kept[name] = memory.of(name)
        kept[name].begin(0)
    assert all(memory.of(name) is each for name, each in kept.items())
