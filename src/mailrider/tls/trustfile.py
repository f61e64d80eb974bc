"""Trust anchor files: certificates and bare public keys in PEM, read as the DANE records that they stand for.

An anchor stands for a record of usage 2 and one of usage 3, because an operator who names a server's own certificate
there trusts that server (postconf(5), `smtp_tls_trust_anchor_file`).
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import NamedTuple

from mailrider.tls.tlsa import CERTIFICATE, END_ENTITY, FULL, PUBLIC_KEY, TRUST_ANCHOR, Tlsa

FILE_LIMIT_OCTETS = 4 * 1024 * 1024
"""All authorities of a browser make 250 kB."""

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_SELECTORS = {b"CERTIFICATE": CERTIFICATE, b"X509 CERTIFICATE": CERTIFICATE, b"PUBLIC KEY": PUBLIC_KEY}


class BadTrustFile(NamedTuple):
    """Why a file gives no anchors, as the log says it."""

    text: str


def read_trust_file(path: str) -> tuple[Tlsa, ...] | BadTrustFile:
    """The records for the anchors of a file; a file without any is bad."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(FILE_LIMIT_OCTETS)
    except (OSError, ValueError) as trouble:
        reason = trouble.strerror if isinstance(trouble, OSError) else str(trouble)
        return BadTrustFile(f"error opening trust anchor file: {path}: {reason}")
    records: list[Tlsa] = []
    for block in _BLOCK.finditer(text):
        selector = _SELECTORS.get(block[1])
        if selector is None:
            continue
        try:
            data = base64.b64decode(b"".join(block[2].split()), validate=True)
        except binascii.Error:
            return BadTrustFile(f"error reading: {path}: malformed trust-anchor")
        records += (Tlsa(usage, selector, FULL, data) for usage in (TRUST_ANCHOR, END_ENTITY))
    return tuple(records) or BadTrustFile(f"error reading: {path}: no trust anchor in it")
