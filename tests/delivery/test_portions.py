from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.delivery.portions import group_by_domain, split_recipients
from mailrider.model.request import Recipient


@given(st.integers(0, 60), st.integers(0, 12))
def test_portions_are_full_in_order_and_complete(count: int, limit: int) -> None:
    recipients = [Recipient(f"r{number}@example.test") for number in range(count)]
    portions = list(split_recipients(recipients, limit))
    assert [each for portion in portions for each in portion] == recipients
    assert all(portion for portion in portions)
    if limit:
        assert all(len(portion) == limit for portion in portions[:-1])
        assert all(len(portion) <= limit for portion in portions)
    else:
        assert len(portions) == bool(count)


def test_recipients_are_grouped_by_domain_in_order_of_appearance() -> None:
    names = ["a@One.test", "b@two.test", "c@ONE.test", '"x@y"@two.test', "bare"]
    groups = group_by_domain([Recipient(name) for name in names])
    assert {domain: [each.address for each in group] for domain, group in groups.items()} == {
        "one.test": ["a@One.test", "c@ONE.test"],
        "two.test": ["b@two.test", '"x@y"@two.test'],
        "": ["bare"],
    }
    assert list(groups) == ["one.test", "two.test", ""]
