"""From a directory and `-o` options to settings.

main.cf says what holds for every service; master.cf beside it, if there is one, what holds for one
(`Settings.for_service`).  Options win over both.

What can go wrong: see `maincf` for the file; `WrongUsage` for an option that no parameter and no reference could make use of;
`WrongConfiguration` for a value that its parameter does not accept, whether or not that parameter is in effect.
Names in main.cf that belong to other programs are no error: daemons ignore what they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.settings.expansion import find_references
from mailrider.settings.maincf import Entry, MainCf, parse_override, read_main_cf
from mailrider.settings.mastercf import NO_SERVICES, MasterCf, read_master_cf
from mailrider.settings.settings import Settings
from mailrider.settings.texts import HostFacts

if TYPE_CHECKING:
    from pathlib import Path

MAIN_CF = "main.cf"
MASTER_CF = "master.cf"
DIRECTORY_VARIABLE = "MAIL_CONFIG"
USUAL_DIRECTORY = "/etc/mailrider"

OVERRIDES_LIMIT = 1000
"""More `-o` than a command line holds."""


def load_settings(
    directory: Path | None,
    overrides: Sequence[str] = (),
    *,
    host: HostFacts,
    transport: Transport = Transport.SMTP,
    checked: bool = True,
    services: bool = True,
    read: Callable[[Path], MainCf] = read_main_cf,
) -> Settings:
    """Read `directory`/main.cf, put `overrides` (each `name=value`) over it, and check the result.

    Without a directory there are only defaults and overrides.  Of several overrides of one name the last wins.
    `checked=False` leaves wrong values to be found at their first use, for commands that only show them; with
    `services=False` master.cf is not read.
    """
    main_cf = read(directory / MAIN_CF) if directory is not None else MainCf({})
    master_cf = find_services(directory) if services else NO_SERVICES
    if len(overrides) > OVERRIDES_LIMIT:
        raise WrongUsage(f"more than {OVERRIDES_LIMIT} -o options")
    options = {entry.name: entry for entry in map(parse_override, overrides)}
    entries = {**main_cf.entries, **options}
    _refuse_useless(options, entries)
    settings = Settings(
        entries,
        host,
        transport=transport,
        directory=str(directory) if directory is not None else "",
        warnings=main_cf.warnings + master_cf.warnings,
        services=master_cf,
    )
    if checked:
        settings.check()
    return settings


def find_services(directory: Path | None) -> MasterCf:
    """What master.cf says; a directory without one has no services of its own."""
    if directory is None or not (directory / MASTER_CF).exists():
        return NO_SERVICES
    return read_master_cf(directory / MASTER_CF)


def choose_directory(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration directory: what was named, else `$MAIL_CONFIG`, else /etc/mailrider if it has a main.cf, else none."""
    from pathlib import Path

    if explicit is not None:
        return explicit
    if environment.get(DIRECTORY_VARIABLE):
        return Path(environment[DIRECTORY_VARIABLE])
    usual = Path(USUAL_DIRECTORY)
    return usual if (usual / MAIN_CF).exists() else None


def _refuse_useless(options: Mapping[str, Entry], entries: Mapping[str, Entry]) -> None:
    """An option is of use if its name is declared, or if some value refers to it."""
    unknown = [name for name in options if Settings.find(name) is None]
    if not unknown:
        return
    used: set[str] = set()
    for entry in entries.values():
        used.update(find_references(entry.value))
    for parameter in Settings.declared.values():
        used.update(find_references(parameter.default))
    for name in unknown:
        if name not in used:
            similar = Settings.find_similar(name)
            remedy = f"did you mean {similar}?" if similar else f"no value refers to ${name} either"
            raise WrongUsage(f"-o {name}: no such parameter; {remedy}")
