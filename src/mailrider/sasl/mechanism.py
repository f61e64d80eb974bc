"""The interface of every mechanism, and who logs in.

A mechanism is one exchange: `begin` gives the initial response, or None where the server speaks first; `respond` answers a
challenge.  Both deal in plain octets; base64 and command lines belong to `smtp.authentication`.

A challenge that cannot be answered is not an exception: `respond` gives None, `failure` says why in the words that Cyrus SASL
uses in its place, since they stand in the log and in bounce messages, and `warning` may say more about it.

Every challenge is hostile until it has proved otherwise: it is bounded here, and what of it is shown has been made printable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from mailrider.sasl.secret import Secret

GENERIC_FAILURE = "generic failure"
BAD_PROTOCOL = "bad protocol / cancel"
AUTHENTICATION_FAILURE = "authentication failure"
NOT_MUTUAL = "server failed mutual authentication step"
NO_MECHANISM = "no mechanism available"
"""The reasons, in the words of sasl_errstring(3)."""

PROBLEM = "SASL authentication problem: "
FAILURE = "SASL authentication failure: "
"""How a warning begins."""

CHALLENGE_LIMIT_OCTETS = 2048
"""A challenge comes in one reply line, which holds no more (`line_length_limit`)."""


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """What ties a login to the TLS connection below it (RFC 5056): `kind` as in RFC 5929 and RFC 9266, and its octets."""

    kind: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logs in, and where.

    `user` and `secret` are those of the password map; `sends_authzid` asks for the user as the authorisation identity too
    (`send_cyrus_sasl_authzid`).  `service` (`smtp`, `lmtp`) and `host` name the server, `own_name` names us.  `bindings` are
    what the TLS connection offers, best first; there are none in clear text.
    """

    user: str
    secret: Secret
    sends_authzid: bool = False
    service: str = "smtp"
    host: str = ""
    own_name: str = ""
    bindings: tuple[ChannelBinding, ...] = ()

    @property
    def user_octets(self) -> bytes:
        """The user as it goes on the wire."""
        return self.user.encode("utf-8", "surrogateescape")

    @property
    def authzid_octets(self) -> bytes:
        """The authorisation identity; empty where the server is to derive it."""
        return self.user_octets if self.sends_authzid else b""


class Mechanism(ABC):
    """One exchange of one mechanism.

    Subclasses give `begin` and `_answer`.  `ended`: nothing more is due from us; a challenge that comes after that fails.
    `needs_user`: an identity without a user fails as soon as something has to be said.
    """

    name: str = ""
    needs_user: ClassVar[bool] = True

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.ended = False
        self.failure = ""
        self.warning = ""

    def begin(self) -> bytes | None:
        """The initial response; None where the server has to speak first."""
        return None

    def respond(self, challenge: bytes) -> bytes | None:
        """The answer to a challenge, or None: then `failure` says why there is none."""
        if self.failure:
            return None
        if self.ended:
            return self._fail(GENERIC_FAILURE, PROBLEM + "attempting client step after doneflag")
        if len(challenge) > CHALLENGE_LIMIT_OCTETS:
            return self._fail(BAD_PROTOCOL, f"{FAILURE}{self.name} challenge of {len(challenge)} octets")
        return self._answer(challenge) if self._has_user() else None

    @abstractmethod
    def _answer(self, challenge: bytes) -> bytes | None:
        """`respond`, where there is something to answer."""

    def _has_user(self) -> bool:
        """Whether there is somebody to log in; a `failure` where there is not."""
        if self.needs_user and not self._identity.user:
            self._fail(GENERIC_FAILURE, FAILURE + "All-whitespace username.")
            return False
        return True

    def _fail(self, failure: str, warning: str = "") -> bytes | None:
        """End the exchange: the answer is none."""
        self.failure = failure
        self.warning = warning
        return None
