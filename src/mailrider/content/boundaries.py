"""The multiparts that are open, innermost first, and their boundary lines (RFC 2046 §5.1).

A line is a boundary line if it *begins* with two dashes and a boundary: what follows is not looked at, since mailers add
blanks there and a boundary may have been cut.  Only the first `length_limit_octets` of a boundary are kept.  A line that is
the boundary of an outer multipart closes the inner ones, whose end is missing.
"""

from __future__ import annotations

from typing import NamedTuple

from mailrider.content.media_type import Kind

LENGTH_LIMIT_OCTETS = 2048
"""Default of `mime_boundary_length_limit`; RFC 2046 allows 70."""

NESTING_LIMIT = 100
"""Default of `mime_nesting_limit`."""


class Crossing(NamedTuple):
    """A boundary line.  `default` is what the part that begins is unless it says so, None where a multipart ends."""

    default: Kind | None


class _Multipart(NamedTuple):
    opening: bytes
    default: Kind


class Boundaries:
    """A stack of boundaries."""

    __slots__ = ("_length_limit_octets", "_nesting_limit", "_stack", "openings")

    def __init__(self, nesting_limit: int = NESTING_LIMIT, length_limit_octets: int = LENGTH_LIMIT_OCTETS) -> None:
        self._nesting_limit = nesting_limit
        self._length_limit_octets = length_limit_octets
        self._stack: list[_Multipart] = []
        self.openings: tuple[bytes, ...] = ()
        """What boundary lines may begin with, for a first look; empty where no multipart is open."""

    def push(self, boundary: bytes, default: Kind) -> bool:
        """Open a multipart.  Returns False, and does nothing, where the nesting would be too deep.

        As in smtp(8) since 2017, `nesting_limit` + 2 are open before the next is too many.
        """
        if len(self._stack) > self._nesting_limit + 1:
            return False
        self._stack.append(_Multipart(b"--" + boundary[: self._length_limit_octets], default))
        self._list_openings()
        return True

    def may_cross(self, line: bytes) -> bool:
        """Whether `cross` would say anything but False."""
        return len(line) > 2 and line.startswith(self.openings)

    def cross(self, line: bytes) -> Crossing | None:
        """Take a line; None if it is no boundary line."""
        if not self.may_cross(line):
            return None
        index = len(self._stack) - 1
        while not line.startswith(self._stack[index].opening):
            index -= 1
        opening, default = self._stack[index]
        ends = line.startswith(b"--", len(opening))
        if ends or index + 1 < len(self._stack):
            del self._stack[index + (not ends) :]
            self._list_openings()
        return Crossing(None if ends else default)

    def _list_openings(self) -> None:
        self.openings = tuple(multipart.opening for multipart in reversed(self._stack))
