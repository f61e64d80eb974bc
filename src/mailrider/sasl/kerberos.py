"""GSSAPI with Kerberos (RFC 4752), over the library `gssapi`: the extra `mailrider[gssapi]`.

The ticket comes out of the credentials cache of the process (`KRB5CCNAME`); the password of the map is not looked at.  No
security layer is ever asked for.

Known faults: `begin` may ask the key distribution centre, which takes as long as the Kerberos library lets it, so callers
run it outside of the event loop; a ticket of more than about 1.5 kB does not fit through a server whose challenges are bounded.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from mailrider.sasl.mechanism import FAILURE, GENERIC_FAILURE, Identity, Mechanism

NO_LAYER = 1
"""The security layer "none" (RFC 4752 §3.3)."""

OFFER_OCTETS = 4
"""One octet of layers and three of a buffer size."""


def is_there() -> bool:
    """Whether the library is installed."""
    return find_spec("gssapi") is not None


class Gssapi(Mechanism):
    """Tokens until the context stands, then the negotiation of the layer."""

    name = "GSSAPI"
    needs_user = False

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self._context: Any = None

    def begin(self) -> bytes | None:
        """The first token; None, with a `failure`, where there is no ticket."""
        import gssapi  # not everybody has it

        try:
            name = gssapi.Name(f"{self._identity.service}@{self._identity.host}", gssapi.NameType.hostbased_service)
            flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity
            self._context = gssapi.SecurityContext(
                name=name, mech=gssapi.MechType.kerberos, flags=flags, usage="initiate"
            )
            token: bytes | None = self._context.step()
        except Exception as fault:  # whatever the Kerberos library raises
            return self._refuse(fault)
        return token

    def _answer(self, challenge: bytes) -> bytes | None:
        try:
            if not self._context.complete:
                token: bytes | None = self._context.step(challenge)
                return token or b""
            offer: bytes = self._context.unwrap(challenge).message
            if len(offer) != OFFER_OCTETS or not offer[0] & NO_LAYER:
                return self._fail(GENERIC_FAILURE, FAILURE + "GSSAPI: the server insists on a security layer")
            answer = bytes((NO_LAYER, 0, 0, 0)) + self._identity.authzid_octets
            wrapped: bytes = self._context.wrap(answer, False).message
        except Exception as fault:
            return self._refuse(fault)
        self.ended = True
        return wrapped

    def _refuse(self, fault: Exception) -> bytes | None:
        return self._fail(GENERIC_FAILURE, f"{FAILURE}GSSAPI: {type(fault).__name__}")
