"""Does a certificate belong to a name?  (RFC 6125 as OpenSSL and so Postfix reads it.)

* A name is compared letter by letter, without regard to case, with the DNS names of the certificate.  Only a certificate
  without any DNS name is looked at for common names.  A name with a NUL in it matches nothing.
* `.example.com` is matched by every name below `example.com`, however deep.
* A `*` counts only as the whole first label, before at least two more, and never for `.example.com`.  It stands for
  one label, or for several where `multiple_labels` says so; no policy says so.
* A numeric address is compared with the addresses of the certificate and with nothing else.  There can be only one of those
  among the names that are looked for; where there are names beside it, the certificate must have both.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

_WILD_PART = re.compile(r"[A-Za-z0-9-]+")
_WILD_PARTS = re.compile(r"[A-Za-z0-9.-]+")
_LABELS = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+")

NAMES_LIMIT = 1000
"""Names of one certificate that are looked at.  A certificate that needs more is no mail server's."""


class CertificateNames(NamedTuple):
    """What a certificate says of its owner: DNS names, addresses (packed), and the common names of its subject."""

    dns: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()
    common: tuple[str, ...] = ()


def find_match(names: CertificateNames, wanted: Sequence[str], *, multiple_labels: bool) -> str | None:
    """The certificate's name that fits one of `wanted`, or None.

    `wanted` are host names in ASCII, with a leading dot for "below it", or numeric addresses.
    """
    hosts = [name for name in wanted if _pack(name) is None]
    addresses = [packed for name in wanted if (packed := _pack(name)) is not None][:1]
    matched = None
    if addresses:
        if addresses[0] not in names.addresses:
            return None
        matched = str(ipaddress.ip_address(addresses[0]))
    if hosts:
        shown = names.dns or names.common
        matched = next((name for name in shown[:NAMES_LIMIT] if _fits_any(name, hosts, multiple_labels)), None)
    return matched


def fits(pattern: str, name: str, *, multiple_labels: bool) -> bool:
    """Whether `pattern`, from a certificate, fits `name`."""
    if "\0" in pattern or not pattern:
        return False
    if name.startswith(".") and len(name) > 1:
        return len(pattern) > len(name) and _fold(pattern).endswith(_fold(name))
    if pattern.startswith("*.") and _LABELS.fullmatch(pattern, 2):
        return _fits_wildcard(_fold(pattern), _fold(name), multiple_labels)
    return _fold(pattern) == _fold(name)


def _fits_any(pattern: str, hosts: Sequence[str], multiple_labels: bool) -> bool:
    return any(fits(pattern, host, multiple_labels=multiple_labels) for host in hosts)


def _fits_wildcard(pattern: str, name: str, multiple_labels: bool) -> bool:
    rest = pattern[1:]
    if not name.endswith(rest):
        return False
    star = name[: len(name) - len(rest)]
    return star == "*" or (_WILD_PARTS if multiple_labels else _WILD_PART).fullmatch(star) is not None


def _fold(name: str) -> str:
    """Lower case, ASCII letters only: no other letter has two forms in a host name."""
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in name)


def _pack(name: str) -> bytes | None:
    try:
        return ipaddress.ip_address(name).packed
    except ValueError:
        return None
