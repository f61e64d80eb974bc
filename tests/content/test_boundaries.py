from __future__ import annotations

import pytest

from mailrider.content.boundaries import Boundaries, Crossing
from mailrider.content.media_type import Kind

NEXT_PART = Crossing(Kind.LEAF)
END = Crossing(None)


def open_multiparts(*boundaries: bytes, length_limit: int = 2048) -> Boundaries:
    stack = Boundaries(length_limit_octets=length_limit)
    for boundary in boundaries:
        assert stack.push(boundary, Kind.LEAF)
    return stack


@pytest.mark.parametrize(
    ("line", "crossing"),
    [
        (b"--b", NEXT_PART),
        (b"--b ", NEXT_PART),
        (b"--bcd", NEXT_PART),
        (b"--b-", NEXT_PART),
        (b"--b--", END),
        (b"--b--x", END),
        (b"--", None),
        (b"-b", None),
        (b"--B", None),
        (b" --b", None),
        (b"", None),
    ],
)
def test_boundary_lines(line: bytes, crossing: Crossing | None) -> None:
    stack = open_multiparts(b"b")
    assert stack.may_cross(line) == (crossing is not None)
    assert stack.cross(line) == crossing


def test_no_multipart_no_boundary_line() -> None:
    assert Boundaries().cross(b"--b") is None


def test_the_end_closes_a_multipart() -> None:
    stack = open_multiparts(b"b")
    assert stack.cross(b"--b--") == END
    assert stack.cross(b"--b") is None
    assert stack.openings == ()


def test_an_outer_boundary_closes_the_inner_multiparts() -> None:
    stack = open_multiparts(b"outer", b"middle", b"inner")
    assert stack.cross(b"--outer") == NEXT_PART
    assert stack.cross(b"--inner") is None
    assert stack.cross(b"--outer") == NEXT_PART


def test_the_innermost_that_matches_counts() -> None:
    stack = open_multiparts(b"b", b"b1")
    assert stack.cross(b"--b1--") == END
    assert stack.cross(b"--b1--") == NEXT_PART  # now it is the other one, with something behind it


def test_an_empty_boundary_needs_something_behind_the_dashes() -> None:
    stack = open_multiparts(b"")
    assert stack.cross(b"--") is None
    assert stack.cross(b"--x") == NEXT_PART
    assert stack.cross(b"----") == END


def test_only_so_much_of_a_boundary_is_compared() -> None:
    stack = open_multiparts(b"abcdef", length_limit=3)
    assert stack.cross(b"--abcxyz") == NEXT_PART
    assert stack.cross(b"--abc--") == END


def test_parts_have_the_default_of_their_multipart() -> None:
    stack = Boundaries()
    stack.push(b"d", Kind.MESSAGE)
    assert stack.cross(b"--d") == Crossing(Kind.MESSAGE)


def test_nesting_has_a_bound() -> None:
    stack = Boundaries(nesting_limit=1)
    assert [stack.push(b"b", Kind.LEAF) for _ in range(5)] == [True, True, True, False, False]
    assert len(stack.openings) == 3
