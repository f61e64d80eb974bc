"""One entry of `smtp_tls_policy_maps`: a level and its attributes (postconf(5)).

`secure match=example.com:.example.com protocols=>=TLSv1.2`; an attribute with blanks in its value stands in braces.  Whatever
makes no sense spoils the whole entry, since a part of it might be what was to be safe; only at level none are
attributes passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mailrider.errors import WrongConfiguration
from mailrider.model.tls import TlsLevel, find_level
from mailrider.resolver.hostname import is_valid_hostname
from mailrider.tables.braces import split_members, take_stripped
from mailrider.tls.tlsa import Tlsa
from mailrider.tls.trustfile import BadTrustFile, read_trust_file
from mailrider.trust.policy import External

Warn = Callable[[str], None]

POLICY_TYPES = frozenset({"tlsa", "sts", "no-policy-found"})
FAILURES = frozenset({
    "starttls-not-supported", "certificate-host-mismatch", "certificate-not-trusted", "certificate-expired",
    "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
    "sts-policy-invalid", "sts-webpki-invalid",
})  # fmt: skip
"""What RFC 8460 §4.3 knows."""

_BLANKS = re.compile(r"\s+")
_YES_NO = {"yes": True, "no": False}


@dataclass(slots=True)
class Entry:
    """What an entry says; None and empty stand for "not said"."""

    level: TlsLevel
    grade: str | None = None
    protocols: str | None = None
    server_name: str | None = None
    match: list[str] = field(default_factory=list)
    exclude: str | None = None
    anchors: list[Tlsa] = field(default_factory=list)
    reuse: bool | None = None
    rpk: bool | None = None
    external: External | None = None
    public: bool = False
    """It was published for everybody: where no authorities are named, those of the system count."""


class _Fault(Exception):
    """The entry makes no sense; the text completes `<where>: `."""


def read_entry(text: str, where: str, warn: Warn) -> Entry | None:
    """Read an entry; None where it makes no sense, and `warn` has heard why.  `where` names table and key."""
    try:
        return _read(text, where, warn)
    except _Fault as fault:
        warn(f"{where}: {fault}")
        return None


def _read(text: str, where: str, warn: Warn) -> Entry:
    words = list(split_members(text))
    if not words:
        raise _Fault("invalid empty policy")
    level = find_level(words[0])
    if level is None:
        raise _Fault(f'invalid security level "{words[0]}"')
    if level is TlsLevel.NONE:
        for word in words[1:]:
            warn(f'{where}: ignoring attribute "{word}" with TLS disabled')
        return Entry(level)
    reader = _Reader(Entry(level), warn)
    for word in words[1:]:
        reader.take(*_split(word))
    return reader.finish()


def _split(word: str) -> tuple[str, str]:
    """Name and value of an attribute."""
    bare = word
    try:
        if word.startswith("{"):
            bare = _BLANKS.sub(" ", take_stripped(word))
    except WrongConfiguration as trouble:
        raise _Fault(f'malformed attribute/value pair "{word}": {trouble}') from None
    name, equals, value = (part.strip() for part in bare.partition("="))
    if not equals:
        raise _Fault(f"malformed attribute/value pair \"{bare}\": missing '=' after attribute name")
    if not name:
        raise _Fault(f'malformed attribute/value pair "{bare}": missing attribute name')
    return name, value


class _Reader:
    """Takes one attribute after the other into an entry."""

    def __init__(self, entry: Entry, warn: Warn) -> None:
        self.entry = entry
        self.warn = warn
        self.once: set[str] = set()
        self.facts: dict[str, str] = {}
        self.strings: list[str] = []
        self.mx_patterns: list[str] = []

    def take(self, name: str, value: str) -> None:
        """One attribute.  Raises `_Fault`."""
        entry, key = self.entry, name.lower()
        match key:
            case "ciphers":
                entry.grade = self.need_value(name, self.need_once(key, name, value))
            case "protocols":
                entry.protocols = self.need_once(key, name, value)
            case "exclude":
                entry.exclude = self.need_once(key, name, value)
            case "servername":
                if not is_valid_hostname(self.need_once(key, name, value)):
                    raise _Fault(f'"{name}={value}" specifies an invalid hostname')
                entry.server_name = value
            case "match":
                self.take_match(name, self.need_value(name, value))
            case "tafile":
                self.take_anchors(name, value)
            case "connection_reuse":
                entry.reuse = self.read_flag(name, value)
            case "enable_rpk":
                entry.rpk = self.read_flag(name, value)
            case "policy_string":
                self.strings.append(value)
            case "mx_host_pattern":
                self.mx_patterns.append(value)
            case "policy_ttl" | "policy_type" | "policy_domain" | "policy_failure":
                self.facts[key] = self.check_fact(key, name, self.need_once(key, name, value))
            case _:
                raise _Fault(f'invalid attribute name: "{name}"')

    def take_match(self, name: str, value: str) -> None:
        """`match=`: names at verify and secure, digests at fingerprint."""
        level = self.entry.level
        if level is not TlsLevel.FINGERPRINT and not level.uses_authorities:
            raise _Fault(f'attribute "{name}" invalid at security level "{level.word}"')
        separator = "|" if level is TlsLevel.FINGERPRINT else ":"
        self.entry.match += (part for part in value.split(separator) if part)

    def take_anchors(self, name: str, value: str) -> None:
        """`tafile=`."""
        level = self.entry.level
        if not level.uses_authorities:
            raise _Fault(f'attribute "{name}" invalid at security level "{level.word}"')
        records = read_trust_file(self.need_value(name, value))
        if isinstance(records, BadTrustFile):
            raise _Fault(records.text)
        self.entry.anchors += records

    def check_fact(self, key: str, name: str, value: str) -> str:
        """What an outside policy says of itself."""
        if key == "policy_ttl" and not (value.isascii() and value.isdigit() and len(value) < 12):
            raise _Fault(f'attribute "{name}" has a malformed value: "{value}"')
        if key == "policy_domain" and not is_valid_hostname(value):
            raise _Fault(f'attribute "{name}" has a malformed value: "{value}"')
        known = {"policy_type": POLICY_TYPES, "policy_failure": FAILURES}.get(key)
        if known is not None and value.lower() not in known:
            raise _Fault(f'attribute "{name}" has an unexpected value: "{value}"')
        return value

    def finish(self) -> Entry:
        """What can only be said when all is read."""
        facts = self.facts
        if "policy_type" in facts:
            self.entry.external = External(
                type=facts["policy_type"].lower(),
                domain=facts.get("policy_domain", ""),
                ttl_seconds=int(facts.get("policy_ttl", "-1")),
                strings=tuple(self.strings),
                mx_patterns=tuple(self.mx_patterns),
                failure=facts.get("policy_failure", ""),
            )
        elif facts or self.strings or self.mx_patterns:
            raise _Fault(
                "built-in policy has unexpected attribute policy_ttl, policy_domain, policy_string, mx_host_pattern"
                " or policy_failure"
            )
        return self.entry

    def need_once(self, key: str, name: str, value: str) -> str:
        """An attribute that may stand there once."""
        if key in self.once:
            raise _Fault(f'attribute "{name}" is specified multiple times')
        self.once.add(key)
        return value

    def need_value(self, name: str, value: str) -> str:
        """An attribute that is nothing without a value."""
        if not value:
            raise _Fault(f'attribute "{name}" has empty value')
        return value

    def read_flag(self, name: str, value: str) -> bool:
        """yes or no."""
        flag = _YES_NO.get(value.lower())
        if flag is None:
            raise _Fault(f'attribute "{name}" has bad value: "{value}"')
        return flag
