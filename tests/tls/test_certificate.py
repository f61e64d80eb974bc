"""What is read out of certificates, good ones and bad ones."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from mailrider.testkit.authority import Certificate, make_root, make_self_signed
from mailrider.tls import certificate as certificates
from mailrider.tls.names import CertificateNames

ROOT = make_root()


def test_names() -> None:
    made = ROOT.issue("cn.example.test", ["mx.example.test", "*.example.test"], ["192.0.2.1"])
    assert certificates.names_of(made.certificate) == CertificateNames(
        ("mx.example.test", "*.example.test"), (b"\xc0\x00\x02\x01",), ("cn.example.test",)
    )
    assert certificates.names_of(ROOT.issue().certificate) == CertificateNames()


def test_a_name_keeps_its_nul() -> None:
    made = ROOT.issue("x", ["mx.example.test\0.evil.test"])
    assert certificates.names_of(made.certificate).dns == ("mx.example.test\0.evil.test",)


def test_descriptions_are_printable_and_short() -> None:
    made = ROOT.issue("a\nb\x1b[31m" + "c" * 40)
    assert certificates.describe(made.certificate, of_issuer=False) == "a?b?[31m" + "c" * 40
    assert certificates.describe(made.certificate, of_issuer=True) == "Test Root"
    assert certificates.describe(ROOT.issue().certificate, of_issuer=False) == ""
    assert certificates.show_issuer(made.certificate) == "/O=Mailrider test/CN=Test Root"


def test_fingerprints() -> None:
    assert certificates.fingerprint(b"", "md5") == "D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E"
    assert certificates.fingerprint(b"", "nosuch") == ""


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_none(der: bytes) -> None:
    assert certificates.load(der) is None


@given(st.integers(0, len(ROOT.der) - 1), st.integers(1, 255))
def test_a_certificate_with_one_octet_changed_does_no_harm(place: int, change: int) -> None:
    der = bytearray(ROOT.der)
    der[place] ^= change
    loaded = certificates.load(bytes(der))
    if loaded is not None:
        certificates.names_of(loaded)
        certificates.public_key_of(loaded)
        certificates.describe(loaded, of_issuer=False)
        certificates.show_issuer(loaded)
        certificates.serves_servers(loaded, is_leaf=True)
        assert not certificates.is_signed_by(loaded, ROOT.key_der) or bytes(der) == ROOT.der or loaded == ROOT.certificate


def key_usage(**usages: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: usages.get(name, False) for name in names})


def serves(made: Certificate, *, is_leaf: bool = True) -> bool:
    return certificates.serves_servers(made.certificate, is_leaf=is_leaf)


def test_purposes() -> None:
    assert serves(ROOT.issue("x"))
    assert serves(ROOT.issue("x", purposes=()))
    assert not serves(ROOT.issue("x", purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)))
    assert serves(ROOT.issue("x", purposes=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)))
    assert serves(ROOT.issue("x", extensions=[key_usage(digital_signature=True)]))
    assert not serves(ROOT.issue("x", extensions=[key_usage(key_cert_sign=True)]))
    assert serves(ROOT.issue("x", is_authority=True, extensions=[key_usage(key_cert_sign=True)]), is_leaf=False)


def test_who_signed() -> None:
    made = ROOT.issue("x")
    assert certificates.is_signed_by(made.certificate, ROOT.key_der)
    assert not certificates.is_signed_by(made.certificate, made.key_der)
    assert not certificates.is_signed_by(made.certificate, b"no key")
    own = make_self_signed("x")
    assert certificates.is_signed_by(own.certificate, own.key_der)
