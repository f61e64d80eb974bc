from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.settings.kinds import (
    BALANCED,
    Address,
    Character,
    Choice,
    Count,
    Feedback,
    Flag,
    HostName,
    Level,
    NameServers,
    NextHops,
    Patterns,
    Ports,
    Rate,
    Seconds,
    Tables,
    Text,
    Words,
    split_groups,
    split_words,
)
from mailrider.settings.parameter import Parameter, WrongValue


def make(kind: Any, default: str = "", **rest: Any) -> Parameter[Any]:
    made: Parameter[Any] = kind(default, "A parameter.", in_effect=True, **rest)
    return made


FLAG = make(Flag, "no")
UNSET_FLAG = make(Flag)
COUNT = make(Count, "5")
BOUNDED = make(Count, "512", least=512, most=1000)
TIME = make(Seconds, "5s")
DAYS = make(Seconds, "5d", least=0, most=8_640_000)
TEXT = make(Text, "x", least=1)
CHARACTER = make(Character, ":")
HOST = make(HostName)
LEVEL = make(Level, "0")
CHOICE = make(Choice, "any", of=("any", "IPv4"))
OPTIONAL = make(Choice, of=("on",), empty=True)
WORDS = make(Words)
STRICT = make(Words, "dns", of=("dns", "native"), least=1)
LENIENT = make(Words, of=("auth", "size"), fold=True, lenient=True)
LOOSE = make(Words, of=("BUG",), loose=True)
PATTERNS = make(Patterns)
TABLES = make(Tables)
HOPS = make(NextHops)
IPV4 = make(Address, version=4)
IPV6 = make(Address, version=6)
PORTS = make(Ports)
SERVERS = make(NameServers)
FEEDBACK = make(Feedback, "1")

ACCEPTED = [
    (FLAG, "yes", True),
    (FLAG, "YES", True),
    (FLAG, "No", False),
    (UNSET_FLAG, "", False),
    (COUNT, "0", 0),
    (COUNT, "+7", 7),
    (COUNT, "-1", 0),
    (COUNT, "2147483647", 2147483647),
    (BOUNDED, "512", 512),
    (TIME, "1", 1.0),
    (TIME, "30s", 30.0),
    (TIME, "5m", 300.0),
    (TIME, "5min", 300.0),
    (TIME, "2h", 7200.0),
    (TIME, "1d", 86400.0),
    (TIME, "1w", 604800.0),
    (DAYS, "3", 259200.0),
    (DAYS, "3s", 3.0),
    (DAYS, "0", 0.0),
    (TEXT, "a b", "a b"),
    (CHARACTER, "|", "|"),
    (HOST, "mail_1.example-x.test", "mail_1.example-x.test"),
    (HOST, "bücher.example", "bücher.example"),
    (LEVEL, "3.6", "3.6"),
    (CHOICE, "ipV4", "IPv4"),
    (OPTIONAL, "", ""),
    (WORDS, "a, b\tc,,d ", ("a", "b", "c", "d")),
    (WORDS, "", ()),
    (STRICT, "native, dns", ("native", "dns")),
    (LENIENT, "SIZE, nonsense Auth", ("size", "auth")),
    (LOOSE, "bug, 0x8f Other", ("BUG", "0x8f", "Other")),
    (PATTERNS, "!a.example, /file inline:{a b, c}", ("!a.example", "/file", "inline:{a b, c}")),
    (TABLES, "hash:/etc/x, inline:{{a = b}, c=d}", ("hash:/etc/x", "inline:{{a = b}, c=d}")),
    (TABLES, "", ()),
    (HOPS, "[a]:25, b", ("[a]:25", "b")),
    (IPV4, "", ""),
    (IPV4, "192.0.2.1", "192.0.2.1"),
    (IPV4, "[192.0.2.1]", "192.0.2.1"),
    (IPV6, "[2001:db8::1]", "2001:db8::1"),
    (PORTS, "smtp=25, smtps = submissions = 465,", {"smtp": 25, "smtps": 465, "submissions": 465}),
    (PORTS, "", {}),
    (SERVERS, "192.0.2.1", (("192.0.2.1", 53),)),
    (SERVERS, "192.0.2.1:5353, [2001:db8::1]:54", (("192.0.2.1", 5353), ("2001:db8::1", 54))),
    (SERVERS, "::1 [::2]", (("::1", 53), ("::2", 53))),
    (SERVERS, "", ()),
    (FEEDBACK, "1", Rate(1.0)),
    (FEEDBACK, "1/8", Rate(0.125)),
    (FEEDBACK, "0.5 / concurrency", Rate(0.5, "concurrency")),
    (FEEDBACK, "1/sqrt_concurrency", Rate(1.0, "sqrt_concurrency")),
]

REFUSED = [
    (FLAG, ["", "true", "1", "yes ", "yes no"]),
    (UNSET_FLAG, ["maybe"]),
    (COUNT, ["", "x", "1.5", "1 2", "0x1", "2147483648", "-2147483648", "9" * 5000, "٣"]),
    (BOUNDED, ["511", "1001", "-1"]),
    (TIME, ["", "0", "-5", "5x", "5 s", "5S", "s", "1m30s", "2147483648", "9999999w", "٣s"]),
    (DAYS, ["101d", "8640001s"]),
    (TEXT, [""]),
    (CHARACTER, ["", "::"]),
    (HOST, ["", "a..b", "-a", "a-", "a b", "a:1", "a.", ".a", "x" * 64, "a\n"]),
    (LEVEL, ["", "x", "3.", "3.6.1.1", "-1"]),
    (CHOICE, ["", "all"]),
    (OPTIONAL, ["off"]),
    (STRICT, ["", "DNS", "dns, hosts"]),
    (PATTERNS, ["inline:{a", "a}", "}{"]),
    (TABLES, ["/etc/x", "hash", ":x", "hash:{"]),
    (IPV4, ["::1", "mail.example", "[192.0.2.1", "192.0.2.1]", "192.0.2.300"]),
    (IPV6, ["192.0.2.1", "[]"]),
    (PORTS, ["smtp", "smtp=", "=25", "smtp=x", "smtp=65536", "25=25", "a=1,a=2", "a b=1"]),
    (SERVERS, ["mail.example", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1]:53", "[::1]:", "x:53", "192.0.2.1:x"]),
    (FEEDBACK, ["", "2", "-1", "1/0", "1/x", "1/", "nan", "1/2/3", "1e999", "concurrency"]),
]


@pytest.mark.parametrize(("parameter", "text", "value"), ACCEPTED)
def test_accepted(parameter: Parameter[Any], text: str, value: object) -> None:
    parsed = parameter.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("parameter", "texts"), REFUSED)
def test_refused_with_what_would_be_accepted(parameter: Parameter[Any], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(WrongValue) as caught:
            parameter.parse(text)
        assert str(caught.value) == (BALANCED if "{" in text else parameter.wanted), text


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (COUNT, "a whole number, 0 or more"),
        (BOUNDED, "a whole number from 512 to 1000"),
        (TIME, "a time such as 30s, 5m, 1h, 2d or 1w, 1s or more (no unit means s)"),
        (DAYS, "a time such as 30s, 5m, 1h, 2d or 1w, 8640000s at most (no unit means d)"),
        (CHOICE, "one of any, IPv4"),
        (OPTIONAL, "one of on or nothing"),
        (WORDS, "a list"),
        (STRICT, "a list of at least one word of dns, native"),
        (IPV6, "a numeric IPv6 address, or nothing"),
    ],
)
def test_what_is_accepted_is_said_in_words(parameter: Parameter[Any], words: str) -> None:
    assert parameter.wanted == words


def test_a_rate_depends_on_the_concurrency() -> None:
    assert Rate(1.0).at(4) == 1.0
    assert Rate(1.0, "concurrency").at(4) == 0.25
    assert Rate(1.0, "sqrt_concurrency").at(4) == 0.5


ALL = [parameter for parameter, *_ in REFUSED] + [WORDS, LENIENT, HOPS]


@given(st.sampled_from(ALL), st.one_of(st.text(max_size=30), st.text(alphabet="0123456789smhdw:/.,={}[] !", max_size=20)))
def test_any_text_is_accepted_or_refused(parameter: Parameter[Any], text: str) -> None:
    refusals = []
    try:
        parameter.parse(text)
    except WrongValue as refusal:
        refusals.append(str(refusal))
    assert refusals in ([], [parameter.wanted], [BALANCED])


GROUPS = st.from_regex(r"[^, \t\r\n{}]+|\{[a-z, ]*\}x?", fullmatch=True)


@given(st.lists(GROUPS, max_size=6), st.sampled_from([" ", ", ", ",\t"]))
def test_a_list_of_groups_comes_apart_as_it_was_put_together(words: list[str], separator: str) -> None:
    assert list(split_groups(separator.join(words))) == words


@given(st.text(alphabet="ab, \t\r\n", max_size=20))
def test_without_braces_groups_are_words(text: str) -> None:
    assert split_groups(text) == split_words(text)
