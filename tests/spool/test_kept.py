from __future__ import annotations

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, submission

from mailrider.errors import ContentUnreadable
from mailrider.spool.kept import Kept, KeptContent, count_messages
from mailrider.spool.spool import HELD_SECONDS, DomainCount, Order, PastFailure


def test_the_text_is_there_as_long_as_the_message() -> None:
    kept = {7: Kept(submission(), b"text", START_SECONDS, START_SECONDS)}
    content = KeptContent(kept, 7, 4)
    assert b"".join(content.chunks()) == b"text"
    kept.clear()
    with pytest.raises(ContentUnreadable, match="deleted"):
        content.chunks()


@pytest.mark.parametrize(
    ("order", "waiting", "on_hold"),
    [
        (Order.HOLD, True, False), (Order.FLUSH, True, False), (Order.RELEASE, False, True),
        (Order.REQUEUE, True, True), (Order.DELETE, True, True),
    ],
)  # fmt: skip
def test_whom_an_order_concerns(order: Order, waiting: bool, on_hold: bool) -> None:
    assert Kept(submission(), b"", START_SECONDS, START_SECONDS).is_concerned(order) is waiting
    assert Kept(submission(on_hold=True), b"", START_SECONDS, HELD_SECONDS).is_concerned(order) is on_hold


def test_what_an_order_does() -> None:
    kept = Kept(submission(), b"", START_SECONDS, START_SECONDS + 50)
    before = kept.recipients[0]._replace(attempts=3, latest=PastFailure(DEFERRED, START_SECONDS), warned=True)
    kept.recipients[0] = before
    kept.obey(Order.HOLD, START_SECONDS)
    assert kept.on_hold
    assert kept.recipients[0] == before._replace(not_before_seconds=HELD_SECONDS)
    kept.obey(Order.RELEASE, START_SECONDS + 9)
    assert not kept.on_hold
    assert kept.recipients[0] == before._replace(not_before_seconds=START_SECONDS + 9)
    kept.obey(Order.REQUEUE, START_SECONDS + 20)
    assert kept.recipients[0] == before._replace(
        attempts=0, latest=None, warned=False, not_before_seconds=START_SECONDS + 9
    )


def test_a_turn_is_for_those_who_wait() -> None:
    kept = Kept(submission("b@b.example", "c@c.example"), b"", START_SECONDS, START_SECONDS)
    assert not kept.waits(START_SECONDS)
    kept.obey(Order.HOLD, START_SECONDS)
    kept.recipients[1] = kept.recipients[1]._replace(owed=True, not_before_seconds=START_SECONDS)
    assert kept.waits(START_SECONDS)
    kept.take_turn(START_SECONDS + 60, START_SECONDS)
    assert not kept.on_hold
    assert [one.not_before_seconds - START_SECONDS for one in kept.recipients.values()] == [60, 0]


def test_counts() -> None:
    messages = [
        Kept(submission("a@a.example", "b@b.example"), b"1234", START_SECONDS, START_SECONDS),
        Kept(submission("c@B.example"), b"12", START_SECONDS - 5, START_SECONDS + 5),
        Kept(submission("d@a.example", on_hold=True), b"", START_SECONDS, HELD_SECONDS),
    ]
    stats = count_messages(messages, START_SECONDS)
    assert stats[:7] == (3, 6, 4, 2, 1, 1, START_SECONDS - 5)
    assert stats.domains == (
        DomainCount("a.example", 2, START_SECONDS, START_SECONDS),
        DomainCount("b.example", 2, START_SECONDS - 5, START_SECONDS),
    )
