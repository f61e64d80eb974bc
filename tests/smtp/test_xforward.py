from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.stage import XFORWARD_HELO, XFORWARD_NAME
from mailrider.smtp.xforward import VALUE_LIMIT_OCTETS, forward_client

ALL = frozenset({"NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"})
REMOTE = {
    "name": "client.example.test", "addr": "192.0.2.7", "port": "40000", "proto": "ESMTP", "helo": "helo.example.test",
    "ident": "ABC", "source": "remote",
}  # fmt: skip


def forward(client: dict[str, str], offered: frozenset[str] = ALL) -> list[str]:
    return [line.decode() for _, line in forward_client(client, "QID", Capabilities(xforward=offered))]


def test_two_commands_tell_everything() -> None:
    commands = forward_client(REMOTE, "QID", Capabilities(xforward=ALL))
    assert commands == (
        (XFORWARD_NAME, b"XFORWARD NAME=client.example.test ADDR=192.0.2.7 PORT=40000\r\n"),
        (XFORWARD_HELO, b"XFORWARD PROTO=ESMTP HELO=helo.example.test IDENT=ABC SOURCE=REMOTE\r\n"),
    )


def test_local_mail_says_so_and_has_no_identity() -> None:
    assert forward({}) == ["XFORWARD SOURCE=LOCAL\r\n"]
    assert forward({}, frozenset({"SOURCE"})) == ["XFORWARD SOURCE=LOCAL\r\n"]


def test_nothing_is_said_to_a_server_that_wants_nothing() -> None:
    assert forward(REMOTE, frozenset()) == []
    assert forward({}, frozenset({"NAME", "ADDR"})) == []


@pytest.mark.parametrize(
    ("offered", "lines"),
    [
        ({"NAME", "ADDR"}, ["XFORWARD NAME=client.example.test ADDR=192.0.2.7\r\n"]),
        ({"PORT"}, ["XFORWARD PORT=40000\r\n"]),
        ({"HELO"}, ["XFORWARD HELO=helo.example.test\r\n"]),
        ({"NAME", "IDENT"}, ["XFORWARD NAME=client.example.test\r\n", "XFORWARD IDENT=ABC\r\n"]),
    ],
)
def test_only_what_is_listed_is_told(offered: set[str], lines: list[str]) -> None:
    assert forward(REMOTE, frozenset(offered)) == lines


@pytest.mark.parametrize("absent", ["", "[UNAVAILABLE]", "[unavailable]"])
def test_what_is_not_available_is_left_out(absent: str) -> None:
    told = forward(dict.fromkeys(REMOTE, absent))
    assert told == ["XFORWARD IDENT=QID SOURCE=LOCAL\r\n"]


def test_an_unknown_name_is_left_out_and_an_unknown_helo_is_told() -> None:
    told = forward(dict.fromkeys(REMOTE, "Unknown"))
    assert told == ["XFORWARD HELO=Unknown IDENT=Unknown SOURCE=REMOTE\r\n"]


@pytest.mark.parametrize(
    ("source", "told"), [("LOCAL", "LOCAL"), ("local", "LOCAL"), ("REMOTE", "REMOTE"), ("elsewhere", "REMOTE")]
)
def test_the_origin_is_local_or_remote(source: str, told: str) -> None:
    assert forward({"source": source}, frozenset({"SOURCE"})) == [f"XFORWARD SOURCE={told}\r\n"]


@pytest.mark.parametrize("given_address", ["IPV6:2001:db8::1", "ipv6:2001:db8::1", "IPv6:2001:db8::1"])
def test_an_ipv6_address_has_its_prefix_as_smtpd_writes_it(given_address: str) -> None:
    assert forward({"addr": given_address}, frozenset({"ADDR"})) == ["XFORWARD ADDR=IPv6:2001:db8::1\r\n"]


def test_values_are_xtext_and_an_equals_sign_is_itself() -> None:
    assert forward({"helo": "a b+c=d\r\nQUIT\x7f~!"}, frozenset({"HELO"})) == ["XFORWARD HELO=a+20b+2Bc=d+0D+0AQUIT+7F~!\r\n"]
    assert forward({"helo": "é"}, frozenset({"HELO"})) == ["XFORWARD HELO=+C3+A9\r\n"]


def test_a_value_is_cut_at_what_an_attribute_may_hold() -> None:
    assert forward({"helo": "x" * 1000}, frozenset({"HELO"})) == [f"XFORWARD HELO={'x' * VALUE_LIMIT_OCTETS}\r\n"]


@given(st.dictionaries(st.sampled_from(sorted(REMOTE)), st.text()), st.frozensets(st.sampled_from(sorted(ALL))))
def test_no_value_gets_out_of_its_place(client: dict[str, str], offered: frozenset[str]) -> None:
    commands = forward_client(client, "QID", Capabilities(xforward=offered))
    assert len(commands) <= 2
    names = []
    for _, line in commands:
        match = re.fullmatch(rb"XFORWARD((?: [A-Z]+=[!-~]+)+)\r\n", line)
        assert match is not None
        names += [word.partition(b"=")[0].decode() for word in match[1].split()]
    assert set(names) <= offered
    assert len(set(names)) == len(names)
