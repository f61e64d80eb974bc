"""What `mailrider agent check` says of tables: those that cannot be opened, and those that proxymap(8) does not serve.

Only the tables that smtp(8) opens are looked at.  They are opened as an agent does, before it gives up its privileges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mailrider.cli.postconf import ask_postconf
from mailrider.errors import WrongConfiguration
from mailrider.postfix.installation import Installation
from mailrider.settings import Settings
from mailrider.settings.kinds import Tables
from mailrider.tables.braces import split_members
from mailrider.tables.maps import open_maps
from mailrider.tables.opening import PROXY_PREFIX

_OURS: Final = ("smtp_", "lmtp_")
_SEPARATORS: Final = re.compile(r"[\s,]+")


class TableRemark(NamedTuple):
    """`weight` is that of `agent_check.Remark`; `name` is the parameter."""

    weight: str
    name: str
    text: str


def check_tables(settings: Settings, directory: Path, installation: Installation) -> Iterator[TableRemark]:
    """One remark for each table with which mail would have to wait."""
    proxied: list[tuple[str, str]] = []
    for name in settings.entries:
        if not name.startswith(_OURS) or not isinstance(Settings.find(name), Tables):
            continue
        try:
            members = split_members(settings.text(name))
        except WrongConfiguration as fault:
            yield TableRemark("error", name, f"{name}: {fault}")
            continue
        for member in members:
            if member.startswith(PROXY_PREFIX):
                proxied.append((name, _bare(member)))
            else:
                yield from _try(settings, name, member)
    yield from _check_proxied(settings, directory, installation, proxied)


def _try(settings: Settings, name: str, member: str) -> Iterator[TableRemark]:
    try:
        open_maps(name, member, find_parameter=settings.find_text)
    except WrongConfiguration as fault:
        if settings.daemon_table_open_error_is_fatal:
            yield TableRemark("error", name, str(fault))
        else:
            yield TableRemark("differs", name, f"{fault}. Mail that needs the table is deferred, as by smtp(8)")


def _check_proxied(
    settings: Settings, directory: Path, installation: Installation, proxied: list[tuple[str, str]]
) -> Iterator[TableRemark]:
    if not proxied:
        return
    if not has_service(settings, installation.proxymap_service):
        names = ", ".join(dict.fromkeys(name for name, _ in proxied))
        text = f"{names}: master.cf has no service {installation.proxymap_service}; mail that needs a proxy: table is deferred"
        yield TableRemark("differs", proxied[0][0], text)
    served = read_served(settings, directory)
    for name, table in proxied:
        if served is not None and table not in served and not any(letter in table for letter in "{} "):
            yield TableRemark(
                "differs", name,
                f"{name}: proxymap(8) does not serve {table}, and mail that needs it is deferred, as by smtp(8): "
                f"list proxy:{table} in proxy_read_maps",
            )  # fmt: skip


def has_service(settings: Settings, name: str) -> bool:
    """Whether master.cf has a service of this name."""
    return any(service.name == name for service in settings.services.services.values())


def read_served(settings: Settings, directory: Path) -> frozenset[str] | None:
    """The tables that `proxy_read_maps` has; None where Postfix cannot be asked for it."""
    told = ask_postconf(settings, directory, "-x", "-h", "proxy_read_maps")
    if told is None:
        return None
    words = _SEPARATORS.split(told)
    return frozenset(_bare(word) for word in words if word.startswith(PROXY_PREFIX))


def _bare(member: str) -> str:
    while member.startswith(PROXY_PREFIX):
        member = member[len(PROXY_PREFIX) :]
    return member
