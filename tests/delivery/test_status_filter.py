from __future__ import annotations

import pytest

from mailrider.delivery.status_filter import StatusFilter
from mailrider.errors import TableTrouble
from mailrider.events import Event, Warned


def apply(table: dict[str, str], status: str, text: str) -> tuple[str, str, list[Event]]:
    events: list[Event] = []
    made = StatusFilter(table.get, "smtp_delivery_status_filter", events.append)
    return (*made.apply(status, text), events)


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        ("5.7.1 spam", "5.7.1", "spam"),
        ("4.3.2\t later ", "4.3.2", "later "),
        ("4.999.999", "4.999.999", "host said: 450 no"),
        ("4.3.2 two\nlines", "4.3.2", "two\nlines"),
    ],
)
def test_a_value_takes_the_place_of_status_and_text(value: str, status: str, text: str) -> None:
    assert apply({"4.2.1 host said: 450 no": value}, "4.2.1", "host said: 450 no") == (status, text, [])


def test_a_success_may_get_other_words() -> None:
    assert apply({"2.0.0 250 ok": "2.1.5 fine"}, "2.0.0", "250 ok") == ("2.1.5", "fine", [])


def test_what_is_not_in_the_table_stays() -> None:
    assert apply({}, "4.2.1", "text") == ("4.2.1", "text", [])


@pytest.mark.parametrize(
    ("status", "value"),
    [
        ("2.0.0", "4.0.0 no"), ("2.0.0", "5.0.0 no"), ("4.0.0", "2.0.0 yes"), ("5.0.0", "2.0.0 yes"),
        ("4.0.0", "3.0.0 x"), ("4.0.0", "4.0 x"), ("4.0.0", "hello"), ("4.0.0", ""), ("4.0.0", "4.0.0x"),
        ("4.0.0", "4.1234.0 x"),
        ("4.0.0", " 4.0.0 x"), ("4.0.0", "4.0.0\u00a0x"), ("4.0.0", "x 4.0.0"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_changes_nothing_and_is_told(status: str, value: str) -> None:
    warning = Warned(f"smtp_delivery_status_filter: bad status code: {value}")
    assert apply({f"{status} text": value}, status, "text") == (status, "text", [warning])


def test_a_table_that_cannot_answer_changes_nothing_and_is_told() -> None:
    def find(key: str) -> str | None:
        raise TableTrouble("hash:/nowhere is unavailable")

    events: list[Event] = []
    assert StatusFilter(find, "f", events.append).apply("4.0.0", "text") == ("4.0.0", "text")
    assert events == [Warned("f: hash:/nowhere is unavailable")]
