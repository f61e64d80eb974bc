"""Trust anchor files."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailrider.testkit.authority import make_root
from mailrider.tls.tlsa import Tlsa
from mailrider.tls.trustfile import BadTrustFile, read_trust_file

ROOT = make_root()
KEY_PEM = ROOT.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write(folder: Path, text: bytes) -> str:
    path = folder / "anchors.pem"
    path.write_bytes(text)
    return str(path)


def test_certificates_and_keys(tmp_path: Path) -> None:
    found = read_trust_file(write(tmp_path, b"words\n" + ROOT.pem + ROOT.key_pem + KEY_PEM))
    assert found == (
        Tlsa(2, 0, 0, ROOT.der),
        Tlsa(3, 0, 0, ROOT.der),
        Tlsa(2, 1, 0, ROOT.key_der),
        Tlsa(3, 1, 0, ROOT.key_der),
    )


def test_files_without_anchors(tmp_path: Path) -> None:
    assert read_trust_file(str(tmp_path / "nosuch")) == BadTrustFile(
        f"error opening trust anchor file: {tmp_path}/nosuch: No such file or directory"
    )
    assert isinstance(read_trust_file(write(tmp_path, b"")), BadTrustFile)
    assert isinstance(read_trust_file(write(tmp_path, ROOT.key_pem)), BadTrustFile)
    garbled = b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"
    assert isinstance(read_trust_file(write(tmp_path, garbled)), BadTrustFile)
    assert isinstance(read_trust_file("\0"), BadTrustFile)
