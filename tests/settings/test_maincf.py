from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.settings import lines, maincf
from mailrider.settings.maincf import parse_main_cf, parse_override, read_main_cf


def values_of(text: str) -> dict[str, str]:
    return {name: entry.value for name, entry in parse_main_cf(text, "main.cf").entries.items()}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("a = 1\n", {"a": "1"}),
        ("a=1", {"a": "1"}),
        ("a  =  1 2  \n", {"a": "1 2"}),
        ("a =\nb = x = y\n", {"a": "", "b": "x = y"}),
        ("a = 1\n  2\n\t3\n", {"a": "1  2\t3"}),
        ("a = 1,\n# comment\n\n   \n  # indented\n  2 # no comment\nb = 3\n", {"a": "1,  2 # no comment", "b": "3"}),
        ('a = "quoted"\n', {"a": '"quoted"'}),
        ("a = 1\r\n  2\r\nb = 3\r\n", {"a": "1\r  2", "b": "3"}),
        ("# only\n\n", {}),
        ("a = 1\vb\n", {"a": "1\vb"}),
        ("a = \u00a0x\u2028y\n", {"a": "\u00a0x\u2028y"}),
    ],
)
def test_logical_lines(text: str, values: dict[str, str]) -> None:
    assert values_of(text) == values


def test_an_entry_knows_where_it_starts() -> None:
    text = "\n# c\na = 1\n# c\n  2\n\nb = 3\n"
    entries = parse_main_cf(text, "/etc/x/main.cf").entries
    assert entries["a"].place == "/etc/x/main.cf, line 3"
    assert entries["b"].place == "/etc/x/main.cf, line 7"


def test_the_last_definition_wins_with_a_warning_where_it_differs() -> None:
    parsed = parse_main_cf("a = 1\na = 2\na=2\n", "main.cf")
    assert parsed.entries["a"].value == "2"
    assert parsed.warnings == ("main.cf, line 2: overriding earlier entry: a=1",)


def test_an_earlier_password_is_not_shown() -> None:
    parsed = parse_main_cf("intake_password_maps = inline:{a=hush}\nintake_password_maps = texthash:/x\n", "main.cf")
    assert parsed.warnings == ("main.cf, line 2: overriding earlier entry: intake_password_maps=inline:{***}",)


def test_a_continuation_of_nothing_is_ignored_with_a_warning() -> None:
    parsed = parse_main_cf("# c\n a = 1\n  more\nb = 2\n", "main.cf")
    assert list(parsed.entries) == ["b"]
    assert len(parsed.warnings) == 1
    assert "line 2" in parsed.warnings[0]
    assert "white space" in parsed.warnings[0]


def test_text_after_a_null_byte_is_ignored_with_a_warning() -> None:
    parsed = parse_main_cf("a = 1\0b\n  c\nd = 2\n", "main.cf")
    assert values_of("a = 1\0b\n  c\nd = 2\n") == {"a": "1", "d": "2"}
    assert "null byte" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = 1\nfoo\n", 'main.cf, line 2: missing \'=\' after attribute name: "foo"'),
        ("foo bar = 1\n", "missing '=' after attribute name"),
        ("= 1\n", "missing attribute name"),
        ("\0a = 1\n", "missing attribute name"),
    ],
)
def test_lines_without_name_or_equals_sign_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration) as caught:
        parse_main_cf(text, "main.cf")
    assert complaint in str(caught.value)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (maincf, lines):
        monkeypatch.setattr(room, "LINE_LIMIT_CHARACTERS", 100)
    monkeypatch.setattr(maincf, "ENTRIES_LIMIT", 3)
    monkeypatch.setattr(lines, "FILE_LIMIT_OCTETS", 1000)
    with pytest.raises(WrongConfiguration, match="line 1: longer than 100"):
        parse_main_cf("a = 1\n" + " x\n" * 60, "main.cf")
    with pytest.raises(WrongConfiguration, match="more than 3 parameters"):
        parse_main_cf("a=\nb=\nc=\nd=\n", "main.cf")
    path = tmp_path / "main.cf"
    path.write_bytes(b"#" * 1001)
    with pytest.raises(WrongConfiguration, match="larger than 1000 octets"):
        read_main_cf(path)
    path.write_bytes(b"#" * 1000)
    assert read_main_cf(path).entries == {}
    with pytest.raises(WrongUsage, match="longer than 100"):
        parse_override("a=" + "x" * 100)


def test_bytes_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "main.cf"
    path.write_bytes(b"a = caf\xe9\n")
    assert read_main_cf(path).entries["a"].value.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_file_that_cannot_be_read_is_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match="No such file"):
        read_main_cf(tmp_path / "main.cf")
    with pytest.raises(WrongConfiguration):
        read_main_cf(tmp_path)


def test_overrides() -> None:
    entry = parse_override("a = x = y ")
    assert (entry.name, entry.value, entry.place) == ("a", "x = y", "-o")
    assert parse_override("a=").value == ""


@pytest.mark.parametrize("text", ["", "a", "=1", " = 1", "a b = 1"])
def test_overrides_need_a_name_and_an_equals_sign(text: str) -> None:
    with pytest.raises(WrongUsage, match="needs name=value"):
        parse_override(text)


LINES = st.lists(
    st.one_of(
        st.sampled_from(["a = 1", "b = 2", "a = 3", "# c", "", "   ", "  more", "\t#x", "=", "no", "\r", " = ", "\0", "c=\0"]),
        st.text(max_size=12),
    ),
    max_size=12,
).map("\n".join)


@given(LINES)
def test_any_text_is_parsed_or_refused_with_its_place(text: str) -> None:
    refusals = []
    entries: dict[str, maincf.Entry] = {}
    try:
        entries = parse_main_cf(text, "main.cf").entries
    except WrongConfiguration as refusal:
        refusals.append(str(refusal))
    assert all(refusal.startswith("main.cf, line ") for refusal in refusals)
    for name, entry in entries.items():
        assert name == entry.name == name.strip(" \t\n\v\f\r")
        assert entry.value == entry.value.strip(" \t\n\v\f\r")
        assert text.split("\n")[entry.line - 1].startswith(name)


NAMES = st.text("abc_12", min_size=1, max_size=8)
VALUES = st.text("x =#,$\"\\{}", max_size=12).map(str.strip)


@given(st.dictionaries(NAMES, VALUES))
def test_what_is_written_is_read_back(values: dict[str, str]) -> None:
    text = "".join(f"{name} = {value}\n" for name, value in values.items())
    assert values_of(text) == values


@given(LINES)
def test_comments_and_blank_lines_change_nothing(text: str) -> None:
    def outcome(text: str) -> object:
        try:
            return values_of(text)
        except WrongConfiguration as refusal:
            return str(refusal).partition(": ")[2]

    padded = "\n".join(f"# one\n{line}\n \n#" for line in text.split("\n"))
    assert outcome(padded) == outcome(text)
