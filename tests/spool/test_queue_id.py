"""Queue ids that look like Postfix's long ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.spool.queue_id import EPOCH_SECONDS, LONGEST_ID, QueueIds, key_of, queue_id_of

LONG_ID = re.compile(r"[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{10,11}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{4}")


@given(st.integers(0, 2**63 - 1))
def test_an_id_and_its_key_say_the_same(key: int) -> None:
    assert key_of(queue_id_of(key)) == key
    assert len(queue_id_of(key)) <= LONGEST_ID


@given(st.text(max_size=30))
def test_a_text_is_an_id_only_if_it_is_given_out_so(text: str) -> None:
    key = key_of(text)
    assert key is None or queue_id_of(key) == text


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_ids_of_one_length_are_sorted_as_their_times_are(one: int, other: int) -> None:
    first, second = sorted((one, other))
    names = queue_id_of(first), queue_id_of(second)
    if names[0].index("z") == names[1].index("z"):
        assert names[0][:10] <= names[1][:10]


def test_it_looks_as_postfix_makes_it() -> None:
    """The value is that of `mail_queue.c` for this second and microsecond, worked out by hand."""
    identity = QueueIds(lambda: 1_700_000_000.123456, slot=7).new_queue_id()
    assert LONG_ID.fullmatch(identity)
    assert len(identity) == 15
    digits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
    seconds = sum(digits.index(digit) * 52**place for place, digit in enumerate(reversed(identity[:6])))
    microseconds = sum(digits.index(digit) * 52**place for place, digit in enumerate(reversed(identity[6:10])))
    assert (seconds, identity[10]) == (1_700_000_000, "z")
    assert abs(microseconds - 123456) <= 1


def test_ids_differ_and_go_up_even_when_the_clock_does_not() -> None:
    times = [EPOCH_SECONDS + 100.0, EPOCH_SECONDS + 100.0, EPOCH_SECONDS + 50.0, EPOCH_SECONDS + 200.0]
    ids = QueueIds(lambda: times.pop(0), slot=1)
    keys = [ids.new_key() for _ in range(4)]
    assert keys == sorted(set(keys))


def test_two_processes_do_not_meet() -> None:
    one, other = (QueueIds(lambda: EPOCH_SECONDS + 1.0, slot=slot) for slot in (1, 2))
    assert one.new_queue_id() != other.new_queue_id()


@pytest.mark.parametrize(
    "text", ["", "z", "ABC", "4VKqrG0000z", "0000000000z0001", "NOQUEUE", "9" * 10 + "z" + "9" * 40, "é" * 15]
)
def test_what_is_no_id(text: str) -> None:
    assert key_of(text) is None
