"""MTA-STS in words (RFC 8461): the record that announces a policy, and the policy's text.

Both come from strangers.  Reading never raises: what is no policy comes back as a sentence that says why.  A policy that breaks
the grammar in one line is no policy at all, because that line may have been the one that mattered; fields that nobody knows are
passed over, as the grammar wants, and of a field that stands there twice the first one counts (`mx` is there to be repeated).

Names of fields and modes are read in any case, `STSv1` only as it is written here.  An age beyond a year counts as a year.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import NamedTuple

from mailrider.model.printable import make_printable
from mailrider.resolver.hostname import is_valid_hostname

POLICY_LIMIT_OCTETS = 64 * 1024
"""RFC 8461 §3.3 suggests this bound."""

MAX_AGE_LIMIT_SECONDS = 31_557_600
"""A year (RFC 8461 §3.2)."""

PATTERNS_LIMIT = 1000
"""The largest mail hosts name ten; each pattern is compared with each server."""

_RECORD_BEGINNING = re.compile(r"v=STSv1[ \t]*;")
_RECORD = re.compile(
    r"v=STSv1(?:[ \t]*;[ \t]*[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+)+[ \t]*;?[ \t]*", re.ASCII
)  # fmt: skip
_RECORD_ID = re.compile(r";[ \t]*id=([A-Za-z0-9]{1,32})(?=[ \t]*(?:;|\Z))", re.ASCII)
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_AGE = re.compile(r"[0-9]{1,10}", re.ASCII)

SHOWN_CHARACTERS = 60


class Mode(enum.Enum):
    """What a policy is for."""

    ENFORCE = "enforce"
    """Mail goes to servers that prove themselves, or nowhere."""
    TESTING = "testing"
    """Mail goes as if there were no policy; reports tell what would have gone wrong."""
    NONE = "none"
    """There is no policy any more."""


class StsPolicy(NamedTuple):
    """A policy.  `mx` are host names in lower case, `*.` in front stands for one label; `max_age_seconds` from its fetching."""

    mode: Mode
    mx: tuple[str, ...]
    max_age_seconds: int


def find_policy_id(records: Sequence[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.<domain>`; None where nothing is announced (RFC 8461 §3.1).

    Records for something else are passed over; two that are meant, or one that is garbled, announce nothing.
    """
    meant = [record for record in records if _RECORD_BEGINNING.match(record)]
    if len(meant) != 1 or not _RECORD.fullmatch(meant[0]):
        return None
    found = _RECORD_ID.search(meant[0])
    return found.group(1) if found else None


def parse_policy(octets: bytes) -> StsPolicy | str:
    """Read a policy; as text, what is wrong with it (RFC 8461 §3.2)."""
    if len(octets) > POLICY_LIMIT_OCTETS:
        return f"it has more than {POLICY_LIMIT_OCTETS} octets"
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return "it is not UTF-8"
    if _CONTROL.search(text):
        return "it contains control characters"
    fields: dict[str, str] = {}
    mx: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue  # the grammar has no empty lines, but files end with them
        found = _FIELD.fullmatch(line)
        if found is None:
            return f'it has a line that is no field: "{_show(line)}"'
        name, value = found.group(1).lower(), found.group(2)
        if name == "mx":
            mx.append(value.lower())
        else:
            fields.setdefault(name, value)
    return _conclude(fields, mx)


def _conclude(fields: dict[str, str], mx: list[str]) -> StsPolicy | str:
    """The policy of these fields; as text, which of them is wrong."""
    if fields.get("version") != "STSv1":
        return "it is not of version STSv1"
    try:
        mode = Mode(fields.get("mode", "").lower())
    except ValueError:
        return f'it has no mode that is known: "{_show(fields.get("mode", ""))}"'
    age = fields.get("max_age", "")
    if not _MAX_AGE.fullmatch(age):
        return f'it has no max_age that is a number: "{_show(age)}"'
    for pattern in mx:
        if not is_valid_hostname(pattern.removeprefix("*.")):
            return f'it has an mx that is no host name: "{_show(pattern)}"'
    if not mx and mode is not Mode.NONE:
        return "it names no mx"
    if len(mx) > PATTERNS_LIMIT:
        return f"it names more than {PATTERNS_LIMIT} mx"
    return StsPolicy(mode, tuple(dict.fromkeys(mx)), min(int(age), MAX_AGE_LIMIT_SECONDS))


def _show(text: str) -> str:
    shown = make_printable(text)
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "..."
