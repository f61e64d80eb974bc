from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from mailrider.testkit.script import Dialogue, Pattern, parse_dialogue, read_dialogue

from .driver import Cut, at_random, octet_by_octet, whole
from .player import Performance, WrongLine, perform

DIALOGUES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.txt"))
RANDOM_CUTS = 4


def check(dialogue: Dialogue, performance: Performance) -> None:
    """Neither more nor less came of the dialogue than it says."""
    assert [(recipient, status, code) for recipient, status, code, _ in performance.outcomes] == [
        (expectation.recipient, expectation.status, expectation.status_code) for expectation in dialogue.expectations
    ]
    for expectation, outcome in zip(dialogue.expectations, performance.outcomes, strict=True):
        assert expectation.text.matches(outcome[3]), f"line {expectation.place}: {outcome[3]}"
    assert sorted(performance.remarks) == sorted(dialogue.values_of("then"))
    for name, found in (("warning", performance.warnings), ("note", performance.notes)):
        patterns = [Pattern(value) for value in dialogue.values_of(name)]
        assert len(found) == len(patterns), f"{name}: {found}"
        for pattern, text in zip(patterns, found, strict=True):
            assert pattern.matches(text), f"{name}: {text}"


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_dialogue_goes_as_it_is_written_however_it_is_cut(path: Path) -> None:
    dialogue = read_dialogue(path)
    performance = perform(dialogue, whole)
    check(dialogue, performance)
    cuts: list[Cut] = [octet_by_octet]
    cuts += [at_random(crc32(path.stem.encode()) + number) for number in range(RANDOM_CUTS)]
    for cut in cuts:
        assert perform(dialogue, cut) == performance


def test_there_are_enough_dialogues() -> None:
    assert len(DIALOGUES) >= 40


DIALOGUE = """title: one
recipient: b@example.test
S: 220 mx.example.test
C: EHLO client.example.test
S: 421 4.3.2 closing
C: QUIT
E: b@example.test deferred 4.3.2
"""


def test_the_player_notices_a_client_that_does_not_keep_to_it() -> None:
    check(parse_dialogue(DIALOGUE), perform(parse_dialogue(DIALOGUE), whole))
    for wrong, right in [
        ("C: EHLO client.example.test\n", "C: HELO *\n"),
        ("C: EHLO client.example.test\n", ""),
        ("C: QUIT\n", ""),
        ("C: QUIT\n", "C: QUIT\nC: QUIT\n"),
        ("C: QUIT\n", "C-content\n"),
        ("S: 421 4.3.2 closing\nC: QUIT\n", ""),
        ("C: QUIT\n", "S: 250 more\n"),
        ("C: EHLO client.example.test\n", "C: EHLO client.example.test\nC-close\n"),
    ]:
        with pytest.raises(WrongLine):
            perform(parse_dialogue(DIALOGUE.replace(wrong, right)), whole)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("deferred 4.3.2", "bounced 4.3.2"),
        ("deferred 4.3.2", "deferred 4.3.1"),
        ("deferred 4.3.2", "deferred 4.3.2 something else"),
        ("E: b@example.test deferred 4.3.2\n", ""),
        ("S: 220", "then: kept\nS: 220"),
        ("S: 220", "warning: *\nS: 220"),
        ("S: 220", "note: *\nS: 220"),
    ],
)
def test_the_player_notices_what_comes_of_it(wrong: str, right: str) -> None:
    dialogue = parse_dialogue(DIALOGUE.replace(wrong, right))
    with pytest.raises(AssertionError):
        check(dialogue, perform(dialogue, whole))
