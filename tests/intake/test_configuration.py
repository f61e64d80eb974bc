"""The settings of the doors."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mailrider.errors import WrongConfiguration
from mailrider.intake.configuration import make_tls
from mailrider.testkit.authority import Certificate, make_self_signed

from .running import make_settings


@pytest.fixture(scope="module")
def node() -> Certificate:
    return make_self_signed("node.example", ["node.example"])


def make(*overrides: str) -> ssl.SSLContext | None:
    return make_tls(make_settings("smtpd_tls_security_level=may", *overrides))


def test_a_certificate_and_its_key_in_two_files(tmp_path: Path, node: Certificate) -> None:
    assert make(f"smtpd_tls_cert_file={node.write(tmp_path, 'a')}", f"smtpd_tls_key_file={node.write(tmp_path, 'b')}")


@pytest.mark.parametrize("name", ["smtpd_tls_cert_file", "smtpd_tls_key_file"])
@pytest.mark.parametrize(("path", "reason"), [("/nonexistent", "No such file or directory"), ("/", "Is a directory")])
def test_the_file_that_cannot_be_read_is_named(tmp_path: Path, node: Certificate, name: str, path: str, reason: str) -> None:
    good = node.write(tmp_path, "good")
    with pytest.raises(WrongConfiguration, match=rf"^smtpd_tls: cannot read {path}: {reason}$"):
        make(f"smtpd_tls_cert_file={good}", f"smtpd_tls_key_file={good}", f"{name}={path}")


def test_a_key_of_another_certificate(tmp_path: Path, node: Certificate) -> None:
    good = node.write(tmp_path, "good")
    other = make_self_signed("other.example", ["other.example"]).write(tmp_path, "other")
    shown = f"cannot use the certificate in {good} and the key in {other}: key values mismatch"
    with pytest.raises(WrongConfiguration, match=shown):
        make(f"smtpd_tls_cert_file={good}", f"smtpd_tls_key_file={other}")


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path, node: Certificate) -> None:
    path = tmp_path / "closed"
    key = node.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    path.write_bytes(key + node.pem)
    with pytest.raises(WrongConfiguration, match="expected PEM without a passphrase"):
        make(f"smtpd_tls_chain_files={path}")


def test_a_file_without_a_certificate(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.write_text("nothing\n")
    with pytest.raises(WrongConfiguration, match="expected PEM without a passphrase"):
        make(f"smtpd_tls_chain_files={path}")
