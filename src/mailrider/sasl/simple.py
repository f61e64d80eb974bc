"""Mechanisms that only say who we are: PLAIN, LOGIN, EXTERNAL, ANONYMOUS.

PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) show the password to whoever listens, so the security option
`noplaintext` rules them out.  EXTERNAL (RFC 4422 appendix A) leans on what the server knows already, such as our TLS
certificate.
"""

from __future__ import annotations

from mailrider.sasl.mechanism import Identity, Mechanism


class Plain(Mechanism):
    """`authzid NUL user NUL password` in one go (RFC 4616)."""

    name = "PLAIN"

    def begin(self) -> bytes | None:
        """All there is to say."""
        if not self._has_user():
            return None
        self.ended = True
        identity = self._identity
        return b"\0".join((identity.authzid_octets, identity.user_octets, identity.secret.reveal()))


class Login(Mechanism):
    """The user, then the password, whatever the server asks."""

    name = "LOGIN"

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self._asked = 0

    def _answer(self, challenge: bytes) -> bytes:
        """The words of the prompts are not looked at: servers word them as they like."""
        self._asked += 1
        if self._asked == 1:
            return self._identity.user_octets
        self.ended = True
        return self._identity.secret.reveal()


class External(Mechanism):
    """The server knows us by other means; we only say whom we want to be, if anybody."""

    name = "EXTERNAL"
    needs_user = False

    def begin(self) -> bytes:
        """The authorisation identity."""
        self.ended = True
        return self._identity.authzid_octets


class Anonymous(Mechanism):
    """No identity at all, but a trace of where we are (RFC 4505)."""

    name = "ANONYMOUS"
    needs_user = False

    def begin(self) -> bytes:
        """`anonymous@host`, as Cyrus SASL has it; the user in place of `anonymous` where it would be shown anyway."""
        self.ended = True
        who = self._identity.authzid_octets or b"anonymous"
        return who + b"@" + self._identity.own_name.encode("utf-8", "surrogateescape")
