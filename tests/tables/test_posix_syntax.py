from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.tables.matching import PosixEngine
from mailrider.tables.posix_syntax import Malformed, Unsupported, translate_posix

# What regcomp(3) and regexec(3) of glibc say: pattern, text, and what matched or None.
FACTS = [
    (b"abc", b"xABCx", b"ABC"),
    (b"a)", b"a)", b"a)"),
    (b"a{,2}", b"aaa", b"aa"),
    (b"a{,}", b"aaa", b"aaa"),
    (b"^a{2}{3}$", b"aaaaaa", b"aaaaaa"),
    (b"a+?", b"aaa", b"aaa"),
    (b"a**", b"aaa", b"aaa"),
    (b"x(|a)", b"xa", b"xa"),
    (b"\\d", b"d", None),
    (b"\\D", b"d", b"d"),
    (b"\\n", b"xn", None),
    (b"\\y", b"y", None),
    (b"\\w+", b"!ab_1", b"ab_1"),
    (b"\\W", b"a!", b"!"),
    (b"\\s", b"a\v", b"\v"),
    (b"\\S", b" x", b"x"),
    (b"\\bx", b"a x", b"x"),
    (b"\\Bx", b"a x", None),
    (b"\\<x", b"a x", b"x"),
    (b"x\\>", b"xy", None),
    (b"\\`a\\'", b"ba", None),
    (b"\\/\\.", b"a/.", b"/."),
    (b"[]a]", b"]", b"]"),
    (b"[^]a]", b"]ab", b"b"),
    (b"[a-]", b"-", b"-"),
    (b"[\\n]", b"\\", b"\\"),
    (b"[[.-.]]", b"-", b"-"),
    (b"[[=a=]]", b"A", b"A"),
    (b"[a\\]b]", b"xb]\\b]", b"\\b]"),
    (b"[--/]", b".", b"."),
    (b"[%--]", b"-", b"-"),
    (b"[a-c-]+", b"b-d", b"b-"),
    (b"[b-B]", b"b", b"b"),
    (b"[B-b]", b"Z", None),
    (b"[^a]", b"A", None),
    (b"[[:upper:]]", b"a", b"a"),
    (b"[[:punct:][:digit:]]+", b"a1,b", b"1,"),
    (b"[[:alpha:]]", b"\xe9", None),
    (b"\xe9", b"\xc9", None),
    (b"[\xe0-\xff]", b"\xe9", b"\xe9"),
    (b".", b"\n", b"\n"),
    (b"a.b", b"a\xe9b", b"a\xe9b"),
    (b"^b$", b"a\nb\nc", None),
    (b"(a|ab)(c|bcd)?", b"abcd", b"abcd"),
    (b"x{0}", b"y", b""),
]


@pytest.mark.parametrize(("pattern", "text", "matched"), FACTS)
def test_patterns_mean_what_they_mean_to_glibc(pattern: bytes, text: bytes, matched: bytes | None) -> None:
    engine = PosixEngine(b"(" + pattern + b")" if b"\\`" not in pattern else pattern, ignore_case=True, newline=False)
    if pattern == b"a)":
        engine = PosixEngine(b"(" + pattern.replace(b")", b"\\)") + b")", ignore_case=True, newline=False)
        assert PosixEngine(pattern, ignore_case=True, newline=False).match(text) == ()
    groups = engine.match(text)
    assert (groups[0] if groups else None) == matched


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        (b"(^b$)", b"a\nb\nc", True),
        (b"a.b", b"a\nb", False),
        (b"a[^x]b", b"a\nb", False),
        (b"a[\n]b", b"a\nb", True),
        (b"a\\Wb", b"a\nb", True),
    ],
)
def test_the_newline_option(pattern: bytes, text: bytes, matched: bool) -> None:
    assert (PosixEngine(pattern, ignore_case=True, newline=True).match(text) is not None) is matched


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        (b"a", b"A", False),
        (b"\\d", b"d", True),
        (b"\\d", b"1", False),
        (b"[]-a]", b"_", True),
        (b"[Z-a]", b"_", True),
        (b"[[:lower:]]", b"A", False),
    ],
)
def test_case_may_count(pattern: bytes, text: bytes, matched: bool) -> None:
    assert (PosixEngine(pattern, ignore_case=False, newline=False).match(text) is not None) is matched


@pytest.mark.parametrize(
    "pattern",
    b"*a +a a|*b (*a) ^*a a$* ( (a a{ a{x a{1 a{1x} a{2,1} a{32768} {1}a (?:a) \\b* \\ [ [] [^] [a [[:alpha:] [[:foo:]] [z-a] "
    b"[]-a] [a-c-e] [[:alpha:]-z] [a-[:alpha:]] [[.a".split(),
)
def test_what_glibc_refuses_is_malformed(pattern: bytes) -> None:
    with pytest.raises(Malformed):
        PosixEngine(pattern, ignore_case=True, newline=False)


@pytest.mark.parametrize("pattern", [rb"(a)\1", b"a{1001}", b"[[.hyphen.]]", b"((a{1000}){1000}){10}"])
def test_what_re2_cannot_do_is_unsupported(pattern: bytes) -> None:
    with pytest.raises(Unsupported):
        PosixEngine(pattern, ignore_case=True, newline=False)


def test_anchors_of_the_whole_text_are_unsupported_with_the_newline_option() -> None:
    with pytest.raises(Unsupported, match="option m"):
        translate_posix(b"\\`a", ignore_case=True, newline=True)


def test_an_empty_set_matches_nothing() -> None:
    engine = PosixEngine(b"x[^\x01-\xff\x00-\x01]?", ignore_case=False, newline=False)
    assert engine.match(b"x") == ()


@settings(deadline=None)
@given(
    st.binary(max_size=12) | st.text(st.sampled_from("ab[]^-.*+?{}()|\\1,:=$ <"), max_size=12).map(str.encode),
    st.booleans(),
    st.booleans(),
)
def test_any_octets_are_a_pattern_or_an_error(pattern: bytes, ignore_case: bool, newline: bool) -> None:
    try:
        engine = PosixEngine(pattern, ignore_case=ignore_case, newline=newline)
    except (Malformed, Unsupported):
        return
    groups = engine.match(b"ab\nAB")
    assert groups is None or len(groups) == engine.groups


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_quoted_octets_match_themselves(octets: bytes) -> None:
    quoted = b"".join(b"[" + bytes([octet]) + b"]" if octet != 0x5E else b"\\^" for octet in octets)
    engine = PosixEngine(b"^" + quoted + b"$", ignore_case=False, newline=False)
    assert engine.match(octets) == ()
    assert engine.match(octets + b"x") is None
