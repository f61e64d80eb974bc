"""CRAM-MD5 (RFC 2195): the password is shown by a keyed digest of the challenge."""

from __future__ import annotations

import hashlib
import hmac

from mailrider.sasl.mechanism import BAD_PROTOCOL, FAILURE, Mechanism

CRAM_CHALLENGE_LIMIT_OCTETS = 1024
"""As in Cyrus SASL; the real ones are message ids of about 50 octets."""


class CramMd5(Mechanism):
    """`user digest`."""

    name = "CRAM-MD5"

    def _answer(self, challenge: bytes) -> bytes | None:
        if len(challenge) > CRAM_CHALLENGE_LIMIT_OCTETS:
            return self._fail(BAD_PROTOCOL, f"{FAILURE}CRAM-MD5 input longer than {CRAM_CHALLENGE_LIMIT_OCTETS} bytes")
        self.ended = True
        digest = hmac.new(self._identity.secret.reveal(), challenge, hashlib.md5).hexdigest()
        return self._identity.user_octets + b" " + digest.encode()
