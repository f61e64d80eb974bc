"""Signatures on our own mail."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mailrider.dsn.signature import Signer, Unsigned, sign
from mailrider.dsn.tls_report import Report, Reporter, make_mail

dkim = pytest.importorskip("dkim", reason="dkimpy is not installed: pip install mailrider[dkim]")

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
RECORD = b"v=DKIM1; k=rsa; s=tlsrpt; p=" + base64.b64encode(PUBLIC)

REPORT = Report("dest.test", "2026-03-01", "", "2026-03-01.dest.test@us.test", {"policies": []})
MAIL = make_mail(REPORT, Reporter("Us", "tls@us.test", "mx.us.test"), "tls@dest.test", "Mon, 02 Mar 2026 01:00:00 +0000")
US = Signer("us.test", "tls", PEM)


def verify(mail: bytes) -> bool:
    def ask(name: bytes, timeout: float = 5) -> bytes:
        assert name == b"tls._domainkey.us.test."
        return RECORD

    return bool(dkim.verify(mail, dnsfunc=ask, tlsrpt="strict"))


def test_a_report_is_signed_so_that_others_can_tell() -> None:
    signed = sign(MAIL, US)
    assert isinstance(signed, bytes)
    assert signed.endswith(MAIL)
    assert verify(signed)
    assert not verify(signed.replace(b"Submitter: mx.us.test", b"Submitter: mx.evil.test"))
    assert not verify(signed.replace(b"TLS-Report-Domain: dest.test", b"TLS-Report-Domain: evil.test"))
    assert not verify(signed[:-20] + b"x" + signed[-19:])
    header = signed[: -len(MAIL)].decode().replace("\r\n ", "").lower()
    assert "d=us.test;" in header
    assert "tls-report-domain" in header
    assert " l=" not in header


@pytest.mark.parametrize(
    "signer",
    [
        US._replace(selector=""),
        US._replace(domain=""),
        US._replace(domain="us.test; l=0"),
        US._replace(key=b""),
        US._replace(key=b"no key"),
        US._replace(key=b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
    ],
)
def test_what_cannot_be_signed_is_not(signer: Signer) -> None:
    answer = sign(MAIL, signer)
    assert isinstance(answer, Unsigned)
    assert answer.text
