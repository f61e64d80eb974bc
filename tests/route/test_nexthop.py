from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname, to_ascii
from mailrider.route.nexthop import Destination, parse_destinations, parse_nexthop

KNOWN = {"smtp": 25, "submission": 587, "lmtp": 24}


def parse(text: str, transport: Transport = Transport.SMTP) -> tuple[Destination, ...]:
    return parse_nexthop(text, transport, "smtp", KNOWN)


@pytest.mark.parametrize(
    ("text", "host", "port", "service", "bracketed"),
    [
        ("a.test", "a.test", 25, "smtp", False),
        ("a.test:587", "a.test", 587, "587", False),
        ("a.test:submission", "a.test", 587, "submission", False),
        ("a.test:", "a.test", 25, "smtp", False),
        ("[a.test]", "a.test", 25, "smtp", True),
        ("[a.test]:", "a.test", 25, "smtp", True),
        ("[a.test]:2525", "a.test", 2525, "2525", True),
        ("[192.0.2.1]", "192.0.2.1", 25, "smtp", True),
        ("192.0.2.1:2525", "192.0.2.1", 2525, "2525", False),
        ("[ipv6:fd00:77::2]:25", "fd00:77::2", 25, "25", True),
        ("[IPv6:::1]", "::1", 25, "smtp", True),
        ("[fd00:77::2]", "fd00:77::2", 25, "smtp", True),
        ("under_score.test", "under_score.test", 25, "smtp", False),
        ("bücher.test", "bücher.test", 25, "smtp", False),
        ("ipv6", "ipv6", 25, "smtp", False),
    ],
)
def test_one_element(text: str, host: str, port: int, service: str, bracketed: bool) -> None:
    assert parse(text) == (Destination(text, host, port, service, bracketed),)


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\t", "\n", " ,, \r\n"])
def test_lists(separator: str) -> None:
    first, second = parse(f"{separator}[h1.test]:3200{separator}[h2.test]{separator}")
    assert (first.text, first.port, second.text, second.port) == ("[h1.test]:3200", 3200, "[h2.test]", 25)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a.test", 'missing "]" in server description: [a.test'),
        ("[a.test]25", 'garbage after "]" in server description: [a.test]25'),
        ("[ipv6:a.test]", "malformed IPv6 address in server description: [ipv6:a.test]"),
        ("[ipv6:1.2.3.4]", "malformed IPv6 address in server description: [ipv6:1.2.3.4]"),
        (":25", "missing host information in server description: :25"),
        ("-a.test", "valid hostname or network address required in server description: -a.test"),
        ("a.test.", "valid hostname or network address required in server description: a.test."),
        ("[]", "valid hostname or network address required in server description: []"),
        ("fd00:77::2", "valid hostname or network address required in server description: fd00:77::2"),
        ("25", "valid hostname or network address required in server description: 25"),
        ("unix:/run/x", "valid hostname or network address required in server description: unix:/run/x"),
        ("a.test:25x", "garbage after numerical service in server description: a.test:25x"),
        ("a.test:0", "bad network port: 0 in server description: a.test:0"),
        ("a.test:65536", "bad network port: 65536 in server description: a.test:65536"),
        ("a.test:no-such", "unknown service: no-such/tcp in server description: a.test:no-such"),
        ("ok.test, a\x1b.test", "valid hostname or network address required in server description: 'a\\x1b.test'"),
        ("", "null destination: ''"),
        (" , ,", "null destination: ' , ,'"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    if text == "unix:/run/x":
        fault = "unknown service: /run/x/tcp in server description: unix:/run/x"
    with pytest.raises(WrongUsage) as caught:
        parse(text)
    assert str(caught.value) == fault


def test_unix_domain_sockets() -> None:
    assert parse("unix:/run/x y,z", Transport.LMTP) == (Destination("unix:/run/x y,z", "", 0, "", path="/run/x y,z"),)
    assert parse("unix:private/lmtp", Transport.LMTP)[0].path == "private/lmtp"


@pytest.mark.parametrize("text", ["unix:", "unix:/a\0b"])
def test_unix_without_a_path(text: str) -> None:
    with pytest.raises(WrongUsage, match="missing path"):
        parse(text, Transport.LMTP)


def test_inet_means_nothing_and_is_taken_off_once() -> None:
    assert parse("inet:[a.test]:24, b.test", Transport.LMTP)[0].text == "[a.test]:24"
    with pytest.raises(WrongUsage, match="unknown service"):
        parse("inet:inet:a", Transport.LMTP)


def test_smtp_knows_no_prefixes() -> None:
    with pytest.raises(WrongUsage, match="unknown service: a/tcp"):
        parse("inet:a")
    assert parse("unix:587")[0].host == "unix"


def test_fallback_relays_may_be_none() -> None:
    assert parse_destinations((), "smtp", KNOWN) == ()
    assert [each.host for each in parse_destinations(("[a.test]", "b.test:587"), "smtp", KNOWN)] == ["a.test", "b.test"]


@given(
    st.one_of(st.text(), st.text(alphabet="[]:,. a1-ipv6\t", max_size=30)),
    st.sampled_from(Transport),
    st.sampled_from(["smtp", "24"]),
)
@example("[ipv6:::1]:25", Transport.SMTP, "smtp")
def test_any_text_is_destinations_or_a_refusal(text: str, transport: Transport, default: str) -> None:
    refusal = ""
    destinations: tuple[Destination, ...] = ()
    try:
        destinations = parse_nexthop(text, transport, default, KNOWN)
    except WrongUsage as trouble:
        refusal = str(trouble)
    assert bool(destinations) != bool(refusal)
    assert refusal.isprintable()
    for destination in destinations:
        assert destination.text in text
        if not destination.path:
            assert 0 < destination.port <= 65535
            assert destination.service
            assert is_valid_hostname(to_ascii(destination.host) or "") or is_valid_address(destination.host)
