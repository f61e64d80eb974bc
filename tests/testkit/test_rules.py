from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.testkit.rules import Rule, RuleBook, has_number


@pytest.mark.parametrize(
    "parts",
    [
        {"reply": "250 Ok", "raw": b"250 Ok\r\n"},
        {"on": "greeting", "match": "EHLO"},
        {"after_octets": 5},
        {"replies": ("250 Ok",)},
        {"on": "data", "short": True},
        {"match": "("},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(WrongUsage):
        Rule(**parts)


@pytest.mark.parametrize(
    ("numbers", "number", "meant"),
    [(None, 7, True), (2, 2, True), (2, 3, False), (range(2, 5), 4, True), ({1, 3}, 2, False)],
)
def test_numbers(numbers: Any, number: int, meant: bool) -> None:
    assert has_number(numbers, number) is meant


def test_the_first_rule_that_fits_wins() -> None:
    first, second = Rule(match="^RCPT", reply="1"), Rule(match="RCPT TO:<b", reply="2")
    page = RuleBook((first, second)).open_page(1)
    assert page.find("command", "rcpt to:<b@c>") is first
    assert page.find("command", "DATA") is None
    assert page.find("dot") is None


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20))
def test_the_nth_time_is_counted_on_each_connection(nth: int, times: int) -> None:
    rule = Rule(match="^RCPT", nth=nth)
    book = RuleBook((rule,))
    for connection in (1, 2):
        page = book.open_page(connection)
        found = [page.find("command", "RCPT") is rule for _ in range(times)]
        assert found == [number == nth for number in range(1, times + 1)]


def test_the_nth_time_in_all_is_counted_over_connections() -> None:
    rule = Rule(match="^MAIL", nth_total=3)
    book = RuleBook((rule,))
    found = [book.open_page(connection).find("command", "MAIL") for connection in (1, 2, 3, 4)]
    assert found == [None, None, rule, None]


def test_a_rule_may_be_for_one_connection() -> None:
    rule = Rule(on="greeting", connection=2)
    book = RuleBook((rule,))
    assert [book.open_page(number).find("greeting") for number in (1, 2, 3)] == [None, rule, None]


def test_a_rule_for_a_content_half_way_fits_once_in_it() -> None:
    late, early = Rule(on="data", after_octets=100), Rule(on="data", after_octets=10, nth=2)
    page = RuleBook((late, early)).open_page(1)
    page.begin_content()
    assert [page.find_in_content(octets) for octets in (9, 50, 50, 100, 200)] == [None, None, None, late, None]
    page.begin_content()
    assert [page.find_in_content(octets) for octets in (9, 50, 50)] == [None, early, None]
