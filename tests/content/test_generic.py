from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.generic import Extensions, Generic
from mailrider.content.whole_address import Completion
from mailrider.errors import TableTrouble


class RememberingTable:
    """Knows entries, and what it was asked for; partial keys are marked with `~`."""

    def __init__(self, **entries: str) -> None:
        self.entries = entries
        self.asked: list[str] = []

    def find(self, key: str, *, partial: bool = False) -> str | None:
        self.asked.append(("~" if partial else "") + key)
        return self.entries.get(key)


def own(domain: str) -> bool:
    return domain in ("own.test", "[127.0.0.1]")


PLUS = Extensions("+")
CARRIED = Extensions("+-", propagate=True)
SITE = Completion("origin.test", "")


def rewrite(address: str, entries: dict[str, str], extensions: Extensions = PLUS) -> str | None:
    return Generic(RememberingTable(**entries), extensions, SITE, own).rewrite(address)


def test_the_order_of_the_keys() -> None:
    table = RememberingTable()
    assert Generic(table, PLUS, SITE, own).rewrite("user+ext@own.test") is None
    assert table.asked == ["user+ext@own.test", "~user@own.test", "~user+ext", "~user", "~@own.test"]


def test_the_user_alone_is_not_looked_up_for_other_domains() -> None:
    table = RememberingTable()
    assert Generic(table, PLUS, SITE, own).rewrite("user+ext@other.test") is None
    assert table.asked == ["user+ext@other.test", "~user@other.test", "~@other.test"]


def test_without_a_delimiter_there_is_no_extension() -> None:
    table = RememberingTable()
    assert Generic(table, Extensions(), SITE, own).rewrite("user+ext@own.test") is None
    assert table.asked == ["user+ext@own.test", "~user+ext", "~@own.test"]


def test_an_address_without_a_domain_is_looked_up_whole() -> None:
    table = RememberingTable()
    assert Generic(table, PLUS, SITE, own).rewrite("user+ext") is None
    assert table.asked == ["user+ext", "~user"]


def test_keys_are_in_their_outside_form() -> None:
    table = RememberingTable()
    assert Generic(table, PLUS, SITE, own).rewrite("a b+c@own.test") is None
    assert table.asked == ['"a b+c"@own.test', '~"a b"@own.test', '~"a b+c"', '~"a b"', "~@own.test"]


def test_one_dot_behind_the_domain_is_not_looked_at() -> None:
    table = RememberingTable()
    Generic(table, Extensions(), SITE, own).rewrite("user@own.test.")
    assert "~user" in table.asked


def test_the_null_address_is_never_looked_up() -> None:
    table = RememberingTable()
    assert Generic(table, PLUS, SITE, own).rewrite("") is None
    assert table.asked == []


@pytest.mark.parametrize(
    ("address", "entries", "result"),
    [
        ("user@own.test", {"user@own.test": "x@y.test"}, "x@y.test"),
        ("user@own.test", {"user": "x@y.test"}, "x@y.test"),
        ("user@own.test", {"@own.test": "@y.test"}, "user@y.test"),
        ("user@own.test", {"user@own.test": "@y.test"}, "user@y.test"),
        ("a b@own.test", {"@own.test": "@y.test"}, "a b@y.test"),
        ("user", {"user": "@y.test"}, "user@y.test"),
        ("user+e@own.test", {"user@own.test": "x@y.test"}, "x@y.test"),
        ("user+e@own.test", {"user@own.test": "@y.test"}, "user@y.test"),
        ("user+e@own.test", {"@own.test": "@y.test"}, "user+e@y.test"),
        ("user@own.test", {"user@own.test": '"x y"@z.test'}, "x y@z.test"),
        ("user@own.test", {"user@own.test": "X Y <x@y.test>"}, "x@y.test"),
        ("user@own.test", {"user@own.test": "<>"}, ""),
        ("user@own.test", {"user@own.test": "x"}, "x@origin.test"),
        ("user@own.test", {"user@own.test": "<@a,@b:x@y.test>"}, "x@y.test"),
        ("gr\udcfcn@own.test", {"@own.test": "@gr\xfcn.test"}, "gr\udcfcn@gr\xfcn.test"),
    ],
)
def test_results(address: str, entries: dict[str, str], result: str) -> None:
    assert rewrite(address, entries) == result


@pytest.mark.parametrize(
    ("address", "entries", "result"),
    [
        ("user+e@own.test", {"user@own.test": "x@y.test"}, "x+e@y.test"),
        ("user-e+f@own.test", {"user@own.test": "x@y.test"}, "x-e+f@y.test"),
        ("user+e@own.test", {"user": "x"}, "x+e@origin.test"),
        ("user+e@own.test", {"user@own.test": "@y.test"}, "user+e@y.test"),
        ("user+e@own.test", {"user+e@own.test": "x@y.test"}, "x@y.test"),
        ("user+e@own.test", {"@own.test": "@y.test"}, "user+e@y.test"),
    ],
)
def test_an_extension_is_carried_over(address: str, entries: dict[str, str], result: str) -> None:
    assert rewrite(address, entries, CARRIED) == result


@pytest.mark.parametrize("local", ["postmaster", "MAILER-daemon", "double-bounce", "owner-list", "list-request", "+x", "user"])
def test_names_that_are_never_split(local: str) -> None:
    assert CARRIED.split(f"{local}@own.test") == (f"{local}@own.test", "")


def test_owners_are_split_where_a_hyphen_delimits_nothing() -> None:
    assert PLUS.split("owner-list+x@own.test") == ("owner-list@own.test", "+x")
    assert Extensions("-", owner_request_special=False).split("owner-list") == ("owner", "-list")


@given(st.text("ab+-@.", max_size=20))
def test_nothing_is_lost_when_an_address_is_split(address: str) -> None:
    bare, extension = CARRIED.split(address)
    local, at, domain = bare.rpartition("@") if "@" in bare else (bare, "", "")
    assert local + extension + at + domain == address
    assert not extension or local


def test_several_addresses_are_warned_of_and_the_first_counts() -> None:
    warnings: list[str] = []
    table = RememberingTable(**{"user@own.test": "a@b.test, c@d.test"})
    assert Generic(table, warn=warnings.append).rewrite("user@own.test") == "a@b.test"
    assert warnings == ["multi-valued smtp_generic_maps result for user@own.test"]
    assert Generic(table).rewrite("user@own.test") == "a@b.test"


def test_a_result_that_is_no_address_is_trouble() -> None:
    with pytest.raises(TableTrouble, match="returns non-address result"):
        rewrite("user@own.test", {"user@own.test": "(nobody)"})


def test_trouble_with_the_table_is_passed_on() -> None:
    class BrokenTable:
        def find(self, key: str, *, partial: bool = False) -> str | None:
            raise TableTrouble("gone")

    with pytest.raises(TableTrouble):
        Generic(BrokenTable()).rewrite("a@b")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_address_and_any_entry(address: str, value: str) -> None:
    class Table:
        def find(self, key: str, *, partial: bool = False) -> str | None:
            return value or None

    try:
        Generic(Table(), CARRIED, Completion("origin.test", "dom.test"), own).rewrite(address)
    except TableTrouble:
        pass
