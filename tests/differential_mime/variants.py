"""Ways of delivering a message: each is a service of the private Postfix and a `Fitting`, which must mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from mailrider.content.fit import Fitting
from mailrider.content.generic import Extensions, Generic
from mailrider.content.mime import Limits
from mailrider.content.prepend import make_delivery_fields
from mailrider.content.whole_address import Completion

SENDER = "s@origin.test"

Rules = tuple[tuple[str, str], ...]

_HEADER_RULES: Rules = (
    ("^X-Remove:", "IGNORE"),
    ("^X-Strip:", "STRIP gone"),
    ("^X-Replace:", "REPLACE X-Replaced: new"),
    ("^X-Multi: (.*)$", "REPLACE X-Multi: [$1]"),
    ("^X-Prepend:", "PREPEND X-Before: yes"),
    ("^X-Warn:", "WARN look"),
    ("^X-Folded:", "OK"),
    ("^X-Nul:", "WARN"),
    ("^Subject:", "INFO noted"),
    ("^X-Bad:", "REJECT no"),
    ("^X-Empty:", "REPLACE"),
    ("^X-NoHeader:", "PREPEND no header"),
    ("^X-Lower:", "replace   X-Lower: became"),
    ("^X-Long:.*remove", "DISCARD"),
    ("^Content-Transfer-Encoding: quoted", "PREPEND X-Made: encoding"),
    ("^Reply-To:", "REPLACE From: u1@example.test"),
    ("^Resent-From:", "REPLACE X: u1@example.test"),
    ("^Sender:", "PREPEND To: u1@example.test"),
    ("^Return-Path:", "INFO returns"),
    ("^Delivered-To:", "DUNNO why not"),
)  # fmt: skip

_MIME_HEADER_RULES: Rules = (
    ("^Content-Disposition:", "IGNORE"),
    ("^Content-Type: text", "PREPEND X-Mime: text"),
    ("^MIME-Version:", "REPLACE MIME-Version: 1.0 (checked)"),
    ("^X-Remove:", "STRIP"),
    ("^Content-Description: (.*)", "REPLACE Content-Description: gr\udcfcn $1"),
    ("^From:", "REPLACE X-Part-From: u1@example.test"),
)

_NESTED_HEADER_RULES: Rules = (
    ("^Subject:", "REPLACE Subject: nested"),
    ("^X-Remove:", "IGNORE"),
    ("^Content-Transfer-Encoding:", "WARN made"),
    ("^To:", "FILTER x:y"),
)

_BODY_RULES: Rules = (
    ("^remove me$", "IGNORE"),
    ("^remove me remove", "STRIP long one"),
    ("^replace me", "REPLACE replaced = \udcfc ="),
    ("^prepend me", "PREPEND .before"),
    ("^=20", "WARN body"),
    ("^From ", "REPLACE >From you"),
    ("llllllllllll", "REPLACE . short"),
    ("^plain (text)", "REPLACE $1 plain"),
    ("^=3D", "INFO"),
    ("^a.b", "HOLD it"),
)

_ADDRESSES = {
    "user@origin.test": "@company.test",
    "user": "local-user@company.test",
    "s@origin.test": "sender+x@company.test",
    "u1@example.test": "one@company.test",
    "u2+e@example.test": "two@company.test",
    "@all.test": "@every.company.test",
    '"john doe"@example.test': '"jane doe"@company.test',
    "two@results.test": "a@company.test, b@company.test",
    "nul@results.test": "<>",
    "route@results.test": "<@x.test,@y.test:routed@company.test>",
    "plain@results.test": "plainuser",
    "phrase@results.test": "Some Phrase <ph@company.test>",
    "dotless@results.test": "user@hostonly",
    "bang@results.test": "host!user",
    "percent@results.test": "user%host.test",
    "trail@results.test": "user@company.test.",
    "quoted@results.test": '"a b"@company.test',
    "odd@results.test": "<a b@company.test>",
    "postmaster": "pm@company.test",
}

_PATTERN_ADDRESSES: Rules = (("^bare.x$", "pattern@company.test"), ("^any.one@", "never@partial.test"))

FILES = {
    "header_rules": "".join(f"/{pattern}/ {action}\n" for pattern, action in _HEADER_RULES),
    "mime_rules": "".join(f"/{pattern}/ {action}\n" for pattern, action in _MIME_HEADER_RULES),
    "nested_rules": "".join(f"/{pattern}/ {action}\n" for pattern, action in _NESTED_HEADER_RULES),
    "body_rules": "".join(f"/{pattern}/ {action}\n" for pattern, action in _BODY_RULES),
    "addresses": "".join(f"{key} {value}\n" for key, value in _ADDRESSES.items()),
    "patterns": "".join(f"/{pattern}/ {value}\n" for pattern, value in _PATTERN_ADDRESSES),
}


def _table_of(rules: Rules) -> Callable[[str], str | None]:
    """What regexp_table(5) does, with patterns that mean the same in both worlds."""
    compiled = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), action) for pattern, action in rules]

    def find(key: str) -> str | None:
        for pattern, action in compiled:
            if match := pattern.search(_octets(key)):
                group = _text(match[1]) if pattern.groups else ""
                return action.replace("$1", group)
        return None

    return find


def _octets(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _text(octets: str) -> str:
    return octets.encode("latin-1").decode("utf-8", "surrogateescape")


class _Addresses:
    """`texthash:` in front of `regexp:`."""

    _patterns = staticmethod(_table_of(_PATTERN_ADDRESSES))

    def find(self, key: str, *, partial: bool = False) -> str | None:
        lower = "".join([letter.lower() if letter.isascii() else letter for letter in key])
        return _ADDRESSES.get(lower) or (None if partial else self._patterns(key))


def _rewrite(*, propagate: bool) -> Callable[[str], str | None]:
    return Generic(
        _Addresses(),
        Extensions("+", propagate),
        Completion("origin.test", ""),
        lambda domain: domain.lower() in ("origin.test", "local.test", "[127.0.0.1]"),
    ).rewrite


_ALL_CHECKS = (
    " -o smtp_header_checks=regexp:{etc}/header_rules -o smtp_mime_header_checks=regexp:{etc}/mime_rules"
    " -o smtp_nested_header_checks=regexp:{etc}/nested_rules -o smtp_body_checks=regexp:{etc}/body_rules"
)
_CHECKED = Fitting(
    header_checks=_table_of(_HEADER_RULES),
    mime_header_checks=_table_of(_MIME_HEADER_RULES),
    nested_header_checks=_table_of(_NESTED_HEADER_RULES),
    body_checks=_table_of(_BODY_RULES),
)
_GENERIC = " -o smtp_generic_maps=texthash:{etc}/addresses,regexp:{etc}/patterns"


@dataclass(frozen=True)
class Variant:
    """`options` is what follows `smtp` in master.cf.  `seven_bit`: the server has no 8BITMIME."""

    name: str
    options: str
    fitting: Fitting
    flags: str = ""

    @property
    def seven_bit(self) -> bool:
        return self.fitting.downgrade

    @property
    def domain(self) -> str:
        return f"{self.name}.test"

    @property
    def service(self) -> str:
        flags = f" flags={self.flags}" if self.flags else ""
        return f"smtp{self.options} -o syslog_name=postfix/{self.name}{flags}"

    def fitting_for(self, recipient: str, record_limit: int) -> Fitting:
        """What is to be done to a message for this recipient."""
        fields = make_delivery_fields(
            self.flags, sender=SENDER, original=recipient, recipient=recipient, rewrite=self.fitting.generic
        )
        return replace(self.fitting, prepend=fields, limits=self.fitting.limits._replace(record_limit_octets=record_limit))


RAW = Variant("raw", " -o smtp_line_length_limit=0", Fitting(line_limit_octets=0))
"""What smtp(8) finds in the queue file, as it is."""

VARIANTS = (
    Variant("seven", "", Fitting(downgrade=True)),
    Variant("free", " -o smtp_line_length_limit=0", Fitting(downgrade=True, line_limit_octets=0)),
    Variant(
        "tight",
        " -o smtp_line_length_limit=60 -o mime_nesting_limit=1 -o mime_boundary_length_limit=3 -o header_size_limit=120",
        Fitting(downgrade=True, line_limit_octets=60, limits=Limits(1, 3, 120)),
    ),
    Variant("fields", " -o smtp_line_length_limit=0 -o smtp_nested_header_checks=regexp:{etc}/nested_rules",
            Fitting(line_limit_octets=0, nested_header_checks=_table_of(_NESTED_HEADER_RULES))),
    Variant("bodies", " -o smtp_line_length_limit=0 -o smtp_body_checks=regexp:{etc}/body_rules",
            Fitting(downgrade=True, line_limit_octets=0, body_checks=_table_of(_BODY_RULES))),
    Variant("checks", _ALL_CHECKS, _CHECKED),
    Variant("generic", _GENERIC, Fitting(generic=_rewrite(propagate=False))),
    Variant(
        "everything",
        _ALL_CHECKS + _GENERIC + " -o propagate_unmatched_extensions=generic -o smtp_line_length_limit=0",
        replace(_CHECKED, downgrade=True, line_limit_octets=0, generic=_rewrite(propagate=True)),
        flags="DORX",
    ),
)  # fmt: skip
