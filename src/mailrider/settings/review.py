"""A second look at what was set: names that nobody knows, names that nobody uses, names of the past, each with a remedy.

`review` says nothing about values: see `Settings.problems` for those that are wrong.  A name is *known* if it is declared here,
if it belongs to another program of Postfix 3.7 (`other_programs.txt`), or if it is made of the name of a service or table
(`relay_destination_recipient_limit`, `uucp_time_limit`, `ldapsource_server_host`).  A name of the operator's own is *used* if
some value refers to it, in main.cf or in master.cf, or if `smtpd_restriction_classes` lists it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.settings.expansion import find_references
from mailrider.settings.kinds import split_words
from mailrider.settings.maincf import Entry
from mailrider.settings.mastercf import parse_orders
from mailrider.settings.settings import Settings

OTHER_PROGRAMS = "other_programs.txt"
"""The names that `postconf -d` of Postfix 3.7.11 knows and the catalogue does not."""

_SERVICE_PARAMETERS = (
    "_time_limit", "_max_idle", "_min_deadline", "_destination_recipient_limit", "_destination_concurrency_limit",
)  # fmt: skip
_OLD_TABLE = re.compile(r"(?:proxy:)?(?:ldap|mysql|pgsql|sqlite|memcache):([A-Za-z0-9_]+)")


class Review(NamedTuple):
    """`errors`: what keeps a service from being used.  `doubts`: what works and should be looked at.

    `others`: names that belong to other programs, which is no fault.
    """

    errors: tuple[str, ...]
    doubts: tuple[str, ...]
    others: tuple[str, ...]


def review(settings: Settings) -> Review:
    """Look through main.cf, the options and the delivery agents of master.cf."""
    errors = list(settings.problems())
    doubts = [*settings.warnings, *settings.obsolete()]
    idle = dict.fromkeys(settings.not_in_effect())
    own: dict[str, Mapping[str, Entry]] = {}
    for service in settings.services.services.values():
        if service.transport is None:
            continue
        try:
            own[service.name] = parse_orders(service).overrides
        except WrongConfiguration as fault:
            errors.append(str(fault))
            continue
        reading = settings.for_service(service.name, service.transport)
        errors += [problem for problem in reading.problems() if problem not in errors]
        doubts += [*reading.warnings, *reading.obsolete()]
        idle.update(dict.fromkeys(reading.not_in_effect()))
    doubts += [f"{name} is not in effect yet" for name in idle]
    doubts += _doubt_names(settings, own)
    others = sorted(name for name in settings.entries if Settings.find(name) is None and _is_known(name, settings))
    return Review(tuple(errors), tuple(dict.fromkeys(doubts)), tuple(others))


def list_warnings(readings: Sequence[Settings]) -> list[str]:
    """What a start says of settings, read for one service or several: nothing that was set is ignored in silence."""
    warnings = dict.fromkeys(text for reading in readings for text in (*reading.warnings, *reading.obsolete()))
    idle = dict.fromkeys(name for reading in readings for name in reading.not_in_effect())
    return [*warnings, *([f"set and not in effect yet: {', '.join(idle)}"] if idle else [])]


@functools.cache
def other_programs() -> frozenset[str]:
    """The parameters of Postfix 3.7 that are not in the catalogue."""
    from pathlib import Path

    return frozenset(Path(__file__).with_name(OTHER_PROGRAMS).read_text("utf-8").split())


def _doubt_names(settings: Settings, own: Mapping[str, Mapping[str, Entry]]) -> Iterator[str]:
    """Names that nobody knows or uses, and references to what nobody has set."""
    everything = [*settings.entries.values(), *(entry for overrides in own.values() for entry in overrides.values())]
    used = {name: entry for entry in reversed(everything) for name in find_references(entry.value)}
    classes = set(split_words(settings.text("smtpd_restriction_classes")))
    for entry in everything:
        name = entry.name
        if Settings.find(name) is None and name not in used and name not in classes and not _is_known(name, settings):
            similar = Settings.find_similar(name)
            remedy = f"did you mean {similar}?" if similar else f"remove it, or refer to it as ${name}"
            yield f"{entry.place}: {name} is unknown and nothing uses it; {remedy}"
    defined = {entry.name for entry in everything}
    for name, entry in used.items():
        if name not in defined and Settings.find(name) is None and not _is_known(name, settings):
            similar = Settings.find_similar(name)
            remedy = f"did you mean ${similar}?" if similar else f"set {name}, or write $$ for a dollar sign"
            yield f"{entry.place}: {entry.name} refers to ${name}, which is not set; {remedy}"


def _is_known(name: str, settings: Settings) -> bool:
    if name in other_programs() or name.endswith(_SERVICE_PARAMETERS):
        return True
    return any(
        name.startswith(match[1] + "_") for entry in settings.entries.values() for match in _OLD_TABLE.finditer(entry.value)
    )
