"""Which texts are host names and which are addresses, as smtp(8) judges them.

The rules are those of RFC 952 and RFC 1123 §2.1, with the liberties that Postfix takes: underscores are letters, a name of
digits and dots alone is neither name nor address unless it is a dotted quad.  Both kinds of judgement are pure.

Known faults: an IPv6 address is what inet_pton(3) takes; Postfix also lets some that are too short through its first
test and refuses them later.  Zone indices (`fe80::1%eth0`) are not addresses here.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from functools import lru_cache

from mailrider.model.server import Family

HOSTNAME_LIMIT_OCTETS = 255
"""RFC 1035 §2.3.4, counted as text."""
LABEL_LIMIT_OCTETS = 63
"""RFC 1035 §2.3.4."""
IDN_CACHE_ENTRIES = 256
"""Conversions remembered; Postfix keeps as many."""

_DEVIATIONS = {0xDF: "ss", 0x3C2: "\u03c3", 0x200C: "", 0x200D: ""}
"""What UTS #46 §4 once mapped, and IDNA 2008 does not."""

_LABEL = rf"[A-Za-z0-9_](?:[A-Za-z0-9_-]{{0,{LABEL_LIMIT_OCTETS - 2}}}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC = re.compile(r"[0-9.]*")
_OCTET = re.compile(r"0*(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])")


def is_valid_hostname(name: str, *, wildcard: bool = False) -> bool:
    """True for a domain name that may be looked up; `wildcard` lets the first label be `*` (RFC 1034 §4.3.3)."""
    if wildcard and name.startswith("*."):
        rest = name[2:]
        return len(name) <= HOSTNAME_LIMIT_OCTETS and _HOSTNAME.fullmatch(rest) is not None
    return len(name) <= HOSTNAME_LIMIT_OCTETS and _HOSTNAME.fullmatch(name) is not None and _NUMERIC.fullmatch(name) is None


def is_valid_ipv4(text: str) -> bool:
    """True for a dotted quad; `0.0.0.0` counts, other addresses of network 0 do not."""
    octets = text.split(".")
    if len(octets) != 4 or not all(_OCTET.fullmatch(octet) for octet in octets):
        return False
    return octets[0].strip("0") != "" or text.strip("0.") == ""


def is_valid_ipv6(text: str) -> bool:
    """True for an IPv6 address without prefix, brackets or zone index."""
    if ":" not in text or "\0" in text or not text.isascii():
        return False
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        return False
    return True


def is_valid_address(text: str) -> bool:
    """True for an address of either family."""
    return is_valid_ipv6(text) if ":" in text else is_valid_ipv4(text)


def family_of(address: str) -> Family:
    """The family of a text that is known to be an address."""
    return Family.IPV6 if ":" in address else Family.IPV4


def canonical_address(address: str) -> str:
    """The one way to write an address (inet_ntop(3)), so that texts can be compared.  Zone indices are dropped."""
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
        return socket.inet_ntop(socket.AF_INET6, packed)
    return ".".join(str(int(octet)) for octet in address.split("."))


@lru_cache(maxsize=IDN_CACHE_ENTRIES)
def to_ascii(name: str, *, idna2003: bool = False) -> str | None:
    """A domain name with its non-ASCII labels as A-labels (UTS #46 §4, with CheckHyphens), or None where that is impossible.

    What registries would not register today, such as a heart, is a label all the same: there are domains of that kind.
    `idna2003` is `enable_idna2003_compatibility`: the transitional mapping, in which U+00DF becomes `ss`.  ASCII names come
    back unchanged and unjudged.
    """
    if name.isascii():
        return name
    try:
        import idna

        mapped = idna.uts46_remap(name, std3_rules=False)
        if idna2003:
            mapped = unicodedata.normalize("NFC", mapped.translate(_DEVIATIONS))
        encoded = ".".join([_encode_label(label) for label in mapped.split(".")])
    except UnicodeError:  # idna.IDNAError is one
        return None
    return encoded if is_valid_hostname(encoded) else None


def _encode_label(label: str) -> str:
    """A label that has been mapped.  Raises `UnicodeError` for one that can be none."""
    if label.startswith("xn--"):
        import idna

        decoded = label[4:].encode("ascii").decode("punycode")
        if decoded.isascii() or idna.uts46_remap(decoded, std3_rules=False) != decoded:
            raise UnicodeError("no A-label")
        _check_label(decoded)
        return label
    if label[2:4] == "--":
        raise UnicodeError("hyphens in the third and fourth place")
    if label.isascii():
        return label
    _check_label(label)
    return "xn--" + label.encode("punycode").decode("ascii")


def _check_label(label: str) -> None:
    if label.startswith("-") or label.endswith("-") or unicodedata.category(label[0]).startswith("M"):
        raise UnicodeError("a hyphen or a mark at an end")
