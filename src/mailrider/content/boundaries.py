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


class Multipart(NamedTuple):
    """An open multipart.  `default` is what its parts are unless they say so."""

    opening: bytes
    default: Kind


class Boundaries:
    """A stack of boundaries."""

    __slots__ = ("_length_limit_octets", "_nesting_limit", "_stack", "openings")

    def __init__(self, nesting_limit: int = NESTING_LIMIT, length_limit_octets: int = LENGTH_LIMIT_OCTETS) -> None:
        self._nesting_limit = nesting_limit
        self._length_limit_octets = length_limit_octets
        self._stack: list[Multipart] = []
        self.openings: tuple[bytes, ...] = ()
        """What boundary lines may begin with, for a first look; empty where no multipart is open."""

    def push(self, boundary: bytes, default: Kind) -> bool:
        """Open a multipart.  Returns False, and does nothing, where the nesting would be too deep.

        As in smtp(8) since 2017, `nesting_limit` + 2 are open before the next is too many.
        """
        if len(self._stack) > self._nesting_limit + 1:
            return False
        self._stack.append(Multipart(b"--" + boundary[: self._length_limit_octets], default))
        self._list_openings()
        return True

    def cross(self, line: bytes) -> Multipart | None | bool:
        """Take a line that may be a boundary line.

        Returns False if it is none, None if it ends a multipart, and the multipart if it begins one of its parts.
        """
        if len(line) < 3 or not line.startswith(self.openings):
            return False
        for index in range(len(self._stack) - 1, -1, -1):
            multipart = self._stack[index]
            if line.startswith(multipart.opening):
                ends = line.startswith(b"--", len(multipart.opening))
                del self._stack[index + (not ends) :]
                self._list_openings()
                return None if ends else multipart
        return False

    def _list_openings(self) -> None:
        self.openings = tuple(multipart.opening for multipart in reversed(self._stack))
