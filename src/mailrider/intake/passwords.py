"""Who may log in: a table from names to passwords (`intake_password_maps`, ours).

A value is the password itself, or `{PBKDF2-SHA256}iterations:salt:key` with salt and key in base64, which `hash_password`
makes.
Comparing takes the same time whatever is wrong.  A name that is not there costs as much as the latest one that was, so that
the time does not tell which names there are; in a table that holds both kinds of value it tells which kind.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable

from mailrider.errors import TableTrouble

SCHEME = "{PBKDF2-SHA256}"
ITERATIONS = 100_000
"""A twentieth of a second; RFC 8018 §4.2 asks for 1,000 at least."""

ITERATIONS_LIMIT = 10_000_000
"""A value beyond it would hold up logins for longer than a client waits."""

SALT_OCTETS = 16
"""Twice what RFC 8018 §4.1 asks for at least."""

_NOBODY = "\0"
_NO_SALT = bytes(SALT_OCTETS)


def hash_password(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What to put into the table instead of a password."""
    salt = os.urandom(SALT_OCTETS) if salt is None else salt
    key = _derive(password, salt, iterations)
    return f"{SCHEME}{iterations}:{base64.b64encode(salt).decode()}:{base64.b64encode(key).decode()}"


def _derive(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode("utf-8"), salt, iterations)


def agrees(password: str, value: str) -> bool:
    """Whether a password is the one that a value of the table stands for.  Raises `TableTrouble` for a value without sense."""
    if not value.startswith("{"):
        return hmac.compare_digest(password.encode("utf-8"), value.encode("utf-8"))
    if not value.startswith(SCHEME):
        raise TableTrouble("intake_password_maps: a value begins with a scheme that is not known")
    try:
        _, salt, key = value[len(SCHEME) :].split(":")
        iterations = count_iterations(value)
        if not 0 < iterations <= ITERATIONS_LIMIT:
            raise ValueError
        derived = _derive(password, base64.b64decode(salt, validate=True), iterations)
        return hmac.compare_digest(derived, base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error):
        raise TableTrouble("intake_password_maps: a value is damaged") from None


def count_iterations(value: str) -> int:
    """How many rounds a sound value takes; 0 for a password in clear.  Raises `ValueError` where no number stands there."""
    return int(value[len(SCHEME) :].partition(":")[0]) if value.startswith(SCHEME) else 0


class Passwords:
    """The table, open.  `find` may block and raise `TableTrouble`; so may `check`, which belongs into a thread."""

    def __init__(self, find: Callable[[str], str | None]) -> None:
        self._find = find
        self._usual_iterations = 0

    def check(self, name: str, password: str) -> bool:
        """Whether somebody of this name has this password."""
        value = self._find(name)
        if value is None:
            if self._usual_iterations:
                _derive(password, _NO_SALT, self._usual_iterations)
            hmac.compare_digest(password.encode("utf-8"), _NOBODY.encode())
            return False
        answer = agrees(password, value)
        self._usual_iterations = count_iterations(value)
        return answer
