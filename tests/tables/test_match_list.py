from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, TableTrouble, WrongConfiguration
from mailrider.tables import match_list
from mailrider.tables.match_list import open_domain_list, open_host_list, open_string_list, take_trouble_as_no


@pytest.mark.parametrize(
    ("text", "subject", "matches"),
    [
        ("a, b c", "B", True),
        ("a", "aa", False),
        ("", "a", False),
        ("!a, a", "a", False),
        ("!!a", "a", True),
        ("!a, static:all", "b", True),
        ("inline:{a=x {b = y z}}", "b", True),
        ("!inline:{a=x}, static:all", "A", False),
        ("inline:{A=x}", "A", False),
        ("regexp:{{/^A$/ x}}", "a", True),
        ("É", "é", True),
        ("a.b", "x.a.b", False),
    ],
)
def test_strings(text: str, subject: str, matches: bool) -> None:
    assert open_string_list("some_list", text).matches(subject) is matches


@pytest.mark.parametrize(
    ("text", "domain", "with_parents", "without"),
    [
        ("example.test", "example.test", True, True),
        ("example.test", "Mail.Example.TEST", True, False),
        ("example.test", "notexample.test", False, False),
        (".example.test", "mail.example.test", False, True),
        (".example.test", "example.test", False, False),
        ("test", "a.b.test", True, False),
        ("inline:{example.test=x}", "a.b.example.test", True, False),
        ("inline:{.example.test=x}", "a.b.example.test", False, True),
        ("inline:{.example.test=x}", "example.test", False, False),
        ("regexp:{{/^example/ x}}", "example.test", True, True),
        ("regexp:{{/^example/ x}}", "mail.example.test", False, False),
        ("!mail.example.test, example.test .example.test", "mail.example.test", False, False),
        ("!mail.example.test, example.test .example.test", "www.example.test", True, True),
        ("static:all", "", False, False),
    ],
)
def test_domains(text: str, domain: str, with_parents: bool, without: bool) -> None:
    assert open_domain_list("some_list", text, parent_domains=True).matches(domain) is with_parents
    assert open_domain_list("some_list", text, parent_domains=False).matches(domain) is without


@pytest.mark.parametrize("domain", ["a..b", "a.b.", "..", ".", ".a"])
def test_odd_domains_come_to_an_end(domain: str) -> None:
    for parents in (True, False):
        assert not open_domain_list("some_list", "inline:{x=y}", parent_domains=parents).matches(domain)


@pytest.mark.parametrize(
    ("text", "address", "matches"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.2.77", True),
        ("192.0.2.0/24", "::1", False),
        ("!192.0.2.5, 192.0.2.0/24", "192.0.2.5", False),
        ("[::1]", "0:0:0:0:0:0:0:1", True),
        ("[2001:db8::]/32", "2001:DB8::9", True),
        ("[2001:db8::/32]", "2001:db8::9", True),
        ("[192.0.2.1]", "192.0.2.1", True),
        ("example.test", "192.0.2.1", False),
        ("example.test", "example.test", True),
        ("cidr:{{192.0.2.0/24 x}}", "192.0.2.1", True),
        ("static:all", "192.0.2.1", True),
        ("0.0.0.0/0", "not an address", False),
    ],
)
def test_addresses(text: str, address: str, matches: bool) -> None:
    hosts = open_host_list("some_list", text, parent_domains=False)
    assert hosts.matches("unknown", address) is matches


@pytest.mark.parametrize(
    ("text", "name", "address", "matches"),
    [
        ("example.test", "mx.example.test", "192.0.2.1", True),
        ("192.0.2.0/24", "unknown", "192.0.2.1", True),
        ("!192.0.2.1, example.test", "mx.example.test", "192.0.2.1", False),
        ("[::1], other.test", "mx.example.test", "192.0.2.1", False),
    ],
)
def test_hosts(text: str, name: str, address: str, matches: bool) -> None:
    assert open_host_list("debug_peer_list", text, parent_domains=True).matches(name, address) is matches


def test_files_stand_for_what_is_in_them(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.write_text("!c\n")
    outer.write_text(f"# comment\na, b\n {inner}\n")
    members = open_string_list("some_list", f"{outer}")
    assert [members.matches(letter) for letter in "abc"] == [True, True, False]
    others = open_string_list("some_list", f"!{outer} static:all")
    assert [others.matches(letter) for letter in "abcd"] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a, !", "^some_list: no text after !$"),
        ("/no/such/file", "^some_list: cannot read /no/such/file"),
        ("nosql:x", "^some_list: .*unsupported"),
        ("192.0.2.1/24", "^some_list: .*bits set after the prefix"),
        ("[::1", "^some_list: .*no ]"),
    ],
)
def test_members_that_make_no_sense_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration, match=complaint):
        open_host_list("some_list", text, parent_domains=False)


def test_errors_in_a_file_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a\n!\n")
    with pytest.raises(WrongConfiguration, match=f"some_list: {path}, line 2: no text"):
        open_string_list("some_list", str(path))


def test_a_file_that_names_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"{path}\n")
    with pytest.raises(WrongConfiguration, match="more than 10 deep"):
        open_string_list("some_list", str(path))


@pytest.mark.plain("a smaller limit is put into the module")
def test_endless_lists_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match_list, "MEMBERS_LIMIT", 2)
    with pytest.raises(WrongConfiguration, match="more than 2 members"):
        open_string_list("some_list", "a b c")


def test_a_comment_after_other_text_is_warned_of() -> None:
    warnings: list[str] = []
    members = open_string_list("some_list", "a # b", warn=warnings.append)
    assert (members.matches("a"), members.matches("b")) == (True, False)
    assert warnings == ['some_list: ignored a comment after other text: "#"']


def test_trouble_in_a_table_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("a b\n")
    seconds = iter(range(0, 1000, 10))
    members = open_string_list("some_list", f"x, texthash:{path}", now_seconds=lambda: float(next(seconds)))
    path.unlink()
    assert members.matches("x")
    with pytest.raises(TableTrouble):
        members.matches("a")


def test_trouble_in_a_table_is_no_where_that_will_do_and_told() -> None:
    told: list[str] = []
    matches = take_trouble_as_no(open_string_list("some_list", "x, fail:nothing"), told.append)
    assert matches("x")
    assert told == []
    assert matches("a") is False
    assert len(told) == 1
    assert told[0].startswith("fail:nothing")


def test_an_empty_list_is_false() -> None:
    assert not open_string_list("some_list", " , ")
    assert open_string_list("some_list", "a")


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(), max_size=8) | st.sampled_from(["!a.b", ".a", "10.0.0.0/8", "[::1]", "static:x"])),
    st.text(max_size=10),
    st.booleans(),
)
def test_any_list_matches_or_is_wrong(members: list[str], subject: str, parents: bool) -> None:
    try:
        matches = open_host_list("some_list", " ".join(members), parent_domains=parents)
        assert isinstance(matches.matches(subject, subject), bool)
    except MailriderError:
        pass
