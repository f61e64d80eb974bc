from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.settings.expansion import expand, find_references, parse_level

VALUES = {"a": "hello", "b": "$a world", "empty": "", "n10": "10", "level": "3.10", "loop": "x$loop", "utf8": "bücher.example"}

EXPANDED = [
    ("plain", "plain"),
    ("$a", "hello"),
    ("${a}", "hello"),
    ("$(a)", "hello"),
    ("$b!", "hello world!"),
    ("$a.$a", "hello.hello"),
    ("$nobody", ""),
    ("$$a", "$a"),
    ("$$$a", "$hello"),
    ("a$$", "a$"),
    ("${a?yes}", "yes"),
    ("${a:no}", ""),
    ("${empty?yes}", ""),
    ("${empty:no}", "no"),
    ("${nobody:no}", "no"),
    ("${a?y:q}", "y:q"),
    ("${a??foo:{b}ar}", "?foo:{b}ar"),
    ("${a?{y}:{q}}", "y"),
    ("${empty?{y}:{q}}", "q"),
    ("${a ? {y} : {q} }", "y"),
    ("${a?{y}:q r}", "y"),
    ("${empty?{y}:q r}", "q r"),
    ("${a? x}", " x"),
    ("${a?{$b}:{}}", "hello world"),
    ("${a?${empty:${b}}}", "hello world"),
    ("$(a?(x))", "(x)"),
    ("${ a }", "hello"),
    ("${ }", ""),
    ("${{$a} == {hello} ? {y} : {q}}", "y"),
    ("${{$a} != {hello} ? {y} : {q}}", "q"),
    ("${{$a}=={hello}}", "true"),
    ("${{$a}=={other}}", ""),
    ("${{$n10} > {9} ? {number} : {text}}", "number"),
    ("${{x10} > {x9} ? {number} : {text}}", "text"),
    ("${{10} <= {10}?{y}:{q}}", "y"),
    ("${{9} < {10}:{q}}", ""),
    ("${{$level} <level {3.9} ? {below} : {above}}", "above"),
    ("${{$level} <{3.9} ? {below} : {above}}", "below"),
    ("${{3} ==level {3.0.0}}", "true"),
    ("${domain_to_ascii{$utf8}}", "xn--bcher-kva.example"),
    ("${domain_to_utf8{xn--bcher-kva.example}}", "bücher.example"),
    ("${domain_to_ascii{ $a }}", "hello"),
]

MALFORMED = [
    ("${abc", "truncated macro reference"),
    ("$(abc", "truncated macro reference"),
    ("${a?{b}", "truncated macro reference"),
    ("$", "empty macro name"),
    ("a $ b", "empty macro name"),
    ("${}", "empty macro name"),
    ("${a-b}", "malformed parameter name"),
    ("${a b}", "malformed parameter name"),
    ("${a?{b}c}", '":" expected'),
    ("${a?{b}:{c}d}", "unexpected text"),
    ("${{a} = {b}}", "expected"),
    ("${{a} =={b} x}", '"?" or ":" expected'),
    ("${{a} ==size {b}}", "unknown operator"),
    ("${{a} ==}", "expected"),
    ("${{3.x} <level {3}}", "malformed compatibility level"),
    ("${{3.1024} <level {3}}", "malformed compatibility level"),
    ("${{3.6 } <level {3}}", "malformed compatibility level"),
    ("${{99999999999999999999} < {1}}", "too large"),
    ("$loop", "unreasonable macro call nesting"),
    ("$(a?{)", "unbalanced"),
    ("${fold{a}}", "unknown function"),
    ("${domain_to_ascii{a}b}", "unexpected text"),
    ("${domain_to_ascii{\u200d.\u200d}}", "no domain name"),
]


@pytest.mark.parametrize(("text", "expected"), EXPANDED)
def test_every_form_expands(text: str, expected: str) -> None:
    assert expand(text, VALUES.get) == expected


@pytest.mark.parametrize(("text", "complaint"), MALFORMED)
def test_malformed_references_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration, match=complaint.replace("?", r"\?")):
        expand(text, VALUES.get)


def test_nesting_is_bounded_where_postfix_bounds_it() -> None:
    chain = {f"p{number}": f"$p{number + 1}" for number in range(200)}
    assert expand("$p101", {**chain, "p200": "end"}.get) == "end"
    with pytest.raises(WrongConfiguration, match="nesting"):
        expand("$p100", {**chain, "p200": "end"}.get)


def test_a_comparison_with_itself_ends() -> None:
    with pytest.raises(WrongConfiguration, match="nesting"):
        expand("$a", {"a": "${{$a} == {} ? {x} : {y}}"}.get)


def test_doubling_is_bounded() -> None:
    values = {f"p{number}": f"$p{number + 1}$p{number + 1}" for number in range(60)}
    with pytest.raises(WrongConfiguration, match="multiply"):
        expand("$p0", values.get)


def test_the_result_is_bounded() -> None:
    values = {f"p{number}": f"$p{number + 1}" * 8 for number in range(5)} | {"p5": "x" * 100}
    with pytest.raises(WrongConfiguration, match="more than"):
        expand("$p0", values.get)


def test_text_without_references_costs_nothing() -> None:
    text = "x" * 3_000_000
    assert expand(text, VALUES.get) is text


def test_references_are_found_in_every_form() -> None:
    text = "$a ${b} $(c) $$d ${ e ? {$f}:{${g}}} ${{$h} == {}} $"
    assert list(find_references(text)) == ["a", "b", "c", "e", "f", "g", "h"]


@pytest.mark.parametrize(("text", "level"), [("0", (0, 0, 0)), ("3.6", (3, 6, 0)), (" +3.10.2", (3, 10, 2))])
def test_levels(text: str, level: tuple[int, int, int]) -> None:
    assert parse_level(text) == level


def outcome_of(text: str, values: dict[str, str]) -> str | WrongConfiguration:
    """The expanded text, or the refusal; no other exception is caught."""
    try:
        return expand(text, values.get)
    except WrongConfiguration as refusal:
        return refusal


PIECES = st.sampled_from(
    ["$", "${", "$(", "{", "}", ")", "?", ":", "==", "<", "<level", "a", "b", "loop", "empty", " ", "10", "$$", "${{", "x", "ü"]
)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_any_text_expands_or_is_refused(text: str) -> None:
    result = outcome_of(text, VALUES)
    if isinstance(result, WrongConfiguration):
        assert "$" in text
    elif "$" not in text:
        assert result == text


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(PIECES, max_size=12).map("".join)), st.sampled_from("abcdef"))
def test_any_web_of_references_ends(values: dict[str, str], start: str) -> None:
    result = outcome_of(f"${start}", values)
    if start not in values:
        assert result == ""


@given(st.text(alphabet="abc ${}", max_size=30))
def test_dollar_signs_can_be_escaped(text: str) -> None:
    assert expand(text.replace("$", "$$"), VALUES.get) == text
