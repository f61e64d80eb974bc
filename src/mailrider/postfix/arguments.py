"""The command line that master(8) makes: its own options, then the words of master.cf.

`smtp unix - - n - 1 mailrider agent --transport smtp -o smtp_bind_address=192.0.2.1` in master.cf becomes
`mailrider -l -n smtp -t unix -u agent --transport smtp -o ...`.  Both halves are read by the rules of getopt(3), since `-c`
means a chroot here and nothing else.

What can go wrong: `WrongUsage` for an option or a word that smtp(8) would not take either.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.settings.mastercf import DELIVERY_FLAGS

STATUS_CHANNEL: Final = 5
"""The descriptor on which master(8) hears from its children."""

FIRST_LISTENER: Final = 6
GENERATION_VARIABLE: Final = "GENERATION"
COMMAND: Final = "agent"

LISTENERS_LIMIT: Final = 100
"""master(8) opens one for each address of `inet_interfaces`; every number is looked at as a descriptor."""

WORKERS_LIMIT: Final = 64
"""More than the processors of any host that mail is sent from: each is a process, and stays."""

_WITH_VALUE = "imnorst"
_WITHOUT_VALUE = "cdDlSuvVz"
_LONG = ("--transport", "--workers", "--most-at-once", "--syslog")


class MasterOrders(NamedTuple):
    """What master(8) and master.cf want.  `workers` 0 and an empty `syslog` leave it to the default."""

    service: str
    transport: Transport
    overrides: tuple[str, ...] = ()
    flags: str = ""
    listeners: int = 1
    unprivileged: bool = False
    chroot: bool = False
    verbose: int = 0
    idle_seconds: str = ""
    uses_limit: str = ""
    workers: int = 0
    most_at_once: int = 0
    syslog: str = ""


def is_run_by_master(environment: Mapping[str, str]) -> bool:
    """Whether this process is a child of master(8): it says which generation it is of, and there is a status channel."""
    if not environment.get(GENERATION_VARIABLE, "").isdigit():
        return False
    try:
        return stat.S_ISSOCK(os.fstat(STATUS_CHANNEL).st_mode)
    except OSError:
        return False


def parse_master_orders(program: str, arguments: Sequence[str]) -> MasterOrders:
    """Read a command line; `program` is the name under which we were started."""
    options: dict[str, list[str]] = {}
    words: list[str] = []
    for name, value in _split(arguments):
        if name:
            options.setdefault(name, []).append(value)
        else:
            words.append(value)
    if words[:1] == [COMMAND]:
        del words[0]
    if options.get("t", ["unix"])[-1] not in ("unix", "pass"):
        raise WrongUsage(f"master.cf: a delivery agent is of type unix, not {options['t'][-1][:20]}")
    transport = _choose_transport(options.get("transport", [""])[-1], program, options.get("n", [""])[-1])
    return MasterOrders(
        service=options.get("n", [transport.value])[-1],
        transport=transport,
        overrides=tuple(options.get("o", ())),
        flags=_parse_flags(words),
        listeners=_parse_number(options, "s", 1, LISTENERS_LIMIT),
        unprivileged="u" in options,
        chroot="c" in options,
        verbose=len(options.get("v", ())),
        idle_seconds=options.get("i", [""])[-1],
        uses_limit=options.get("m", [""])[-1],
        workers=_parse_number(options, "workers", 0, WORKERS_LIMIT),
        most_at_once=_parse_number(options, "most-at-once", 0, 1_000_000),
        syslog=options.get("syslog", [""])[-1],
    )


def _split(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options by name with their values, and words under the empty name."""
    following = iter(arguments)
    for argument in following:
        if argument.startswith("--") and len(argument) > 2:
            name, equals, value = argument.partition("=")
            if name not in _LONG:
                raise WrongUsage(f"master.cf: unknown option {argument[:40]}; there are {', '.join(_LONG)}")
            yield name[2:], value if equals else _next(following, name)
        elif argument[:1] == "-" and argument != "--":
            yield from _split_letters(argument, following)
        elif argument != "--":
            yield "", argument


def _split_letters(argument: str, following: Iterator[str]) -> Iterator[tuple[str, str]]:
    for index, letter in enumerate(argument[1:], 1):
        if letter in _WITH_VALUE:
            yield letter, argument[index + 1 :] or _next(following, f"-{letter}")
            return
        if letter not in _WITHOUT_VALUE:
            raise WrongUsage(f"master.cf: unknown option {argument[:40]}")
        yield letter, ""


def _next(following: Iterator[str], option: str) -> str:
    value = next(following, None)
    if value is None:
        raise WrongUsage(f"master.cf: {option} needs a value")
    return value


def _choose_transport(wanted: str, program: str, service: str) -> Transport:
    """What was asked for; else what the program or the service is called after; else smtp."""
    names = {transport.value: transport for transport in Transport}
    if wanted:
        if wanted not in names:
            raise WrongUsage(f"master.cf: --transport {wanted[:20]}: expected smtp or lmtp")
        return names[wanted]
    return names.get(program) or names.get(service) or Transport.SMTP


def _parse_flags(words: Sequence[str]) -> str:
    flags = ""
    for word in words:
        name, equals, value = word.partition("=")
        if name.lower() != "flags" or not equals or value.strip(DELIVERY_FLAGS):
            raise WrongUsage(f"master.cf: {word[:40]!r}: expected flags= with letters of {DELIVERY_FLAGS}, and nothing else")
        flags = value
    return flags


def _parse_number(options: Mapping[str, Sequence[str]], name: str, default: int, most: int) -> int:
    values = options.get(name)
    if not values:
        return default
    if not values[-1].isdigit() or len(values[-1]) > 9 or not 1 <= int(values[-1]) <= most:
        raise WrongUsage(f"master.cf: {name} = {values[-1][:20]}: expected 1 to {most}")
    return int(values[-1])
