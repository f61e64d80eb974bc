"""Who fills the memory of the queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.crowds import Crowds


def test_a_sender_with_much_mail_is_passed_over_until_half_of_it_is_gone() -> None:
    crowds = Crowds(800)
    for number in range(10):
        crowds.enter(f"other{number}@a", [f"z{number}"] * 55)
    crowds.enter("bulk@a", ["x"] * 100)
    assert not crowds
    assert crowds.passes_over("x") is False
    crowds.enter("bulk@a", ["x"])
    assert crowds
    assert crowds.passes_over("y") is None
    assert crowds.passes_over_sender("y", "bulk@a")
    assert not crowds.passes_over_sender("x", "other@a")
    assert not crowds.leave("bulk@a", ["x"] * 50)
    assert crowds.passes_over_sender("x", "bulk@a")
    assert crowds.leave("bulk@a", ["x"])
    assert not crowds


def test_who_is_alone_may_have_a_third_of_the_memory_and_leaves_room_for_others() -> None:
    crowds = Crowds(900)
    crowds.enter("alone@a", [f"d{number}" for number in range(300)])
    assert not crowds
    crowds.enter("alone@a", ["x"])
    assert crowds.passes_over_sender("y", "alone@a")
    for number in range(190):
        crowds.enter("second@a", [f"d{number}"])
    assert not crowds.passes_over_sender("y", "second@a")
    assert not crowds.leave("alone@a", [f"d{number}" for number in range(100)])
    assert crowds.leave("alone@a", [f"d{number}" for number in range(80)])
    assert not crowds.passes_over_sender("y", "alone@a")


def test_for_a_crowded_domain_only_those_are_let_in_who_have_little_there() -> None:
    crowds = Crowds(800)
    for number in range(3):
        crowds.enter(f"bulk{number}@a", ["x"] * 70)
    assert crowds.passes_over("x") is None
    assert crowds.passes_over("y") is False
    assert crowds.passes_over_sender("x", "bulk0@a")
    crowds.enter("small@a", ["x"] * 4)
    assert not crowds.passes_over_sender("x", "small@a")
    for number in range(190):
        crowds.enter(f"s{number}@a", ["x"])
    assert crowds.passes_over("x") is True
    assert crowds.total == 404


def test_of_one_message_there_is_a_sixteenth_and_never_less_than_the_minimum() -> None:
    assert Crowds(20_000).mailing_limit(10) == 1250
    assert Crowds(100).mailing_limit(10) == 10
    assert Crowds(1).mailing_limit(0) == 1


MAIL = st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from("xy"), min_size=1, max_size=9))


@given(st.lists(MAIL, max_size=30), st.integers(1, 100))
def test_when_all_have_gone_nobody_is_a_crowd(mail: list[tuple[str, list[str]]], limit: int) -> None:
    crowds = Crowds(limit)
    for sender, domains in mail:
        crowds.enter(sender, domains)
    for sender, domains in mail:
        crowds.leave(sender, domains)
    assert not crowds
    assert crowds.total == 0
    assert crowds.passes_over("x") is False
