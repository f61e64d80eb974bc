"""The settings of the doors."""

from __future__ import annotations

import errno
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mailrider.errors import WrongConfiguration
from mailrider.intake.configuration import Intake, make_tls
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


def test_a_key_that_only_root_could_read_stays_when_the_settings_are_read_again(
    tmp_path: Path, node: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("smtpd_tls_security_level=may", f"smtpd_tls_chain_files={node.write(tmp_path, 'node')}")
    told: list[str] = []
    doors = Intake(make_settings(*given), told.append)
    without = Intake(make_settings(), told.append)
    try:
        loaded = doors._ready.tls
        monkeypatch.setattr("mailrider.intake.configuration.open", refuse, raising=False)
        doors.prepare(make_settings(*given, "message_size_limit=4711"))
        reason = f"smtpd_tls: cannot read {tmp_path}/node.pem: Permission denied"
        assert told == [f"warning: {reason}; the certificate that was loaded before stays"]
        assert doors._ready.tls is loaded
        with pytest.raises(WrongConfiguration, match=r"node\.pem: Permission denied$"):
            without.prepare(make_settings(*given))
    finally:
        doors.discard()
        without.discard()


def refuse(*_: object) -> object:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_what_tables_have_to_say_are_warnings() -> None:
    told: list[str] = []
    Intake(make_settings("local_header_rewrite_clients=static:all"), told.append).discard()
    assert told == ["warning: local_header_rewrite_clients: static:all has no effect here"]


def test_a_file_without_a_certificate(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.write_text("nothing\n")
    with pytest.raises(WrongConfiguration, match="expected PEM without a passphrase"):
        make(f"smtpd_tls_chain_files={path}")
