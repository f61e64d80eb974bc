"""`mailrider config`: show and check settings, in the manner of postconf(1).

Values are shown as they were written, one `name = value` a line and with each run of blanks as one blank, as postconf
does; `--json` shows them exactly.  Settings are not checked before they are shown, so that a wrong one can be looked at;
`mailrider config check` names every wrong one, tries what a start would open (`config_trial`), and ends with exit code 78.

What differs from postconf(1): names of other programs (`smtpd_...`) are shown only where they were set, and it is
`check` that complains about names that nobody knows or uses, with remedies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Any

import click

from mailrider.cli.options import common_options
from mailrider.errors import MailriderError, WrongConfiguration, WrongUsage
from mailrider.machine import choose_configuration, read_settings_unchecked
from mailrider.model.printable import make_printable
from mailrider.settings import Settings

CHECK = "check"
INIT = "init"
"""These NAMEs are actions; no parameter is called so."""


@click.command("config", context_settings={"help_option_names": ["--help"]})
@common_options
@click.option("-n", "only_set", is_flag=True, help="Only what was set, in main.cf or with -o.")
@click.option("-d", "defaults", is_flag=True, help="Defaults instead of what was set.")
@click.option("-x", "expanded", is_flag=True, help="Expand $name in values.")
@click.option("-h", "bare", is_flag=True, help="Values without names.")
@click.option("--service", "service", metavar="NAME", help="As it holds for this delivery agent of master.cf.")
@click.option("--status", "status", is_flag=True, help="Count the parameters that are in effect.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.argument("names", nargs=-1, metavar="[check | init DIR | NAME...]")
def config(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    *,
    only_set: bool,
    defaults: bool,
    expanded: bool,
    bare: bool,
    service: str | None,
    status: bool,
    as_json: bool,
    names: tuple[str, ...],
) -> None:
    """Show settings, or check them.

    Without NAME: all parameters, sorted.  `mailrider config check` checks every value that was set, opens every table and
    certificate, and looks for names that nobody knows or uses.  `mailrider config init DIR` writes a main.cf to start from.
    """
    if only_set + defaults + status > 1:
        raise WrongUsage("specify one of -n, -d and --status")
    if status:
        _print_status(as_json)
        return
    if names[:1] == (INIT,):
        _init(names)
        return
    if names[:1] == (CHECK,):
        if len(names) > 1 or service is not None:
            raise WrongUsage("config check looks at everything: give it no names and no --service")
        _check(directory, overrides, as_json)
        return
    settings = _read(directory, overrides, services=service is not None)
    if service is not None:
        settings = _read_for_service(settings, service)
    _warn(settings.warnings)
    if defaults:
        settings = Settings({}, settings.host, directory=settings.directory)
    shown = _choose(settings, names, only_set)
    values = {name: settings.text(name) if expanded else settings.raw_text(name) or "" for name in shown}
    if as_json:
        _print_json({name: _describe(settings, name, value) for name, value in values.items()})
    else:
        _print_lines(values, bare)


def _read(directory: Path | None, overrides: tuple[str, ...], *, services: bool) -> Settings:
    return read_settings_unchecked(choose_configuration(directory), overrides, services=services)


def _read_for_service(settings: Settings, service: str) -> Settings:
    """What holds for a delivery agent of master.cf."""
    found = settings.services.delivery_agent(service)
    if found is None or found.transport is None:
        raise WrongUsage(f"no delivery agent {service} in {_tell_agents(settings)}")
    return settings.for_service(service, found.transport)


def _tell_agents(settings: Settings) -> str:
    """Which master.cf was read, and the delivery agents in it."""
    agents = sorted(agent.name for agent in settings.services.services.values() if agent.transport is not None)
    return f"{settings.directory or '.'}/master.cf" + (f"; there are {', '.join(agents)}" if agents else ", or no such file")


def _choose(settings: Settings, names: tuple[str, ...], only_set: bool) -> list[str]:
    """The names to show: those asked for and known, else all."""
    known = [name for name in settings.entries if settings.is_set(name)]
    if settings.directory:
        known.append("config_directory")  # said on the command line or in the environment
    if not only_set:
        known += Settings.listed_names()
    if not names:
        return sorted(set(known))
    _warn(_tell_unknown(name) for name in names if settings.raw_text(name) is None)
    return [name for name in names if (name in known if only_set else settings.raw_text(name) is not None)]


def _tell_unknown(name: str) -> str:
    similar = Settings.find_similar(name)
    return f"{name}: unknown parameter" + (f"; did you mean {similar}?" if similar else "")


def _print_lines(values: dict[str, str], bare: bool) -> None:
    for name, value in values.items():
        line = value if bare else f"{name} = {value}"
        click.echo(re.sub(r"[ \t\r\n]+", " ", line).strip(" ").encode("utf-8", "surrogateescape"))


def _describe(settings: Settings, name: str, value: str) -> dict[str, Any]:
    """One name with what is known of it, for `--json`."""
    told: dict[str, Any] = {"value": value, "set": settings.is_set(name)}
    if settings.is_set(name):
        told["place"] = settings.entries[name].place
    parameter = Settings.find(name)
    if parameter is not None:
        told |= {
            "default": settings.default_text(name),
            "kind": parameter.kind,
            "section": parameter.section,
            "in_effect": parameter.in_effect,
            "obsolete": bool(parameter.obsolete),
            "since": parameter.since,
            "doc": parameter.doc,
        }
    return told


def _print_json(value: object) -> None:
    # ASCII only, so that what is no UTF-8 in a value gets through as an escape.
    click.echo(json.dumps(value, indent=2))


def _print_status(as_json: bool) -> None:
    """How many parameters of each section are in effect."""
    rows = []
    for section in Settings.sections():
        parameters = section.declared.values()
        effective = [parameter.name for parameter in parameters if parameter.in_effect]
        waiting = [parameter.name for parameter in parameters if not parameter.in_effect]
        rows.append((section.title, effective, waiting))
    if as_json:
        _print_json({title: {"in_effect": effective, "not_in_effect": waiting} for title, effective, waiting in rows})
        return
    total = ("all", [n for row in rows for n in row[1]], [n for row in rows for n in row[2]])
    width = max(len(row[0]) for row in rows)
    click.echo(f"{'section':<{width}}  in effect  declared")
    for title, effective, waiting in [*rows, total]:
        click.echo(f"{title:<{width}}  {len(effective):9}  {len(effective) + len(waiting):8}")


def _check(directory: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say everything that is wrong or doubtful; raises `WrongConfiguration` for the last wrong value."""
    from mailrider.cli.config_trial import try_out
    from mailrider.settings.review import review

    try:
        settings = _read(directory, overrides, services=True)
    except MailriderError as fault:
        if as_json:
            _print_json({"errors": [str(fault)], "warnings": [], "other_programs": []})
        raise
    errors, doubts, others = review(settings)
    tried = try_out(settings)
    errors += tuple(fault for fault in tried.errors if fault not in errors)
    doubts += tuple(doubt for doubt in tried.doubts if doubt not in doubts)
    if as_json:
        _print_json({"errors": errors, "warnings": doubts, "other_programs": others})
    else:
        _warn(doubts)
    if errors:
        for problem in errors[:-1]:
            click.echo(f"mailrider: {problem}", err=True)
        raise WrongConfiguration(errors[-1])
    if not as_json:
        elsewhere = f" ({len(others)} for other programs)" if others else ""
        click.echo(f"{_count(settings.entries, 'parameter')} set{elsewhere}, no errors, {_count(doubts, 'warning')}")


def _count(things: Sized, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _init(names: tuple[str, ...]) -> None:
    from mailrider.cli.config_init import write_main_cf

    if len(names) != 2 or not names[1]:
        raise WrongUsage("config init needs one directory")
    click.echo(f"{write_main_cf(Path(names[1]))} is written; look it through, then run: mailrider config -c {names[1]} check")


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(f"warning: {make_printable(sentence)}", err=True)
