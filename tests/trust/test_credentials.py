from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.generic import Extensions
from mailrider.errors import TableTrouble
from mailrider.trust.credentials import Credential, CredentialBook, CredentialRules


class Maps:
    """A table that remembers what it was asked; `broken` keys cannot be answered."""

    def __init__(self, entries: dict[str, str], broken: tuple[str, ...] = ()) -> None:
        self.entries = entries
        self.broken = broken
        self.asked: list[str] = []

    def find(self, key: str, *, partial: bool = False) -> str | None:
        self.asked.append(("~" if partial else "") + key)
        if key in self.broken:
            raise TableTrouble(f"{key}: no answer")
        return self.entries.get(key)


BY_SENDER = CredentialRules(
    by_sender=True, extensions=Extensions("+"), own_domain=lambda domain: domain == "own.example"
)
SERVER = ("mx.example.test", "[mx.example.test]:587")


def find(entries: dict[str, str], sender: str = "a@example.test", rules: CredentialRules | None = None) -> Credential | None:
    return CredentialBook(Maps(entries), rules or CredentialRules()).find(sender, *SERVER)


def user_of(found: Credential | None) -> str | None:
    return found.user if found is not None else None


def test_the_host_goes_before_the_destination() -> None:
    assert user_of(find({"mx.example.test": "one:x", "[mx.example.test]:587": "two:x"})) == "one"
    assert user_of(find({"[mx.example.test]:587": "two:x"})) == "two"
    assert find({"[mx.example.test]": "three:x", "a@example.test": "four:x"}) is None


def test_the_sender_goes_before_both() -> None:
    entries = {"a@example.test": "sender:x", "mx.example.test": "host:x"}
    assert user_of(find(entries, rules=BY_SENDER)) == "sender"
    assert user_of(find(entries, "b@example.test", BY_SENDER)) == "host"
    assert user_of(find(entries, "", BY_SENDER)) == "host"


def test_a_sender_is_looked_for_in_parts() -> None:
    maps = Maps({})
    assert CredentialBook(maps, BY_SENDER).find("a+ext@own.example", "host", "destination") is None
    assert maps.asked == [
        "a+ext@own.example", "~a@own.example", "~a+ext", "~a", "~@own.example", "host", "destination",
    ]  # fmt: skip


def test_users_of_other_domains_are_not_looked_for_without_one() -> None:
    maps = Maps({})
    CredentialBook(maps, BY_SENDER).find("a@example.test", "host", "destination")
    assert maps.asked == ["a@example.test", "~@example.test", "host", "destination"]


def test_an_address_that_needs_quotes_is_looked_for_in_both_forms() -> None:
    maps = Maps({})
    CredentialBook(maps, BY_SENDER).find("a b@example.test", "host", "destination")
    assert maps.asked[:2] == ['"a b"@example.test', "a b@example.test"]


def test_a_table_that_cannot_answer_is_no_miss() -> None:
    for key in ("a@example.test", "host", "destination"):
        with pytest.raises(TableTrouble):
            CredentialBook(Maps({}, (key,)), BY_SENDER).find("a@example.test", "host", "destination")


@pytest.mark.parametrize(
    ("value", "delimiter", "user", "password"),
    [
        ("user:secret", ":", "user", "secret"), ("user:se:cr:et", ":", "user", "se:cr:et"), ("user:", ":", "user", ""),
        ("user", ":", "user", ""), (":secret", ":", "", "secret"), ("a:b|c:d", "|", "a:b", "c:d"),
    ],
)  # fmt: skip
def test_an_entry_is_parted_at_the_first_delimiter(value: str, delimiter: str, user: str, password: str) -> None:
    found = find({"mx.example.test": value}, rules=CredentialRules(delimiter=delimiter))
    assert found is not None
    assert (found.user, found.secret.text, found.token_file) == (user, password, "")


def test_a_password_that_is_a_path_names_a_token_file_where_tokens_are_in_use() -> None:
    entries = {"mx.example.test": "user:/etc/tokens/user.json"}
    with_tokens, without = find(entries, rules=CredentialRules(takes_tokens=True)), find(entries)
    assert with_tokens is not None
    assert without is not None
    assert with_tokens.token_file == "/etc/tokens/user.json"
    assert without.token_file == ""


def test_the_identity_changes_with_user_and_password_and_is_neither() -> None:
    book = CredentialBook(Maps({"a": "user:hidden", "b": "user:hidden", "c": "user:other", "d": "other:hidden"}), BY_SENDER)
    same, again, changed, somebody = (book.find("", host, "") for host in "abcd")
    assert same is not None
    assert again is not None
    assert changed is not None
    assert somebody is not None
    assert same.identity == again.identity
    assert len({same.identity, changed.identity, somebody.identity}) == 3
    assert "hidden" not in repr(same)
    assert b"hidden" not in same.identity[1]


@given(st.text(min_size=1), st.text())
def test_the_password_never_shows(user: str, password: str) -> None:
    found = find({"mx.example.test": f"{user}:{password}"})
    assert found is not None
    assert repr(found.secret) == "***"
    assert f"{found.user}:{found.secret.text}" == f"{user}:{password}"
