"""A chain of certificates against trust anchors that are not authorities of this machine: DANE usage 2, trust anchor files.

Python's bindings to OpenSSL have no DANE, so its rules are here: a record of usage 2 speaks of a certificate that
the server showed above its own, or brings one, or brings a bare key that has signed one of them.  What such an anchor is,
and everything below it, is then checked by OpenSSL's own chain builder with the anchor as the only thing it trusts.

A record of usage 2 never speaks of the server's own certificate, unless a bare key has signed it.  Names are not checked here.

Known faults: the strength of signatures in the chain is not held to a security level, as OpenSSL does it in a handshake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mailrider.tls import certificate as certificates
from mailrider.tls.tlsa import CERTIFICATE, FULL, PUBLIC_KEY, TRUST_ANCHOR, Tlsa, matches

if TYPE_CHECKING:
    from cryptography import x509

CHAIN_LIMIT = 100
"""Certificates of a server that are looked at; OpenSSL itself builds no longer chains."""


def find_anchor(
    chain: Sequence[bytes], records: Sequence[Tlsa], algorithms: Mapping[int, str], depth: int
) -> Tlsa | None:
    """The record of usage 2 by which the first certificate of `chain` can be trusted, or None.

    `chain` is what the server showed, DER, its own first.  `depth` is how many authorities may stand between it and the anchor.
    """
    loaded = [certificates.load(der) for der in chain[:CHAIN_LIMIT]]
    shown = [each for each in loaded if each is not None]
    if not shown or loaded[0] is None:
        return None
    for record in records:
        if record.usage == TRUST_ANCHOR:
            anchors = _anchors_of(record, shown, algorithms)
            if anchors and _leads_to(shown, anchors, depth):
                return record
    return None


def _anchors_of(
    record: Tlsa, shown: Sequence[x509.Certificate], algorithms: Mapping[int, str]
) -> list[x509.Certificate]:
    """The certificates that a record makes trustworthy."""
    from cryptography.hazmat.primitives.serialization import Encoding

    if record.selector == CERTIFICATE and record.matching == FULL:
        brought = certificates.load(record.data)
        return [brought] if brought is not None and brought != shown[0] else []
    anchors = [
        each
        for each in shown[1:]
        if each != shown[0]
        and matches(record, each.public_bytes(Encoding.DER), certificates.public_key_of(each), algorithms)
    ]
    if record.selector == PUBLIC_KEY and record.matching == FULL:
        anchors += (each for each in shown if certificates.is_signed_by(each, record.data) and each not in anchors)
    return anchors


def _leads_to(shown: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], depth: int) -> bool:
    """Whether OpenSSL finds a valid chain from the first certificate to an anchor."""
    from OpenSSL import crypto

    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    wrap = crypto.X509.from_cryptography
    try:
        for anchor in anchors:
            store.add_cert(wrap(anchor))
        context = crypto.X509StoreContext(store, wrap(shown[0]), [wrap(each) for each in shown[1:]])
        chain = [each.to_cryptography() for each in context.get_verified_chain()]
    except (crypto.X509StoreContextError, crypto.Error, ValueError):
        return False
    if len(chain) - 2 > depth + 1:
        return False
    return all(certificates.serves_servers(each, is_leaf=index == 0) for index, each in enumerate(chain))
