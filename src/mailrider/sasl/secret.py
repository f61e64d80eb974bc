"""Passwords and tokens, in a form that does not show itself.

A `Secret` has the same face for every value: in `repr`, `str` and `format` it is `***`, so that a log line, a traceback or an
event that holds one by mistake tells nothing.  It cannot be pickled or copied into another process.  Whoever needs the
value asks for it by name, `reveal`, which is easy to search for.

Known fault: Python gives no way to wipe memory, so a core dump may hold the value.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Never

MASK = "***"
"""What a secret looks like, whatever its value and length."""


class Secret:
    """A text or octets that only `reveal` and `text` give away.

    Two secrets are equal if their values are; they are compared in constant time.
    """

    __slots__ = ("_octets",)

    def __init__(self, value: str | bytes) -> None:
        self._octets = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The value."""
        return self._octets

    @property
    def text(self) -> str:
        """The value as text; octets that are no UTF-8 become surrogates (PEP 383)."""
        return self._octets.decode("utf-8", "surrogateescape")

    def fingerprint(self, key: bytes) -> bytes:
        """What tells this secret from others to one who has `key`, and tells nobody else anything."""
        return hmac.digest(key, self._octets, hashlib.sha256)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, form: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._octets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(self._octets)

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not written down")
