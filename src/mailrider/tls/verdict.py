"""What a peer has proved: its certificates and OpenSSL's opinion of them, against what the terms demand.

A standing is TRUSTED or better only if *everything* that the level demands holds, names included: a certificate from a good
authority for another name is UNTRUSTED, as smtp(8) has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailrider.model.tls import PeerFacts, Standing, TlsLevel
from mailrider.tls import certificate as certificates
from mailrider.tls.anchors import find_anchor
from mailrider.tls.names import find_match
from mailrider.tls.terms import TlsTerms
from mailrider.tls.tlsa import find_end_entity

HOSTNAME_MISMATCH = 62
ADDRESS_MISMATCH = 64
DANE_NO_MATCH = 65
UNSPECIFIED = 1
"""Error numbers of OpenSSL (x509_vfy.h)."""

_SELF_SIGNED = 18
_UNKNOWN_ISSUER = (19, 20)
_NOT_YET = (9, 13)
_EXPIRED = (10, 14)
_PURPOSE = 26
_TOO_LONG = 22
_UNTRUSTED = 27

_WORDS = {
    UNSPECIFIED: "unspecified certificate verification error", 2: "unable to get issuer certificate",
    7: "certificate signature failure", 21: "unable to verify the first certificate", 24: "invalid CA certificate",
    HOSTNAME_MISMATCH: "hostname mismatch", ADDRESS_MISMATCH: "IP address mismatch",
    DANE_NO_MATCH: "no matching DANE TLSA records", 66: "EE certificate key too weak", 67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
}  # fmt: skip


class Objection(NamedTuple):
    """One thing that OpenSSL found wrong with a chain: its number, and at which certificate (0 is the server's own)."""

    number: int
    depth: int


def judge(chain: Sequence[bytes], objections: Sequence[Objection], terms: TlsTerms, relay: str) -> PeerFacts:
    """What the peer is worth that showed `chain` (DER, its own certificate first; maybe none).

    `relay` is `H[A]:P` for the log.
    """
    leaf = certificates.load(chain[0]) if chain else None
    if leaf is None:
        return PeerFacts(Standing.ANONYMOUS if not chain else Standing.UNTRUSTED, chain_length=len(chain))
    key = certificates.public_key_of(leaf)
    objection, matched_by = _examine(chain, key, objections, terms)
    standing, matched = Standing.UNTRUSTED, False
    if objection is None:
        matched = terms.level.must_match
        fully = matched and terms.level is not TlsLevel.HALF_DANE
        standing = Standing.VERIFIED if fully else Standing.TRUSTED
    return PeerFacts(
        standing=standing,
        matched=matched,
        problem=_word(objection, chain, relay) if objection is not None else "",
        matched_by=matched_by,
        certificate=chain[0],
        chain_length=len(chain),
        subject=certificates.describe(leaf, of_issuer=False),
        issuer=certificates.describe(leaf, of_issuer=True),
        certificate_digest=certificates.fingerprint(chain[0], terms.fingerprint_digest),
        key_digest=certificates.fingerprint(key, terms.fingerprint_digest),
    )


def _examine(
    chain: Sequence[bytes], key: bytes, objections: Sequence[Objection], terms: TlsTerms
) -> tuple[Objection | None, str]:
    """What is wrong, or by what it was matched."""
    if terms.must_fail:
        return Objection(UNSPECIFIED, 0), ""
    if terms.records:
        return _examine_records(chain, key, terms)
    if terms.level.must_match and not terms.level.uses_authorities:
        return Objection(DANE_NO_MATCH, 0), ""
    if objections:
        return min(objections, key=lambda each: each.depth), ""
    if not terms.level.must_match:
        return None, ""
    name = _match_name(chain[0], terms)
    return (None, f"matched peername: {name}") if name is not None else (Objection(HOSTNAME_MISMATCH, 0), "")


def _examine_records(chain: Sequence[bytes], key: bytes, terms: TlsTerms) -> tuple[Objection | None, str]:
    """DANE, and what is made to look like it: no authority and no name makes up for records that do not match."""
    algorithms = dict(terms.digests)
    record = find_end_entity(terms.records, chain[0], key, algorithms)
    if record is not None:
        if terms.level.uses_authorities and _match_name(chain[0], terms) is None:
            return Objection(HOSTNAME_MISMATCH, 0), ""
        word = "fingerprint" if terms.level is TlsLevel.FINGERPRINT else "DANE EE certificate at depth 0"
        return None, f"Matched {word}: {record}"
    record = find_anchor(chain, terms.records, algorithms, terms.depth)
    if record is None:
        return Objection(DANE_NO_MATCH, 0), ""
    if _match_name(chain[0], terms) is None:
        return Objection(HOSTNAME_MISMATCH, 0), ""
    return None, f"Matched {'trust anchor' if terms.level.uses_authorities else 'DANE TA certificate'}: {record}"


def _match_name(der: bytes, terms: TlsTerms) -> str | None:
    leaf = certificates.load(der)
    if leaf is None or not terms.names:
        return None
    return find_match(certificates.names_of(leaf), terms.names, multiple_labels=terms.multiple_labels)


def _word(objection: Objection, chain: Sequence[bytes], relay: str) -> str:
    """The objection as smtp(8) logs it."""
    number, depth = objection
    failed = f"certificate verification failed for {relay}"
    of_whom = "CA" if depth > 0 else "server"
    if number == _SELF_SIGNED:
        return f"{failed}: self-signed certificate"
    if number in _UNKNOWN_ISSUER:
        last = certificates.load(chain[min(depth, len(chain) - 1)])
        return f"{failed}: untrusted issuer {certificates.show_issuer(last) if last is not None else '<unknown>'}"
    if number in _NOT_YET:
        return f"{of_whom} {failed}: certificate not yet valid"
    if number in _EXPIRED:
        return f"{of_whom} {failed}: certificate has expired"
    if number == _PURPOSE:
        return f"{failed}: not designated for use as a {of_whom} certificate"
    if number == _TOO_LONG:
        return f"{failed}: certificate chain longer than limit({depth - 1})"
    if number == _UNTRUSTED:
        return f"{failed}: not trusted by local or TLSA policy"
    return f"{of_whom} {failed}: num={number}:{_WORDS.get(number, 'error number ' + str(number))}"
