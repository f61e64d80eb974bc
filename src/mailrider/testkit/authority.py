"""Certificates to try a client against: an authority that signs anything, made on the spot and good for nothing else.

Keys are of the P-256 curve, since those are made in no time; nothing is protected by a password.  Times are relative to `NOW`,
the moment at which the module was loaded, because OpenSSL looks at the real clock.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, and the certificates that lead from it to its root (without the root)."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_der(self) -> bytes:
        """Its public key (SubjectPublicKeyInfo)."""
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        """The certificate and its chain."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """Its private key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, name: str) -> Path:
        """A file with key and certificates, key first."""
        path = folder / f"{name}.pem"
        path.write_bytes(self.key_pem + self.pem)
        return path

    def server_context(self, folder: Path, name: str = "server") -> ssl.SSLContext:
        """What a server needs to show this certificate; files of that name are written to `folder`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.write(folder, name))
        return context

    def issue(
        self,
        common_name: str = "",
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        *,
        is_authority: bool = False,
        begins_days: float = -1.0,
        ends_days: float = 30.0,
        purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Certificate:
        """Sign a new one.  `extensions` come beside the usual ones."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += (x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)
        usual: list[x509.ExtensionType] = [*extensions, x509.BasicConstraints(ca=is_authority, path_length=None)]
        if names:
            usual.append(x509.SubjectAlternativeName(names))
        if not is_authority and purposes:
            usual.append(x509.ExtendedKeyUsage(purposes))
        signed = _sign(common_name, key.public_key(), self.certificate.subject, self.key, begins_days, ends_days, usual)
        chain = () if self.certificate.subject == self.certificate.issuer else (self.certificate, *self.chain)
        return Certificate(signed, key, chain)


def make_root(common_name: str = "Test Root") -> Certificate:
    """An authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    extensions = [x509.BasicConstraints(ca=True, path_length=None)]
    return Certificate(_sign(common_name, key.public_key(), name, key, -1.0, 30.0, extensions), key)


def make_self_signed(common_name: str, dns: Sequence[str] = ()) -> Certificate:
    """A server's certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=False, path_length=None)]
    if dns:
        extensions.append(x509.SubjectAlternativeName([x509.DNSName(name) for name in dns]))
    return Certificate(_sign(common_name, key.public_key(), _name(common_name), key, -1.0, 30.0, extensions), key)


def _name(common_name: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mailrider test")]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _sign(
    common_name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    begins_days: float,
    ends_days: float,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins_days * DAY)
        .not_valid_after(NOW + ends_days * DAY)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())
