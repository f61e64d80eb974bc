"""TLSA records as values: what they say, which of them can be used, which of those count (RFC 6698, RFC 7671, RFC 7672).

* Usages 2 (trust anchor) and 3 (the server itself) only.  0 and 1 would want certificate authorities, about which the two
  ends of a mail hop have agreed nothing (RFC 7672 §3.1.3): such records cannot be used.
* Selectors 0 (certificate) and 1 (public key); matching types 0 (the thing itself), 1 (SHA-256), 2 (SHA-512) as far as
  `tls_dane_digests` has them.
* Digest agility (RFC 7671 §9): among records with the same usage and selector only those with the strongest digest count, and
  those with the thing itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

TRUST_ANCHOR = 2
END_ENTITY = 3
"""Certificate usages (RFC 7218 §2.1: DANE-TA, DANE-EE)."""

CERTIFICATE = 0
PUBLIC_KEY = 1
"""Selectors."""

FULL = 0
PRIVATE = 255
"""Matching types: the thing itself, and the private one that Postfix keeps for its fingerprints and refuses from the DNS."""

_STANDARD = {"sha256": 1, "sha512": 2}
_SHOWN_OCTETS = 32
"""At each end of a record: a SHA-512 digest is still shown whole."""

_DIGEST = re.compile(r"([A-Za-z0-9/_-]*)(?:=([0-9]{1,3}))?", re.ASCII)


class Tlsa(NamedTuple):
    """One record.  `data` is the digest or the thing itself, DER."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        """As the log shows it: the middle of what is long is left out."""
        shown = self.data.hex().upper()
        if len(self.data) > 2 * _SHOWN_OCTETS:
            shown = f"{shown[: 2 * _SHOWN_OCTETS]}...{shown[-2 * _SHOWN_OCTETS :]}"
        return f"{self.usage} {self.selector} {self.matching} {shown or '...'}"


class Digests(NamedTuple):
    """`tls_dane_digests`, read: the algorithm of each matching type, and its rank (1 is the strongest)."""

    algorithms: Mapping[int, str]
    ranks: Mapping[int, int]
    warnings: tuple[str, ...] = ()


def read_digests(words: Iterable[str]) -> Digests:
    """Read `sha512 sha256 name=number ...`; what makes no sense is passed over with a warning."""
    algorithms: dict[int, str] = {}
    ranks: dict[int, int] = {}
    warnings: list[str] = []
    for word in words:
        match = _DIGEST.fullmatch(word)
        if match is None:
            warnings.append(f"Invalid matching type number in tls_dane_digests: {word}")
            continue
        name, number = match[1].lower(), int(match[2]) if match[2] else _STANDARD.get(match[1].lower(), -1)
        trouble = _find_fault(name, number, ranks)
        if trouble:
            warnings.append(trouble)
        elif name:
            algorithms[number] = name.replace("-", "")
            ranks[number] = len(ranks) + 1
    return Digests(algorithms, ranks, tuple(warnings))


def _find_fault(name: str, number: int, ranks: Mapping[int, int]) -> str:
    standard = {code: algorithm for algorithm, code in _STANDARD.items()}
    if number == -1:
        return f"tls_dane_digests: digest algorithm {name} needs an explicit number" if name else ""
    if number in (FULL, PRIVATE) or number > PRIVATE:
        return f"Reserved matching type number in tls_dane_digests: {name}={number}"
    if number in standard and name and name != standard[number]:
        return f"tls_dane_digests: matching type {number} can only be {standard[number]}"
    if number in ranks:
        return f"tls_dane_digests: matching type {number} specified more than once"
    if name and digest(name, b"") is None:
        return f'tls_dane_digests: digest algorithm "{name}"({number}) unknown'
    return ""


def digest(algorithm: str, data: bytes) -> bytes | None:
    """The digest of `data`; None for an algorithm that there is not or that has no fixed length."""
    name = algorithm.lower().replace("-", "")
    if name not in hashlib.algorithms_available or name.startswith("shake"):
        return None
    try:
        return hashlib.new(name, data, usedforsecurity=False).digest()
    except ValueError:
        return None


def find_fault(record: Tlsa, digests: Digests) -> str:
    """Why a record cannot be used, in the words of the log; empty where it can."""
    if record.usage not in (TRUST_ANCHOR, END_ENTITY):
        return "unsupported TLSA certificate usage"
    if record.matching == PRIVATE:
        return "reserved private-use matching type"
    if record.selector not in (CERTIFICATE, PUBLIC_KEY):
        return "unusable TLSA RR"
    if record.matching == FULL:
        return "" if _is_readable(record) else "unusable TLSA RR"
    empty = digest(digests.algorithms.get(record.matching, ""), b"")
    return "" if empty is not None and len(empty) == len(record.data) else "unusable TLSA RR"


def _is_readable(record: Tlsa) -> bool:
    """A record with the thing itself holds what its selector says."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        if record.selector == CERTIFICATE:
            x509.load_der_x509_certificate(record.data).public_key()
        else:
            load_der_public_key(record.data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def select(records: Iterable[Tlsa], digests: Digests) -> tuple[Tlsa, ...]:
    """Those of usable `records` that count, by digest agility."""
    chosen = list(dict.fromkeys(records))
    best: dict[tuple[int, int], int] = {}
    for record in chosen:
        if record.matching != FULL:
            key, rank = (record.usage, record.selector), digests.ranks[record.matching]
            best[key] = min(best.get(key, rank), rank)
    return tuple(
        record
        for record in chosen
        if record.matching == FULL or digests.ranks[record.matching] == best[record.usage, record.selector]
    )


def matches(record: Tlsa, certificate: bytes, public_key: bytes, algorithms: Mapping[int, str]) -> bool:
    """Whether a record speaks of this certificate; both are DER, the key a SubjectPublicKeyInfo."""
    thing = certificate if record.selector == CERTIFICATE else public_key
    if record.matching == FULL:
        return thing == record.data
    return digest(algorithms.get(record.matching, ""), thing) == record.data


def find_end_entity(
    records: Sequence[Tlsa], certificate: bytes, public_key: bytes, algorithms: Mapping[int, str]
) -> Tlsa | None:
    """The record of usage 3 that speaks of the server's own certificate."""
    for record in records:
        if record.usage == END_ENTITY and matches(record, certificate, public_key, algorithms):
            return record
    return None
