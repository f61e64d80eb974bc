"""Records and policies of MTA-STS as text: what RFC 8461 allows, and what strangers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.trust.mta_sts import (
    MAX_AGE_LIMIT_SECONDS,
    POLICY_LIMIT_OCTETS,
    Mode,
    StsPolicy,
    find_policy_id,
    parse_policy,
)

EXAMPLE = b"""version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
mx: backupmx.example.com
max_age: 604800
"""


def test_the_example_of_the_rfc() -> None:
    wanted = StsPolicy(Mode.ENFORCE, ("mail.example.com", "*.example.net", "backupmx.example.com"), 604800)
    assert parse_policy(EXAMPLE) == wanted
    assert parse_policy(EXAMPLE.replace(b"\n", b"\r\n")) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("version:STSv1\nmode:none\nmax_age:0", StsPolicy(Mode.NONE, (), 0)),
        ("mode: Testing\nMX: Mx.Example.COM  \nmax_age: 1\nversion: STSv1", StsPolicy(Mode.TESTING, ("mx.example.com",), 1)),
        ("version: STSv1\nmode: none\nmode: enforce\nmax_age: 5\nmax_age: 6\nx.y-z_1: é:é", StsPolicy(Mode.NONE, (), 5)),
        ("version: STSv1\nmode: none\nmax_age: 9999999999\n\n\n", StsPolicy(Mode.NONE, (), MAX_AGE_LIMIT_SECONDS)),
        ("version: STSv1\nmode: enforce\nmx: a.b\nmx: a.b\nmax_age: 1", StsPolicy(Mode.ENFORCE, ("a.b",), 1)),
    ],
)
def test_what_is_a_policy(text: str, wanted: StsPolicy) -> None:
    assert parse_policy(text.encode()) == wanted


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (b"", "version"),
        (b"version: stsv1\nmode: none\nmax_age: 1", "version"),
        (b"version: STSv2\nmode: none\nmax_age: 1", "version"),
        (b"version: STSv1\nmax_age: 1", "mode"),
        (b"version: STSv1\nmode: strict\nmax_age: 1", "mode"),
        (b"version: STSv1\nmode: none", "max_age"),
        (b"version: STSv1\nmode: none\nmax_age: -1", "max_age"),
        (b"version: STSv1\nmode: none\nmax_age: 1e3", "max_age"),
        (b"version: STSv1\nmode: none\nmax_age: 12345678901", "max_age"),
        ("version: STSv1\nmode: none\nmax_age: ١".encode(), "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1", "no mx"),
        (b"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1", "host name"),
        (b"version: STSv1\nmode: enforce\nmx: *.*.a\nmax_age: 1", "host name"),
        (b"version: STSv1\nmode: enforce\nmx: m*.a\nmax_age: 1", "host name"),
        (b"version: STSv1\nmode: enforce\nmx: a.b, c.d\nmax_age: 1", "host name"),
        ("version: STSv1\nmode: enforce\nmx: bücher.example\nmax_age: 1".encode(), "host name"),
        (b"version: STSv1\nmode: enforce\nmx: 192.0.2.1\nmax_age: 1", "host name"),
        (b"<html>hello</html>", "no field"),
        (b"version: STSv1\n mode: none\nmax_age: 1", "no field"),
        (b"version: STSv1\nmode: none\nmax_age: 1\n" + b"x" * 33 + b": y", "no field"),
        (b"version: STSv1\0\nmode: none\nmax_age: 1", "control"),
        (b"version: STSv1\nmode: none\nmax_age: 1\nx: \xff", "UTF-8"),
        (b"x: y\n" * POLICY_LIMIT_OCTETS, "octets"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\n" + b"".join(b"mx: m%d.a\n" % n for n in range(1001)), "more than"),
    ],
)
def test_what_is_none(octets: bytes, word: str) -> None:
    said = parse_policy(octets)
    assert isinstance(said, str)
    assert word in said
    assert said.isprintable()


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_garbage_never_raises_and_never_binds_anybody_to_nonsense(octets: bytes) -> None:
    said = parse_policy(octets)
    assert isinstance(said, str) or said.mode is Mode.NONE or said.mx


names = st.from_regex(r"(\*\.)?[a-z][a-z0-9]{0,10}(\.[a-z][a-z0-9]{0,10}){1,3}", fullmatch=True)
extensions = st.from_regex(r"x[a-z0-9]{0,8}: [ -9;-~]{0,30}", fullmatch=True)


@given(
    st.sampled_from(["enforce", "testing", "none"]),
    st.lists(names, min_size=1, max_size=5, unique=True),
    st.integers(0, 9_999_999_999),
    st.lists(extensions, max_size=3),
    st.sampled_from(["\n", "\r\n"]),
    st.randoms(use_true_random=False),
    st.text(" \t", max_size=3),
)
def test_whatever_the_grammar_makes_is_read(
    mode: str, mx: list[str], age: int, more: list[str], end: str, chance: object, blanks: str
) -> None:
    lines = ["version:" + blanks + "STSv1", f"mode:{blanks}{mode}{blanks}", f"max_age:{blanks}{age}", *more]
    lines += [f"mx:{blanks}{name}" for name in mx]
    chance.shuffle(lines)  # type: ignore[attr-defined]
    said = parse_policy((end.join(lines) + end).encode())
    assert isinstance(said, StsPolicy), said
    assert said.mode.value == mode
    assert set(said.mx) == set(mx)
    assert said.max_age_seconds == min(age, MAX_AGE_LIMIT_SECONDS)


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=a"], "a"),
        (["v=STSv1 ; id=a ; x.y=z"], "a"),
        (["v=STSv1; x=y; id=a"], "a"),
        (["v=spf1 -all", "v=STSv1; id=a;", ""], "a"),
        (["v=STSv1; id=a;", "v=STSv1; id=a;"], None),
        (["v=STSv1"], None),
        (["v=STSv1; x=y"], None),
        (["v=STSv1; id=" + "a" * 32], "a" * 32),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv1; id=a-b;"], None),
        (["v=STSv1; id=;"], None),
        (["v=STSv1; id=a; garbage"], None),
        (["v=stsv1; id=a"], None),
        (["V=STSv1; id=a"], None),
        ([" v=STSv1; id=a"], None),
        (["v=STSv10; id=a"], None),
        ([], None),
    ],
)
def test_records(records: list[str], wanted: str | None) -> None:
    assert find_policy_id(records) == wanted


@given(st.lists(st.text(max_size=60), max_size=4))
def test_records_of_garbage(records: list[str]) -> None:
    found = find_policy_id(records)
    assert found is None or found.isalnum()
