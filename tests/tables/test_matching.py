from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.tables.matching import MatchTrouble, PcreEngine, PosixEngine
from mailrider.tables.posix_syntax import Malformed


def pcre(pattern: bytes, **flags: bool) -> PcreEngine:
    usual = dict.fromkeys(["ignore_case", "dot_all"], True)
    other = dict.fromkeys(["multiline", "extended", "anchored", "dollar_end_only", "ungreedy"], False)
    return PcreEngine(pattern, **{**usual, **other, **flags})


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (rb"(\d+)-\1", b"x12-12", (b"12",)),
        (rb"(a)|(b)", b"b", (b"", b"b")),
        (rb"^(?!no)(\w+)$", b"yes", (b"yes",)),
        (rb"^(?!no)(\w+)$", b"no", None),
        (rb"(?<=@)(\S++)", b"a@b", (b"b",)),
        (rb"(\x41\x{41}\x5)", b"aa\x05", (b"aa\x05",)),
        (rb"(\Q\x{41}.\E.)", rb"a\x{41}.b", (rb"\x{41}.b",)),
        (rb"(\\x)", rb"\x", (rb"\x",)),
        (rb"(.)$", b"\n", (b"\n",)),
        (rb"(a)$", b"a\n", (b"a",)),
        (b"(\xc3\xa9)", "é".encode(), ("é".encode(),)),
        (b"\xe9", b"\xc9", None),
    ],
)
def test_perl_patterns(pattern: bytes, text: bytes, groups: tuple[bytes, ...] | None) -> None:
    assert pcre(pattern).match(text) == groups


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "matched"),
    [
        (b"a", {"ignore_case": False}, b"A", False),
        (b"a.b", {"dot_all": False}, b"a\nb", False),
        (b"^b$", {"multiline": True}, b"a\nb\nc", True),
        (b"a b # comment", {"extended": True}, b"ab", True),
        (b"b", {"anchored": True}, b"ab", False),
        (b"a$", {"dollar_end_only": True}, b"a\n", False),
    ],
)
def test_the_flags_of_perl_patterns(pattern: bytes, flags: dict[str, bool], text: bytes, matched: bool) -> None:
    assert (pcre(pattern, **flags).match(text) is not None) is matched
    assert (pcre(pattern).match(text) is not None) is not matched


def test_ungreedy_patterns() -> None:
    assert pcre(b"(a+)", ungreedy=True).match(b"aaa") == (b"a",)


@pytest.mark.parametrize("pattern", [b"(", b"[z-a]", rb"\u0041", rb"\x{100}", b"(?P<a", b"*"])
def test_malformed_perl_patterns(pattern: bytes) -> None:
    with pytest.raises(Malformed):
        pcre(pattern)


def test_a_pattern_that_runs_away_is_stopped() -> None:
    with pytest.raises(MatchTrouble, match="limit"):
        pcre(rb"^(a+)+$").match(b"a" * 40 + b"!")


def test_posix_patterns_cannot_run_away() -> None:
    assert PosixEngine(b"^(a+)+$", ignore_case=True, newline=False).match(b"a" * 100_000 + b"!") is None


@settings(deadline=None)
@given(st.binary(max_size=15) | st.text(st.sampled_from("ab[]()\\?*+{}x41uU.QE<>!="), max_size=15).map(str.encode))
def test_any_octets_are_a_perl_pattern_or_an_error(pattern: bytes) -> None:
    try:
        engine = pcre(pattern)
        groups = engine.match(b"ab\nAB")
    except (Malformed, MatchTrouble):
        return
    assert groups is None or len(groups) == engine.groups


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    monkeypatch.setitem(sys.modules, "pcre2", None)
    with pytest.raises(WrongConfiguration, match="pip install google-re2"):
        PosixEngine(b"a", ignore_case=True, newline=False)
    with pytest.raises(WrongConfiguration, match="pip install pcre2"):
        pcre(b"a")
