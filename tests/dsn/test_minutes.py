"""What was said is kept within bounds, whatever was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.dsn.minutes import BEGINNING_LIMIT_OCTETS, END_LIMIT_OCTETS, LINE_COST_OCTETS, Minutes

LIMIT_OCTETS = BEGINNING_LIMIT_OCTETS + END_LIMIT_OCTETS


def test_few_lines_are_kept_whole() -> None:
    minutes = Minutes()
    for word in ("one", "two", "three"):
        minutes.add(word)
    assert minutes.lines() == ("one", "two", "three")
    minutes.clear()
    assert (minutes.lines(), len(minutes)) == ((), 0)


@given(st.lists(st.integers(0, 30_000), max_size=60))
def test_the_beginning_and_the_end_are_kept(sizes: list[int]) -> None:
    minutes = Minutes()
    said = [f"{number} " + "x" * size for number, size in enumerate(sizes)]
    for line in said:
        minutes.add(line)
    lines = list(minutes.lines())
    assert len(minutes) == len(said)
    assert sum(len(line) + LINE_COST_OCTETS for line in lines) <= LIMIT_OCTETS + 100
    gaps = [place for place, line in enumerate(lines) if line.startswith("(")]
    if not gaps:
        assert lines == said
        return
    (gap,) = gaps
    left_out = len(said) - len(lines) + 1
    assert lines[gap] == f"({left_out} lines left out)"
    assert lines[:gap] == said[:gap]
    assert lines[gap + 1 :] == said[gap + left_out :]
