from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables import patterns
from mailrider.tables.opening import open_table
from mailrider.tables.table import Table

# The table and the answers with which Postfix tests its own (the same for both kinds, but for one line).
TABLE = """if /true/	fodder
/1/	1
if /false/
/2/	2
endif		fodder
/3/	3
endif
/a/!/b/	a!b
/c/
/(1)(2)(3)(5)/	($1)($2)($3)($4)($5)
/(1)(2)(3)(4)/	($1)($2)($3)($4)
/(1)(2)(3)/	($1)($2)($3)
# trailing whitespace below
if /bar/ \t
if !/xyzzy/
/(elbereth)/	($1)
!/(bogus)/	($1)
!/find/		Don't have a liquor license
endif
endif\t\x20
# trailing whitespace above
!
# dangling endif and if
endif
endif
if /./
if /./
"""
ANSWERS = {
    "true": None,
    "true1": "1",
    "true2": None,
    "truefalse2": "2",
    "3": None,
    "true3": "3",
    "c": "",
    "d": None,
    "1235": "(1)(2)(3)",
    "1234": "(1)(2)(3)(4)",
    "123": "(1)(2)(3)",
    "bar/find": None,
    "bar/whynot": "Don't have a liquor license",
    "bar/elbereth": "(elbereth)",
    "say/elbereth": None,
}


def open_text(path: Path, kind: str, text: str) -> tuple[Table, list[str]]:
    path.write_text(text)
    warnings: list[str] = []
    return open_table(f"{kind}:{path}", warn=warnings.append), warnings


@pytest.mark.parametrize(
    ("kind", "warned", "answers"),
    [
        ("regexp", [1, 5, 9, 10, 17, 22, 24, 25, 27, 26], {"ab": None, "aa": "a!b"}),
        ("pcre", [1, 5, 8, 9, 10, 17, 22, 24, 25, 27, 26], {}),
    ],
)
def test_a_table_answers_as_in_postfix(tmp_path: Path, kind: str, warned: list[int], answers: dict[str, str | None]) -> None:
    table, warnings = open_text(tmp_path / "table", kind, TABLE)
    expected = ANSWERS | answers
    assert {key: table.find(key) for key in expected} == expected
    assert [int(warning.split("line ")[1].split(":")[0]) for warning in warnings] == warned


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ("word", '"word" is neither a pattern nor if nor endif'),
        ("ifx /a/", '"ifx /a/" is neither'),
        ("!!", "no pattern"),
        ("/a", "no second / to end the pattern"),
        ("/a\\", "no second / to end the pattern"),
        ("/a/q x", "unknown flag 'q'"),
        ("/a/ $x", "not the number of a group"),
        ("/a/ $1", "the pattern has no group 1"),
        ("!/(a)/ $1", "a pattern that must not match has no groups"),
        ("endif", "endif without if"),
        ("/(/ x", ""),
    ],
)
@pytest.mark.parametrize("kind", ["regexp", "pcre"])
def test_rules_that_make_no_sense_are_ignored(tmp_path: Path, kind: str, rules: str, complaint: str) -> None:
    table, warnings = open_text(tmp_path / "table", kind, f"{rules}\n/./ else\n")
    assert table.find("a") == "else"
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{kind}:{tmp_path / 'table'}, line 1: ignored: ")
    assert complaint in warnings[0]


@pytest.mark.parametrize(
    ("title", "answers"),
    [
        ("regexp:{{/^a/ x}, {!/b/i y}}", {"A": "x", "B": "y", "b": None}),
        ("regexp:{{,a b,m x}}", {"a b": "x"}),
        ("regexp:{{! ! |a| x}}", {"a": "x", "b": None}),
        ("regexp:{{/a/!!/b/ x}}", {"ab": "x", "a": None}),
        ("regexp:{{/a\\/b/ $$1}}", {"a/b": "$1"}),
        ("regexp:{{IF /a/}, {/b/ x}, {EndIf}, {/c/ y}}", {"ab": "x", "b": None, "ac": "y", "c": "y"}),
        ("regexp:{{if !/a/}, {/b/ x}}", {"b": "x", "ab": None}),
        ("pcre:{{/(?<n>a)+/ <$1>}}", {"aa": "<a>"}),
        ("pcre:{{/^b$/m x}, {/a.b/s y}}", {"a\nb": "x", "a b": "y", "a\nb ": None}),
        ("pcre:{{/a b/x x}, {/^(b+)/U $1}}", {"ab": "x", "bbb": "b"}),
        ("pcre:{{/b/A x}, {/a$/E y}}", {"ab": None, "ba": "x", "a": "y", "a\n": None}),
        ("pcre:{{/a/X x}}", {"a": "x"}),
    ],
)
def test_rules(title: str, answers: dict[str, str | None]) -> None:
    table = open_table(title)
    assert {key: table.find(key) for key in answers} == answers


@pytest.mark.parametrize("kind", ["regexp", "pcre"])
def test_octets_that_were_never_text_pass_through(kind: str) -> None:
    table = open_table(f"{kind}:{{{{/^(.)é(.+)$/ $2é$1}}}}")
    assert table.find("aé\udcff") == "\udcffé" + "a"
    assert table.find("\udcffé\udcfe\udcfd") == "\udcfe\udcfdé\udcff"


@pytest.mark.parametrize(
    ("rule", "reason"), [("/a/x y", "flag x"), (r"/(a)\1/ y", "back-reference"), ("/a{1001}/ y", "repetitions")]
)
def test_a_rule_that_cannot_be_followed_is_refused_with_its_place(tmp_path: Path, rule: str, reason: str) -> None:
    with pytest.raises(WrongConfiguration, match=rf"^regexp:{tmp_path}/table, line 2: not supported: .*{reason}"):
        open_text(tmp_path / "table", "regexp", f"/fine/ x\n{rule}\n")


def test_a_match_that_takes_too_long_is_trouble(tmp_path: Path) -> None:
    table, _ = open_text(tmp_path / "table", "pcre", "/x/ y\n/^(a+)+$/ reject\n/./ accept\n")
    assert table.find("aaa") == "reject"
    with pytest.raises(TableTrouble, match=r"table, line 2: match limit exceeded"):
        table.find("a" * 40 + "!")


def test_endless_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "RULES_LIMIT", 3)
    with pytest.raises(WrongConfiguration, match="more than 3 rules"):
        open_text(tmp_path / "table", "regexp", "/a/ b\n" * 4)
