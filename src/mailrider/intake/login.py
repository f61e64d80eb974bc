"""AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN as dialogues without I/O.

A dialogue is a generator: it yields a challenge (text, before base64) and is sent the answer, and returns name and password.
What a client writes is bounded by the command line that it comes in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator
from typing import NamedTuple

MECHANISMS = ("PLAIN", "LOGIN")

CREDENTIAL_LIMIT_OCTETS = 1024
"""A name or a password; longer ones are not looked up."""


class Credentials(NamedTuple):
    """Who somebody says to be."""

    name: str
    password: str


class Malformed(Exception):
    """What the client wrote is not what the mechanism asks for."""


Dialogue = Generator[bytes, bytes, Credentials]


def begin_login(mechanism: str, initial: bytes | None) -> Dialogue:
    """The dialogue of a mechanism of `MECHANISMS`; `initial` is the response that came with the command."""
    return _plain(initial) if mechanism == "PLAIN" else _login(initial)


def _plain(initial: bytes | None) -> Dialogue:
    response = initial if initial is not None else (yield b"")
    parts = response.split(b"\0")
    if len(parts) != 3 or not parts[1] or parts[0] not in (b"", parts[1]):
        raise Malformed  # nobody may act for somebody else (RFC 4616 §2)
    return _credentials(parts[1], parts[2])


def _login(initial: bytes | None) -> Dialogue:
    name = initial if initial is not None else (yield b"Username:")
    password = yield b"Password:"
    return _credentials(name, password)


def _credentials(name: bytes, password: bytes) -> Credentials:
    if max(len(name), len(password)) > CREDENTIAL_LIMIT_OCTETS or not name or not password:
        raise Malformed
    try:
        found = Credentials(name.decode("utf-8"), password.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed from None
    if not found.name.isprintable() or "\0" in found.password:
        raise Malformed
    return found


def decode_response(text: bytes) -> bytes:
    """Base64, `=` for nothing (RFC 4954 §4).  Raises `Malformed`."""
    if text == b"=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed from None


def encode_challenge(challenge: bytes) -> str:
    """What stands behind 334."""
    return base64.b64encode(challenge).decode("ascii")
