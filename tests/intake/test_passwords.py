"""Who may log in."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import TableTrouble
from mailrider.intake.passwords import SCHEME, Passwords, agrees, hash_password


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_only_the_password_itself_agrees(right: str, wrong: str) -> None:
    value = hash_password(right, b"salt", 1)
    assert agrees(right, value)
    assert agrees(wrong, value) is (wrong == right)
    assert right == "" or right not in value or len(right) < 8


def test_plain_values() -> None:
    passwords = Passwords({"joe": "secret"}.get)
    assert passwords.check("joe", "secret")
    assert not passwords.check("joe", "Secret")
    assert not passwords.check("ann", "secret")
    assert not passwords.check("ann", "")


def test_a_name_that_is_not_there_costs_what_a_name_that_is_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    derive = hashlib.pbkdf2_hmac

    def count(digest: str, password: bytes, salt: bytes, iterations: int) -> bytes:
        rounds.append(iterations)
        return derive(digest, password, salt, iterations)

    table = {"joe": hash_password("secret", iterations=3), "old": "in clear"}
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", count)
    passwords = Passwords(table.get)
    assert not passwords.check("ann", "secret")
    assert rounds == [], "no name has been found yet"
    assert passwords.check("joe", "secret")
    assert not passwords.check("ann", "secret")
    assert rounds == [3, 3]
    assert passwords.check("old", "in clear")
    assert not passwords.check("ann", "secret")
    assert rounds == [3, 3]


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("x", iterations=1) != hash_password("x", iterations=1)


@pytest.mark.parametrize(
    "value", ["{MD5}x", SCHEME, f"{SCHEME}x:y:z", f"{SCHEME}0:AAAA:AAAA", f"{SCHEME}99999999999:AAAA:AAAA", f"{SCHEME}1:!:!"]
)
def test_values_without_sense_are_trouble(value: str) -> None:
    with pytest.raises(TableTrouble, match="intake_password_maps"):
        agrees("x", value)
