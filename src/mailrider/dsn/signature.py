"""DKIM signatures (RFC 6376) on the mail that we write ourselves: TLS reports, which must be signed (RFC 8460 §3).

By the package `dkimpy`, which is loaded when the first mail is signed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SIGNED_FIELDS = (
    b"From", b"To", b"Date", b"Message-ID", b"Subject", b"MIME-Version", b"Content-Type", b"TLS-Report-Domain",
    b"TLS-Report-Submitter", b"TLS-Required",
)  # fmt: skip
"""All that our reports have; RFC 8460 §5.3 names the two in front of the last."""

_LABELS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)


class Signer(NamedTuple):
    """Whose signature: its public key is at `<selector>._domainkey.<domain>`; `key` is the private one, RSA in PEM."""

    domain: str
    selector: str
    key: bytes


class Unsigned(NamedTuple):
    """Why there is no signature."""

    text: str


def sign(mail: bytes, signer: Signer) -> bytes | Unsigned:
    """The mail (CRLF line ends) with a signature in front."""
    if not _LABELS.fullmatch(signer.domain) or not _LABELS.fullmatch(signer.selector):
        return Unsigned(f"{signer.selector!r} of {signer.domain!r} is no name that a signature can have")
    try:
        import dkim
    except ImportError:
        return Unsigned("it needs the package dkimpy: pip install mailrider[dkim]")
    present = {line.partition(b":")[0].lower() for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    fields = [name for name in SIGNED_FIELDS if name.lower() in present]
    try:
        made: bytes = dkim.sign(
            mail, signer.selector.encode(), signer.domain.encode(), signer.key,
            canonicalize=(b"relaxed", b"relaxed"), include_headers=fields, tlsrpt=True,
        )  # fmt: skip
    except Exception as trouble:  # the package raises what it likes for a key that makes no sense
        return Unsigned(f"it cannot be signed: {str(trouble) or type(trouble).__name__}")
    return made + mail
