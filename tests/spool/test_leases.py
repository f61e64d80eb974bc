"""Who is leased by this process."""

from __future__ import annotations

from mailrider.spool.leases import LeaseBook


def test_a_recipient_is_taken_once() -> None:
    book = LeaseBook()
    assert book.take(1, 0)
    assert book.take(1, 1)
    assert not book.take(1, 0)
    assert book.count(1) == 2
    assert book.give_back(1, [0])
    assert book.take(1, 0)
    assert book.give_back(1, [0, 1])
    assert book.count(1) == 0
    assert not book.has(1, 0)
    assert not book.give_back(1, [0])


def test_what_was_not_taken_is_not_given_back() -> None:
    book = LeaseBook()
    book.take(1, 0)
    assert not book.give_back(1, [5])
    assert not book.take(1, 0)


def test_who_is_kept_out_comes_in_at_his_time() -> None:
    book = LeaseBook()
    book.take(1, 0)
    book.take(2, 0)
    book.keep_out(1, [0], 20.0)
    book.keep_out(2, [0], 10.0)
    assert book.next_in_seconds() == 10.0
    assert not book.let_in(9.0)
    assert book.let_in(10.0)
    assert book.take(2, 0)
    assert not book.take(1, 0)
    assert book.let_in(30.0)
    assert book.next_in_seconds() is None
