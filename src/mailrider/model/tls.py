"""What TLS has to prove on a hop, and what it did prove: levels and facts, without a library."""

from __future__ import annotations

import enum
from typing import NamedTuple


class TlsLevel(enum.IntEnum):
    """How much TLS a server must offer and prove, weakest first (postconf(5), `smtp_tls_security_level`).

    HALF_DANE is not for operators: TLSA records bind the server, but nobody signed the MX records that led to it.
    """

    NONE = 0
    MAY = 1
    ENCRYPT = 2
    FINGERPRINT = 3
    HALF_DANE = 4
    DANE = 5
    DANE_ONLY = 6
    VERIFY = 7
    SECURE = 8

    @property
    def word(self) -> str:
        """How operators write it."""
        return self.name.lower().replace("_", "-")

    @property
    def required(self) -> bool:
        """Mail must not go out in clear."""
        return self >= TlsLevel.ENCRYPT

    @property
    def must_match(self) -> bool:
        """The server must prove who it is."""
        return self > TlsLevel.ENCRYPT

    @property
    def uses_dane(self) -> bool:
        """TLSA records decide."""
        return self in (TlsLevel.HALF_DANE, TlsLevel.DANE, TlsLevel.DANE_ONLY)

    @property
    def uses_authorities(self) -> bool:
        """Certificate authorities, or trust anchors in their place, decide."""
        return self in (TlsLevel.VERIFY, TlsLevel.SECURE)


_BY_WORD = {level.word: level for level in TlsLevel if level is not TlsLevel.HALF_DANE}


def find_level(word: str) -> TlsLevel | None:
    """The level of that name, in any case; None where there is none."""
    return _BY_WORD.get(word.lower())


class Standing(enum.Enum):
    """What the log calls the peer of a TLS connection."""

    ANONYMOUS = "Anonymous"
    """It showed no certificate."""
    UNTRUSTED = "Untrusted"
    """It showed one that nothing vouches for."""
    TRUSTED = "Trusted"
    """Its certificate is vouched for, by an authority or by records that came unsigned."""
    VERIFIED = "Verified"
    """It has proved that it is the server that was looked for."""


class PeerFacts(NamedTuple):
    """The peer of a handshake.

    `matched`: all that the level demands was proved.  `problem` is why not, as the log says it (empty where nothing is wrong).
    `certificate` is the leaf, DER; empty where there was none.  `chain_length` counts the certificates that were shown.
    The digests are hexadecimal with colons, of the algorithm of `smtp_tls_fingerprint_digest`.
    """

    standing: Standing = Standing.ANONYMOUS
    matched: bool = False
    problem: str = ""
    matched_by: str = ""
    certificate: bytes = b""
    chain_length: int = 0
    subject: str = ""
    issuer: str = ""
    certificate_digest: str = ""
    key_digest: str = ""


class TlsFacts(NamedTuple):
    """A TLS connection that was established.  Text in it that came from the peer has been made printable."""

    level: TlsLevel
    protocol: str
    cipher: str
    cipher_bits: int
    algorithm_bits: int
    peer: PeerFacts
    key_exchange: str = ""
    signature: str = ""
    resumed: bool = False
    server_name: str = ""

    @property
    def verified(self) -> bool:
        """The level demands a proof, and it was given."""
        return self.peer.matched

    def summary(self) -> str:
        """`TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) ...`, as in the log of smtp(8)."""
        text = f"{self.protocol} with cipher {self.cipher} ({self.cipher_bits}/{self.algorithm_bits} bits)"
        if self.key_exchange:
            text += f" key-exchange {self.key_exchange}"
        if self.signature:
            text += f" server-signature {self.signature}"
        return text
