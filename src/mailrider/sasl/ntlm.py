"""NTLM (MS-NLMP, MS-SMTPNTLM), over the library `pyspnego`: the extra `mailrider[ntlm]`.

The mechanism is older than it is safe; some Exchange servers offer nothing else in clear text.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from mailrider.sasl.mechanism import BAD_PROTOCOL, FAILURE, Identity, Mechanism


def is_there() -> bool:
    """Whether the library is installed."""
    return find_spec("spnego") is not None


class Ntlm(Mechanism):
    """Negotiate, challenge, authenticate.  A user may be written `DOMAIN\\user`."""

    name = "NTLM"

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self._client: Any = None

    def begin(self) -> bytes | None:
        """NEGOTIATE_MESSAGE."""
        import spnego  # large, and only those who talk NTLM need it

        self._client = spnego.client(
            self._identity.user,
            self._identity.secret.text,
            hostname=self._identity.host,
            service="SMTPSVC",
            protocol="ntlm",
            options=spnego.NegotiateOptions.use_ntlm,
        )
        token: bytes | None = self._client.step()
        return token

    def _answer(self, challenge: bytes) -> bytes | None:
        try:
            token: bytes | None = self._client.step(challenge)
        except Exception as fault:  # its parser was not made for hostile servers: anything may come out of it
            return self._fail(BAD_PROTOCOL, f"{FAILURE}NTLM: {type(fault).__name__}")
        self.ended = True
        return token or b""
