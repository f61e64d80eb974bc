"""What the parameters say about TLS, read once, and the terms that follow from a level at one server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mailrider.model.tls import TlsLevel
from mailrider.resolver.hostname import is_valid_hostname, to_ascii
from mailrider.settings import Settings
from mailrider.tls.ciphers import BadCiphers, GradeLists, make_cipher_list
from mailrider.tls.context import is_option
from mailrider.tls.protocols import Protocols, parse_protocols
from mailrider.tls.terms import Authorities, Handshake, Identity, KeyPair, TlsTerms
from mailrider.tls.tlsa import END_ENTITY, PRIVATE, Digests, Tlsa, digest, read_digests
from mailrider.tls.trustfile import BadTrustFile, read_trust_file
from mailrider.trust.entry import Entry
from mailrider.trust.policy import CONFIGURATION_PROBLEM, NoPolicy

Warn = Callable[[str], None]

DIGEST_OCTETS_LIMIT = 64
"""The longest digest there is; a fingerprint that is longer is a mistake."""

SERVER_NAME_LIMIT_CHARACTERS = 255
"""RFC 6066 §3 by way of the DNS: no host name is longer."""

_OLD_PROTOCOLS = frozenset({"SSLv2", "SSLv3"})
_SEPARATORS = re.compile(r"[, \t\r\n]+")
_MATCH_SEPARATORS = re.compile(r"[, \t\r\n:]+")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2})*", re.ASCII)
_IDEOGRAPHIC_DOTS = ("\u3002", "\uff0e", "\uff61")


class Place(NamedTuple):
    """The server in question and how we came to it.

    `nexthop` is as it was written, `domain` without brackets and port; `host` is the server's name, `relay` its name in the
    log.
    """

    nexthop: str
    domain: str
    host: str
    relay: str


@dataclass(frozen=True, slots=True)
class Demands:
    """What the parameters of one transport say.

    Pairs are (opportunistic, mandatory).  Raw texts are kept, so that a word that makes no sense is told where it is used, with
    the server it was used for.
    """

    level: TlsLevel
    level_source: tuple[str, str]
    protocols: tuple[str, str]
    grades: tuple[str, str]
    exclusions: tuple[str, str]
    lists: GradeLists
    verify_match: tuple[str, ...]
    secure_match: tuple[str, ...]
    fingerprints: tuple[str, ...]
    fingerprint_digest: str
    anchor_files: tuple[str, ...]
    server_name: str
    authorities: Authorities
    identity: Identity
    depth: int
    multiple_labels: bool
    reuse: bool
    digests: Digests
    bug_workarounds_off: tuple[str, ...]
    options: tuple[str, ...]
    groups: tuple[str, ...]
    insecure_mx_level: TlsLevel
    enforces_patterns: bool
    prefix: str


def read_demands(settings: Settings) -> Demands:
    """Read the parameters of the transport that `settings` are bound to."""
    level, source = _read_level(settings)
    prefix = settings.transport.value
    insecure = settings.smtp_tls_dane_insecure_mx_policy
    exclude = " ".join(settings.smtp_tls_exclude_ciphers)
    return Demands(
        level=level,
        level_source=(f"{prefix}_{source[0]}", source[1]),
        protocols=(" ".join(settings.smtp_tls_protocols), " ".join(settings.smtp_tls_mandatory_protocols)),
        grades=(settings.smtp_tls_ciphers, settings.smtp_tls_mandatory_ciphers),
        exclusions=(exclude, f"{exclude} {' '.join(settings.smtp_tls_mandatory_exclude_ciphers)}".strip()),
        lists=GradeLists(
            settings.tls_high_cipherlist,
            settings.tls_medium_cipherlist,
            settings.tls_null_cipherlist,
            settings.tls_low_cipherlist,
            settings.tls_export_cipherlist,
        ),
        verify_match=_split_match(settings.smtp_tls_verify_cert_match),
        secure_match=_split_match(settings.smtp_tls_secure_cert_match),
        fingerprints=tuple(settings.smtp_tls_fingerprint_cert_match),
        fingerprint_digest=settings.smtp_tls_fingerprint_digest,
        anchor_files=tuple(settings.smtp_tls_trust_anchor_file),
        server_name=settings.smtp_tls_servername,
        authorities=Authorities(settings.smtp_tls_CAfile, settings.smtp_tls_CApath, settings.tls_append_default_CA),
        identity=_read_identity(settings),
        depth=settings.smtp_tls_scert_verifydepth,
        multiple_labels=False,  # whatever the parameter says: smtp(8) has not looked at it since it left this to OpenSSL
        reuse=settings.smtp_tls_connection_reuse,
        digests=read_digests(settings.tls_dane_digests),
        bug_workarounds_off=tuple(settings.tls_disable_workarounds),
        options=tuple(settings.tls_ssl_options),
        groups=_read_groups(settings),
        insecure_mx_level={"may": TlsLevel.MAY, "encrypt": TlsLevel.ENCRYPT}.get(insecure, TlsLevel.DANE),
        enforces_patterns=settings.smtp_tls_enforce_sts_mx_patterns,
        prefix=prefix,
    )


def find_obstacle(demands: Demands) -> str:
    """Why there can be no TLS at all: fingerprints of a kind that nobody can take.  Empty where nothing is wrong."""
    name = demands.fingerprint_digest
    return "" if digest(name, b"") is not None else f'Digest algorithm "{name}" not found'


def find_doubts(demands: Demands) -> tuple[str, ...]:
    """What was set and means nothing: sentences."""
    kinds = (("tls_disable_workarounds", demands.bug_workarounds_off), ("tls_ssl_options", demands.options))
    unknown = ((kind, word, words) for kind, words in kinds for word in words if not is_option(word, kind))
    return (
        *demands.digests.warnings,
        *(f'unknown {kind} value "{word}" in "{" ".join(words)}"' for kind, word, words in unknown),
    )


def _read_level(settings: Settings) -> tuple[TlsLevel, tuple[str, str]]:
    """`smtp_tls_security_level`, or what was there before it."""
    if settings.smtp_tls_security_level:
        level = next(each for each in TlsLevel if each.word == settings.smtp_tls_security_level)
        return level, ("tls_security_level", level.word)
    if settings.smtp_enforce_tls:
        level = TlsLevel.VERIFY if settings.smtp_tls_enforce_peername else TlsLevel.ENCRYPT
        return level, ("enforce_tls", "yes")
    if settings.smtp_use_tls:
        return TlsLevel.MAY, ("use_tls", "yes")
    return TlsLevel.NONE, ("tls_security_level", "")


def _read_identity(settings: Settings) -> Identity:
    pairs = (
        (settings.smtp_tls_cert_file, settings.smtp_tls_key_file),
        (settings.smtp_tls_dcert_file, settings.smtp_tls_dkey_file),
        (settings.smtp_tls_eccert_file, settings.smtp_tls_eckey_file),
    )
    chosen = tuple(KeyPair(certificate, key or certificate) for certificate, key in pairs if certificate)
    chains = tuple(settings.smtp_tls_chain_files)
    return Identity(chains, () if chains else chosen)


def _read_groups(settings: Settings) -> tuple[str, ...]:
    words = (*settings.tls_eecdh_auto_curves, *settings.tls_ffdhe_auto_groups)
    return tuple(name for word in words for name in word.split(":") if name.isascii() and name)


def _split_match(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for part in _MATCH_SEPARATORS.split(" ".join(words)) if part)


class DaneDemand(NamedTuple):
    """What TLSA records bind a server to: the records, the base domain, and the names that a certificate may have."""

    records: tuple[Tlsa, ...]
    base_domain: str
    names: tuple[str, ...]


def make_terms(
    demands: Demands, level: TlsLevel, entry: Entry | None, place: Place, dane: DaneDemand | None, warn: Warn
) -> TlsTerms | NoPolicy:
    """The terms of a level above none at one server; `entry` is what a policy table says about it."""
    entry = entry if entry is not None else Entry(level)
    handshake = _make_handshake(demands, level, entry, place)
    if entry.rpk:
        warn(f"{place.nexthop}: enable_rpk is ignored: raw public keys are not available in this TLS library")
    name = _find_server_name(demands, entry, place, dane, warn)
    if isinstance(name, NoPolicy):
        return name
    names: tuple[str, ...] = ()
    records: tuple[Tlsa, ...] = ()
    must_fail = bool(entry.external and entry.external.failure)
    if dane is not None:
        names, records = tuple(map(_to_ascii, dane.names)), dane.records
        must_fail = must_fail or (level.uses_dane and not records)
    elif level is TlsLevel.FINGERPRINT:
        records = _read_fingerprints(entry.match or demands.fingerprints, warn)
        if not records:
            warn(
                f"nexthop domain {place.nexthop}: configured at fingerprint security level, but with no fingerprints"
                " to match."
            )
            return CONFIGURATION_PROBLEM
    elif level.uses_authorities:
        found = _find_anchors(demands, entry, warn)
        if found is None:
            return CONFIGURATION_PROBLEM
        records = found
        names = _find_names(demands, level, entry, place, warn)
        must_fail = must_fail or not names
    return TlsTerms(
        level=level,
        handshake=handshake,
        server_name=name,
        authorities=_choose_authorities(demands.authorities, entry),
        identity=demands.identity,
        names=names,
        records=records,
        must_fail=must_fail,
        depth=demands.depth,
        multiple_labels=demands.multiple_labels and not entry.public,
        fingerprint_digest=demands.fingerprint_digest,
        digests=(*sorted(demands.digests.algorithms.items()), (PRIVATE, demands.fingerprint_digest)),
    )


def _choose_authorities(authorities: Authorities, entry: Entry) -> Authorities:
    """Those of the operator; a published policy means those that everybody knows, where the operator names none."""
    if entry.public and not authorities.file and not authorities.path:
        return authorities._replace(append_default=True)
    return authorities


def _make_handshake(
    demands: Demands, level: TlsLevel, entry: Entry, place: Place
) -> Handshake:
    mandatory = level > TlsLevel.MAY
    text = entry.protocols if entry.protocols is not None else demands.protocols[mandatory]
    protocols = parse_protocols(text)
    if protocols is None:
        return Handshake(fault=f'{place.relay}: Invalid TLS protocol list "{text}": aborting TLS session')
    if level.uses_dane:
        protocols = Protocols(protocols.floor, protocols.ceiling, protocols.excluded | _OLD_PROTOCOLS)
    exclusions = entry.exclude if entry.exclude is not None else demands.exclusions[mandatory]
    if mandatory:
        exclusions += " aNULL" if level.must_match else " eNULL"
    ciphers = make_cipher_list(entry.grade or demands.grades[mandatory], exclusions, demands.lists)
    if isinstance(ciphers, BadCiphers):
        return Handshake(fault=f"{place.relay}: {ciphers.text}")
    return Handshake(protocols, ciphers, int(level.must_match), demands.bug_workarounds_off, demands.options, demands.groups)


def _find_server_name(demands: Demands, entry: Entry, place: Place, dane: DaneDemand | None, warn: Warn) -> str | NoPolicy:
    """The name that is asked for in the handshake (SNI)."""
    if dane is not None:
        return _to_ascii(dane.base_domain)
    name = entry.server_name if entry.server_name is not None else demands.server_name
    if name and not is_valid_hostname(to_ascii(name) or ""):
        warn(f'"{demands.prefix}_tls_servername = {name}" specifies an invalid hostname')
        return CONFIGURATION_PROBLEM
    name = _to_ascii({"hostname": place.host, "nexthop": place.domain}.get(name, name))
    if len(name) > SERVER_NAME_LIMIT_CHARACTERS:
        warn(f"{place.relay}: ignoring too long SNI hostname: {name[:100]}")
        return CONFIGURATION_PROBLEM
    return name


def _read_fingerprints(words: Iterable[str], warn: Warn) -> tuple[Tlsa, ...]:
    """Digests of certificates or keys, as the DANE records that they stand for."""
    records: list[Tlsa] = []
    for word in words:
        data = bytes.fromhex(word.replace(":", "")) if _HEXADECIMAL.fullmatch(word) else b""
        if not data or len(data) > DIGEST_OCTETS_LIMIT:
            warn(f"malformed fingerprint value: {word[:100]}")
            continue
        records += (Tlsa(END_ENTITY, selector, PRIVATE, data) for selector in (0, 1))
    return tuple(records)


def _find_anchors(demands: Demands, entry: Entry, warn: Warn) -> tuple[Tlsa, ...] | None:
    """The trust anchors that take the place of authorities; None where a file of them is bad."""
    if entry.anchors:
        return tuple(entry.anchors)
    records: list[Tlsa] = []
    for file in demands.anchor_files:
        found = read_trust_file(file)
        if isinstance(found, BadTrustFile):
            warn(found.text)
            return None
        records += found
    return tuple(records)


def holds_to_patterns(demands: Demands, entry: Entry) -> bool:
    """Whether servers are held to the MX patterns of an MTA-STS policy, and certificates to the servers' own names.

    That is how RFC 8461 §4.1 wants it; for what a plug-in says in a policy table it can be switched off
    (`smtp_tls_enforce_sts_mx_patterns`), and certificates are then compared with what it gives in `match=`.
    """
    external = entry.external
    return external is not None and external.type == "sts" and bool(entry.match) and (entry.public or demands.enforces_patterns)


def _find_names(demands: Demands, level: TlsLevel, entry: Entry, place: Place, warn: Warn) -> tuple[str, ...]:
    """The names of which the certificate must have one: words become names."""
    if holds_to_patterns(demands, entry) and entry.external is not None and entry.external.mx_patterns:
        strategies: Iterable[str] = ("hostname",)
    else:
        strategies = entry.match or (demands.verify_match if level is TlsLevel.VERIFY else demands.secure_match)
    names: list[str] = []
    for word in strategies:
        match word.lower():
            case "nexthop":
                names.append(_to_ascii(place.domain))
            case "dot-nexthop":
                names.append("." + _to_ascii(place.domain))
            case "hostname":
                names.append(_to_ascii(place.host))
            case ".":
                warn(f'{place.relay}: ignoring invalid match name: "."')
            case _ if word[0] in (".", *_IDEOGRAPHIC_DOTS) and len(word) > 1:
                names.append("." + _to_ascii(word[1:]))
            case _:
                names.append(_to_ascii(word))
    if not names:
        warn(f"{place.relay}: could not configure peer name checks")
    return tuple(dict.fromkeys(names))


def _to_ascii(name: str) -> str:
    return name if name.isascii() else to_ascii(name) or name
