"""On which terms a TLS connection is opened: everything that makes one handshake different from another, as a frozen value.

Two connections with equal terms to one server have offered the same, and their peers have proved the same: so terms are the
key under which contexts, TLS sessions and open connections are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mailrider.model.tls import TlsLevel
from mailrider.tls.protocols import Protocols
from mailrider.tls.tlsa import Tlsa


class Authorities(NamedTuple):
    """Whom we trust: a file, a directory, and the system's own beside them (`tls_append_default_CA`)."""

    file: str = ""
    path: str = ""
    append_default: bool = False


class KeyPair(NamedTuple):
    """A certificate file, which may hold further certificates of its chain, and the file of its key."""

    certificate_file: str
    key_file: str


class Identity(NamedTuple):
    """Who we are to a server that asks: files that hold keys with their chains, else certificates and keys by twos.

    Where there are `chain_files` the `pairs` do not count (postconf(5), `smtp_tls_chain_files`).
    """

    chain_files: tuple[str, ...] = ()
    pairs: tuple[KeyPair, ...] = ()


class Handshake(NamedTuple):
    """What is offered.

    `ciphers` is a list in OpenSSL's words, `groups` those for key exchange, best first (none: the library's own choice).
    `bug_workarounds_off` and `options` are names of options without their `OP_`.
    `security_level` is OpenSSL's: 0 takes what old servers have, 1 wants 80 bits.  `fault` is what makes no sense in all that
    (empty where nothing is wrong): then every handshake fails, as it does in smtp(8).
    """

    protocols: Protocols = Protocols()
    ciphers: str = "DEFAULT"
    security_level: int = 0
    bug_workarounds_off: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    fault: str = ""


NO_AUTHORITIES = Authorities()
NOBODY = Identity()


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """The terms of one connection.

    `names` are the host names of which the certificate must have one: ASCII, `.name` for "below it".  `records` are DANE
    records, real ones or those that stand for fingerprints and trust anchor files; where there are any, authorities do not
    count.  `must_fail`: something is wrong with what should have been proved, so nothing is ever proved.
    `fingerprint_digest` is the algorithm of fingerprints.  `digests` are the algorithms of matching types.
    """

    level: TlsLevel
    handshake: Handshake
    server_name: str = ""
    authorities: Authorities = NO_AUTHORITIES
    identity: Identity = NOBODY
    names: tuple[str, ...] = ()
    records: tuple[Tlsa, ...] = ()
    must_fail: bool = False
    depth: int = 9
    multiple_labels: bool = True
    fingerprint_digest: str = "sha256"
    digests: tuple[tuple[int, str], ...] = ()
