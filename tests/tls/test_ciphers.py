"""From a grade to a list of ciphers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.tls.ciphers import BadCiphers, GradeLists, make_cipher_list

LISTS = GradeLists("HIGH", "HIGH:MEDIUM", "eNULL", "HIGH:LOW", "ALL")


@pytest.mark.parametrize(
    ("grade", "exclusions", "expected"),
    [
        ("high", "", "HIGH"),
        ("HIGH", "", "HIGH"),
        ("medium", "aNULL", "HIGH:MEDIUM:!aNULL"),
        ("low", "RC4, 3DES  MD5:DES", "HIGH:LOW:!RC4:!3DES:!MD5:!DES"),
        ("export", "", "ALL"),
        ("null", "", "eNULL"),
    ],
)
def test_lists(grade: str, exclusions: str, expected: str) -> None:
    assert make_cipher_list(grade, exclusions, LISTS) == expected


@pytest.mark.parametrize(
    ("grade", "exclusions", "reason"),
    [
        ("bogus", "", 'invalid cipher grade: "bogus"'),
        ("", "", 'invalid cipher grade: ""'),
        ("high", "RC4 !AES", "invalid unary '!+-@' in cipher exclusion: !AES"),
        ("high", "@STRENGTH", "invalid unary '!+-@' in cipher exclusion: @STRENGTH"),
    ],
)
def test_what_makes_no_list(grade: str, exclusions: str, reason: str) -> None:
    assert make_cipher_list(grade, exclusions, LISTS) == BadCiphers(reason)


@given(st.sampled_from(["high", "medium", "null"]), st.text(alphabet="aA3:, +-!@", max_size=12))
def test_an_exclusion_only_ever_takes_away(grade: str, exclusions: str) -> None:
    made = make_cipher_list(grade, exclusions, LISTS)
    if isinstance(made, str):
        base = getattr(LISTS, grade)
        assert made.startswith(base)
        assert all(word.startswith("!") and word[1:2] not in set("!+-@") for word in made[len(base) :].split(":")[1:])
