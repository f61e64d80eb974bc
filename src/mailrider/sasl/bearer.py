"""OAuth 2.0 bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, which Google had before it.

Whoever has the token can use it, so both count as plain text.  A server that refuses the token says so in a challenge
first, a small JSON text; the refusal proper comes when that has been answered.
"""

from __future__ import annotations

import re
from typing import ClassVar

from mailrider.sasl.mechanism import FAILURE, Mechanism

STATUS_LIMIT_CHARACTERS = 200
"""What the log shows of a server's JSON."""

_UNPRINTABLE = re.compile(r"[^ -~]")


def _show(challenge: bytes) -> str:
    return _UNPRINTABLE.sub("?", challenge[:STATUS_LIMIT_CHARACTERS].decode("latin-1"))


class OAuthBearer(Mechanism):
    """GS2 header, host, and the token (RFC 7628 §3.1)."""

    name = "OAUTHBEARER"
    _acknowledgement: ClassVar[bytes] = b"\x01"

    def begin(self) -> bytes:
        """`n,a=user,^Ahost=...^Aauth=Bearer token^A^A`; a user is always named, since large providers insist on it."""
        identity = self._identity
        user = identity.user_octets.replace(b"=", b"=3D").replace(b",", b"=2C")
        host = identity.host.encode("utf-8", "surrogateescape")
        return b"n,a=%b,\x01host=%b\x01auth=Bearer %b\x01\x01" % (user, host, identity.secret.reveal())

    def _answer(self, challenge: bytes) -> bytes:
        """The server has said why it will refuse; it waits for a word from us before it does."""
        self.ended = True
        self.warning = f"{FAILURE}{self.name}: {_show(challenge)}"
        return self._acknowledgement


class XOAuth2(OAuthBearer):
    """The same with fewer words."""

    name = "XOAUTH2"
    _acknowledgement: ClassVar[bytes] = b""

    def begin(self) -> bytes:
        """`user=...^Aauth=Bearer token^A^A`."""
        identity = self._identity
        return b"user=%b\x01auth=Bearer %b\x01\x01" % (identity.user_octets, identity.secret.reveal())
