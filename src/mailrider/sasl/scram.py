"""SCRAM (RFC 5802, RFC 7677) with any digest, with and without channel binding (RFC 5929, RFC 9266).

The server proves that it knows the password, which it keeps only as a salted digest.  A `-PLUS` mechanism also proves that both
ends see the same TLS connection, so nobody sits in the middle.

The steps are our own, since `scramp`, whose server side the tests use as the other end, knows neither an authorisation
identity nor the binding of TLS 1.3, and refuses salts that RFC 5802 allows.  Preparing a password that is not ASCII (RFC
4013) is left to it.

Known difference: the GS2 flag is `n` where no `-PLUS` mechanism was offered, as Cyrus SASL has it in smtp(8), although RFC
5802 §6 would have `y`: a server that has them and finds its list cut on the way would notice.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable

from mailrider.sasl.mechanism import AUTHENTICATION_FAILURE, BAD_PROTOCOL, FAILURE, ChannelBinding, Identity, Mechanism

NONCE_OCTETS = 24
"""Of randomness; they make 32 characters in Base64, without padding."""

ITERATIONS_LIMIT = 65536
"""More is refused: the count is the server's word, and each round costs us time (the limit of Cyrus SASL)."""

DIGESTS = {
    "SCRAM-SHA-1": "sha1", "SCRAM-SHA-224": "sha224", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-384": "sha384",
    "SCRAM-SHA-512": "sha512",
}  # fmt: skip
"""Mechanism and digest; each also has a form `-PLUS`."""

PLUS = "-PLUS"

_SERVER_FIRST = re.compile(rb"r=([\x21-\x2b\x2d-\x7e]+),s=([^,]*),i=([0-9]{1,10})(?:,.*)?", re.DOTALL)


def make_nonce() -> bytes:
    """What nobody can guess, without commas."""
    return b64encode(secrets.token_bytes(NONCE_OCTETS))


def encode_name(name: bytes) -> bytes:
    """A saslname: `,` and `=` have forms of their own (RFC 5802 §5.1)."""
    return name.replace(b"=", b"=3D").replace(b",", b"=2C")


def prepare(octets: bytes) -> bytes:
    """A user or password in the one form that all ends digest (RFC 4013); as it is where it has none."""
    if octets.isascii():
        return octets
    from scramp.utils import ScramException, saslprep  # a library that few need

    try:
        prepared: str = saslprep(octets.decode("utf-8"))
        return prepared.encode("utf-8")
    except (UnicodeError, ScramException):
        return octets


def _decode(text: bytes) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return None


class Scram(Mechanism):
    """One SCRAM exchange; `name` is one of `DIGESTS`, perhaps with `-PLUS`, which needs a `binding`."""

    def __init__(
        self,
        identity: Identity,
        mechanism: str,
        binding: ChannelBinding | None = None,
        nonce: Callable[[], bytes] = make_nonce,
    ) -> None:
        super().__init__(identity)
        self.name = mechanism
        self._digest = DIGESTS[mechanism.removesuffix(PLUS)]
        self._nonce = nonce()
        flag = b"p=" + binding.kind.encode("ascii") if binding is not None else b"n"
        authzid = b"a=" + encode_name(identity.authzid_octets) if identity.authzid_octets else b""
        self._header = flag + b"," + authzid + b","
        self._binding = binding.octets if binding is not None else b""
        self._bare = b"n=" + encode_name(prepare(identity.user_octets)) + b",r=" + self._nonce
        self._signature: bytes | None = None  # the server's, to be shown by it

    def begin(self) -> bytes | None:
        """client-first-message."""
        return self._header + self._bare if self._has_user() else None

    def _answer(self, challenge: bytes) -> bytes | None:
        if self._signature is None:
            return self._prove(challenge)
        if not challenge.startswith(b"v="):
            return self._refuse(f"ServerSignature expected in {self.name} input")
        given = _decode(challenge[2:].partition(b",")[0])
        if given is None or len(given) < len(self._signature):
            return self._refuse(f"Invalid server proof (truncated) in {self.name} input")
        if not hmac.compare_digest(given, self._signature):
            return self._fail(AUTHENTICATION_FAILURE, FAILURE + "ServerSignature mismatch")
        self.ended = True
        return b""

    def _prove(self, server_first: bytes) -> bytes | None:
        """client-final-message."""
        if not server_first:
            return self._refuse(f"{self.name} input expected")
        if server_first.startswith(b"m="):
            return self._refuse(f"Unsupported mandatory extension to {self.name}")
        match = _SERVER_FIRST.fullmatch(server_first)
        if match is None:
            return self._refuse(f"Invalid {self.name} input")
        if not match[1].startswith(self._nonce) or match[1] == self._nonce:
            return self._refuse("The nonce received from the server doesn't start from the nonce sent by the client")
        salt, iterations = _decode(match[2]), int(match[3])
        if salt is None:
            return self._refuse("Invalid base64 encoding of the salt")
        if not salt:
            return self._refuse("The salt can't be empty")
        if not 0 < iterations <= ITERATIONS_LIMIT:
            return self._refuse("iteration-count is out of bounds, refusing to compute")
        without_proof = b"c=" + b64encode(self._header + self._binding) + b",r=" + match[1]
        proof = self._sign(b",".join((self._bare, server_first, without_proof)), salt, iterations)
        return without_proof + b",p=" + b64encode(proof)

    def _sign(self, message: bytes, salt: bytes, iterations: int) -> bytes:
        """ClientProof; and ServerSignature is kept."""
        digest = self._digest
        password = prepare(self._identity.secret.reveal())
        salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", digest)
        signature = hmac.digest(hashlib.new(digest, client_key).digest(), message, digest)
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
        return bytes(a ^ b for a, b in zip(client_key, signature, strict=True))

    def _refuse(self, reason: str) -> bytes | None:
        return self._fail(BAD_PROTOCOL, FAILURE + reason)
