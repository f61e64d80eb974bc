from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MissingInput, WrongUsage
from mailrider.testkit import script
from mailrider.testkit.script import (
    ClientCloses,
    ClientSays,
    ClientSendsContent,
    Dialogue,
    Expectation,
    Pattern,
    ServerCloses,
    ServerFallsSilent,
    ServerSays,
    parse_dialogue,
    read_dialogue,
)

DIALOGUES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.txt"))


def test_each_step_has_its_value() -> None:
    text = """# a comment
title: everything
set: a = b: c
set: d = e

S: 220 mx
S-raw: 250\\x20Ok\\r\\n\\\\
C: EHLO *
C-content
C-content: Subject: x*
S-silence
S-close
S-reset
C-close
E: b@c deferred 4.4.2
E: d@e sent 2.0.0 250 2.0.0 *
"""
    assert parse_dialogue(text) == Dialogue(
        title="everything",
        settings=(("title", "everything"), ("set", "a = b: c"), ("set", "d = e")),
        steps=(
            ServerSays(b"220 mx\r\n", 6),
            ServerSays(b"250 Ok\r\n\\", 7),
            ClientSays(Pattern("EHLO *"), 8),
            ClientSendsContent(Pattern("*"), 9),
            ClientSendsContent(Pattern("Subject: x*"), 10),
            ServerFallsSilent(11),
            ServerCloses(False, 12),
            ServerCloses(True, 13),
            ClientCloses(14),
        ),
        expectations=(
            Expectation("b@c", "deferred", "4.4.2", Pattern("*"), 15),
            Expectation("d@e", "sent", "2.0.0", Pattern("250 2.0.0 *"), 16),
        ),
    )


def test_settings_are_found_by_name() -> None:
    dialogue = parse_dialogue("recipient: a@b\nrecipient: c@d\nS: 220\n", "from a test")
    assert dialogue.values_of("recipient") == ("a@b", "c@d")
    assert dialogue.values_of("sender") == ()
    assert dialogue.title == "from a test"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no step"),
        ("title: only\n", "no step"),
        ("S: 220\nX: what\n", "line 2: 'X: what' is neither"),
        ("S: 220\nsender: late\n", "line 2: setting 'sender' after"),
        ("S\n", "line 1: S needs a colon"),
        ("C-raw: x\n", "no step is called C-raw"),
        ("S-close: now\n", "S-close takes no text"),
        ("S-raw: \\q\n", "'\\q' is no escape"),
        ("S-raw: \\x1\n", "'\\x' is no escape"),
        ("E: a@b sent\n", "an expectation is"),
        ("E: a@b gone 2.0.0\n", "'gone' is no status word"),
    ],
)
def test_errors_name_the_line(text: str, complaint: str) -> None:
    with pytest.raises(WrongUsage) as trouble:
        parse_dialogue(text, "here")
    assert str(trouble.value).startswith("here")
    assert complaint in str(trouble.value)


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("EHLO *", "EHLO client", True),
        ("EHLO *", "EHLO", False),
        ("QUIT", "quit", False),
        ("a.c", "abc", False),
        ("*b*", "abc", True),
        ("2 \\* 3", "2 * 3", True),
        ("2 \\* 3", "2 x 3", False),
        ("back\\\\slash", "back\\slash", True),
        ("end\\", "end\\", True),
        ("*", "two\nlines", True),
    ],
)
def test_patterns(pattern: str, subject: str, fits: bool) -> None:
    assert Pattern(pattern).matches(subject) is fits


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_text_without_stars_fits_itself_alone(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")
    assert Pattern(escaped).matches(text)
    assert not Pattern(escaped).matches(text + "x")


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(["S: 2", "C: x", "S-raw: \\", "E: a sent 1", "a: b", "S-x", "\r"])).map("\n".join))
def test_any_text_is_a_dialogue_or_an_error(text: str) -> None:
    try:
        dialogue = parse_dialogue(text)
    except WrongUsage:
        return
    assert dialogue.steps
    places = [step.place for step in dialogue.steps]
    assert places == sorted(set(places))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_the_dialogues_kept_here_can_be_read(path: Path) -> None:
    assert read_dialogue(path).title


def test_files_that_are_no_dialogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dialogue.txt"
    with pytest.raises(MissingInput, match="No such file"):
        read_dialogue(path)
    path.write_bytes(b"S: \xff\n")
    with pytest.raises(WrongUsage, match="UTF-8"):
        read_dialogue(path)
    monkeypatch.setattr(script, "DIALOGUE_LIMIT_OCTETS", 3)
    with pytest.raises(WrongUsage, match="longer than 3"):
        read_dialogue(path)
