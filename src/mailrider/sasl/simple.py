"""Mechanisms that only say who we are: PLAIN, LOGIN, EXTERNAL, ANONYMOUS.

PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) show the password to whoever listens, so the security option
`noplaintext` rules them out.  EXTERNAL (RFC 4422 appendix A) leans on what the server knows already, such as our TLS
certificate.
"""

from __future__ import annotations

from abc import abstractmethod

from mailrider.sasl.mechanism import BAD_PROTOCOL, FAILURE, Identity, Mechanism


class OneMessage(Mechanism):
    """Everything is said at the beginning; no challenge has an answer."""

    def begin(self) -> bytes | None:
        """All there is to say."""
        if not self._has_user():
            return None
        self.ended = True
        return self._say()

    @abstractmethod
    def _say(self) -> bytes:
        """The message."""

    def _answer(self, challenge: bytes) -> bytes | None:
        return self._fail(BAD_PROTOCOL, f"{FAILURE}{self.name} was asked before it began")


class Plain(OneMessage):
    """`authzid NUL user NUL password` (RFC 4616)."""

    name = "PLAIN"

    def _say(self) -> bytes:
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


class External(OneMessage):
    """The server knows us by other means; we only say whom we want to be, if anybody."""

    name = "EXTERNAL"
    needs_user = False

    def _say(self) -> bytes:
        return self._identity.authzid_octets


class Anonymous(OneMessage):
    """No identity at all, but a trace of where we are (RFC 4505)."""

    name = "ANONYMOUS"
    needs_user = False

    def _say(self) -> bytes:
        """`anonymous@host`, as Cyrus SASL has it; the user in place of `anonymous` where it would be shown anyway."""
        who = self._identity.authzid_octets or b"anonymous"
        return who + b"@" + self._identity.own_name.encode("utf-8", "surrogateescape")
