from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.resolver.system import (
    NDOTS_LIMIT,
    NameServer,
    ResolverConfiguration,
    configure,
    parse_resolv_conf,
    read_resolv_conf,
)

FULL = """\
# comment
; another
domain ignored.test
search x.test y.test. bad..name
nameserver 192.0.2.53
nameserver fe80::1%eth0
  nameserver 2001:db8::53
nameserver nonsense
nameserver
nameserver 192.0.2.54
options timeout:3 attempts:4 ndots:2 rotate unknown:7 timeout:x
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALDOMAIN", raising=False)
    monkeypatch.delenv("RES_OPTIONS", raising=False)


def test_a_whole_file() -> None:
    assert parse_resolv_conf(FULL) == ResolverConfiguration(
        (NameServer("192.0.2.53"), NameServer("fe80::1%eth0"), NameServer("2001:db8::53")),
        timeout_seconds=3,
        attempts=4,
        search=("x.test", "y.test"),
        ndots=2,
    )


def test_defaults() -> None:
    expected = ResolverConfiguration((NameServer("127.0.0.1", 53),), timeout_seconds=5, attempts=2, search=(), ndots=1)
    assert parse_resolv_conf("") == expected
    assert ResolverConfiguration() == expected


def test_the_last_of_domain_and_search_counts() -> None:
    assert parse_resolv_conf("search a.test b.test\ndomain c.test d.test").search == ("c.test",)


def test_options_are_bounded() -> None:
    big = parse_resolv_conf("options timeout:999999999999 attempts:99 ndots:99")
    assert (big.timeout_seconds, big.attempts, big.ndots) == (30, 5, NDOTS_LIMIT)
    small = parse_resolv_conf("options timeout:0 attempts:0 ndots:0")
    assert (small.timeout_seconds, small.attempts, small.ndots) == (1, 1, 0)


@given(st.text())
def test_any_text_gives_a_configuration(text: str) -> None:
    configuration = parse_resolv_conf(text)
    assert 1 <= len(configuration.nameservers) <= 3
    assert configuration.attempts >= 1
    assert configuration.timeout_seconds >= 1


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(b"nameserver 192.0.2.53\nsearch \xff.test a.test\n")
    assert read_resolv_conf(str(path)).nameservers == (NameServer("192.0.2.53"),)
    assert read_resolv_conf(str(path)).search == ("a.test",)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert read_resolv_conf(str(tmp_path / "none")) == ResolverConfiguration()
    assert read_resolv_conf(str(tmp_path)) == ResolverConfiguration()


def test_the_environment_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search a.test\noptions attempts:3")
    monkeypatch.setenv("LOCALDOMAIN", "b.test c.test")
    monkeypatch.setenv("RES_OPTIONS", "attempts:1 timeout:2")
    configuration = read_resolv_conf(str(path))
    assert (configuration.search, configuration.attempts, configuration.timeout_seconds) == (("b.test", "c.test"), 1, 2)


def test_our_own_name_servers_replace_those_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\nsearch a.test")
    ours = configure([("127.0.0.1", 5353), ("::1", 53)], str(path))
    assert ours.nameservers == (NameServer("127.0.0.1", 5353), NameServer("::1", 53))
    assert ours.search == ("a.test",)
    assert configure((), str(path)).nameservers == (NameServer("192.0.2.53"),)


def test_servers_as_text() -> None:
    assert str(NameServer("192.0.2.53")) == "192.0.2.53:53"
    assert str(NameServer("::1", 5353)) == "[::1]:5353"
