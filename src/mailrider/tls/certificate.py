"""What a certificate says, read with `cryptography`; a certificate comes from a stranger, so nothing here raises for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from mailrider.model.printable import make_printable
from mailrider.tls.names import NAMES_LIMIT, CertificateNames
from mailrider.tls.tlsa import digest

if TYPE_CHECKING:
    from cryptography import x509

TEXT_LIMIT_CHARACTERS = 256
"""A name in a certificate that is longer is not shown."""

SERVER_PURPOSES = frozenset({"1.3.6.1.5.5.7.3.1", "2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3"})
"""Extended key usages of a TLS server: today's, and two of the nineties that OpenSSL takes too."""


def load(der: bytes) -> x509.Certificate | None:
    """A certificate out of its DER, or None where it makes no sense."""
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


def public_key_of(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo, DER; empty where it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return b""


def names_of(certificate: x509.Certificate) -> CertificateNames:
    """Its names; those that cannot be read are not there."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    dns: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()
    try:
        shown = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = tuple(shown.get_values_for_type(x509.DNSName)[:NAMES_LIMIT])
        found = shown.get_values_for_type(x509.IPAddress)[:NAMES_LIMIT]
        addresses = tuple(each.packed for each in found if isinstance(each, IPv4Address | IPv6Address))
    except x509.ExtensionNotFound:
        pass
    except (ValueError, x509.DuplicateExtension):
        return CertificateNames()  # a list of names that is broken does not make the common name count
    try:
        attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return CertificateNames(dns, addresses)
    return CertificateNames(dns, addresses, tuple(str(each.value) for each in attributes[:NAMES_LIMIT]))


def describe(certificate: x509.Certificate, *, of_issuer: bool) -> str:
    """The common name of the subject, or of the issuer (else its organization), printable."""
    from cryptography.x509.oid import NameOID

    wanted = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME) if of_issuer else (NameOID.COMMON_NAME,)
    try:
        name = certificate.issuer if of_issuer else certificate.subject
        for oid in wanted:
            for attribute in name.get_attributes_for_oid(oid):
                return _printable(str(attribute.value).rstrip("\0"))
    except ValueError:
        pass
    return ""


def show_issuer(certificate: x509.Certificate) -> str:
    """The issuer's name on one line, as in `/O=Example/CN=Example CA`."""
    try:
        parts = [f"/{each.rfc4514_attribute_name}={each.value!s}" for each in certificate.issuer]
    except ValueError:
        return "<unknown>"
    return _printable("".join(parts)) or "<unknown>"


def _printable(text: str) -> str:
    return make_printable(text[:TEXT_LIMIT_CHARACTERS])


def fingerprint(data: bytes, algorithm: str) -> str:
    """A digest as operators write it: `AB:CD:...`; empty for an unknown algorithm."""
    value = digest(algorithm, data)
    return value.hex(":").upper() if value is not None else ""


def serves_servers(certificate: x509.Certificate, *, is_leaf: bool) -> bool:
    """Its purposes, where it names any, include that of a TLS server, or of an authority for one."""
    from cryptography import x509

    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension):
        return False
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if not {purpose.dotted_string for purpose in purposes} & SERVER_PURPOSES:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not is_leaf or usage.digital_signature or usage.key_encipherment or usage.key_agreement


def is_signed_by(certificate: x509.Certificate, key_der: bytes) -> bool:
    """Whether the key, a SubjectPublicKeyInfo in DER, has signed this certificate."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(key_der)
        signed, signature = certificate.tbs_certificate_bytes, certificate.signature
        if isinstance(key, rsa.RSAPublicKey):
            padding, algorithm = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
            if algorithm is None or padding is None or isinstance(padding, ec.ECDSA):
                return False
            key.verify(signature, signed, padding, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            scheme = certificate.signature_algorithm_parameters
            if not isinstance(scheme, ec.ECDSA):
                return False
            key.verify(signature, signed, scheme)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
