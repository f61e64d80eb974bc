"""The text of master.cf as services: which program delivers under which name, and with which settings (master(5)).

A line has eight fields: name, type, private, unprivileged, chroot, wakeup time, process limit, and a command with its
arguments.  `-` stands for the built-in default.  Arguments are separated by blanks; what stands in braces is one
argument, without the blanks at its ends.  `-o name=value` and `-o { name = value }` put a setting over main.cf for
that service alone.

Of all services only delivery agents (the programs smtp and lmtp) are understood to their last argument; the fields of the
others are checked and their arguments are left alone, since they belong to other programs.

What can go wrong: a line that master(8) would not accept is `WrongConfiguration` with file and line; so is an argument
of a delivery agent that smtp(8) does not know.  A service that is defined twice is a warning, and the last definition counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.settings.lines import SPACE, join_lines, quote, read_text
from mailrider.settings.maincf import Entry

if TYPE_CHECKING:
    from pathlib import Path

SERVICES_LIMIT = 10_000
"""Postfix comes with thirty."""

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
FIELDS = ("service name", "service type", "private", "unprivileged", "chroot", "wakeup time", "process limit", "command")

DELIVERY_FLAGS = "DORX"
"""What `flags=` of smtp(8) and lmtp(8) knows."""

_DELIVERY_AGENTS = {"smtp": Transport.SMTP, "lmtp": Transport.LMTP}
_OPTIONS_WITH_VALUE = "imnost"
_OPTIONS_WITHOUT_VALUE = "cdDluvVzS"


class Service(NamedTuple):
    """One service.  `process_limit` is None for the default; `line` counts from 1."""

    name: str
    type: str
    command: str
    arguments: tuple[str, ...]
    process_limit: int | None
    path: str
    line: int

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.path}, line {self.line}"

    @property
    def program(self) -> str:
        """The name of the program without its folder."""
        return self.command.rpartition("/")[2]

    @property
    def transport(self) -> Transport | None:
        """The protocol of a delivery agent; None for another program."""
        return _DELIVERY_AGENTS.get(self.program) if self.type in ("unix", "pass") else None


class Orders(NamedTuple):
    """What the arguments of a delivery agent say: settings in their order, and the letters of `flags=`."""

    overrides: dict[str, Entry]
    flags: str


class MasterCf(NamedTuple):
    """What a file said: the services by name and type, and what looked wrong."""

    services: dict[tuple[str, str], Service]
    warnings: tuple[str, ...] = ()

    def delivery_agent(self, name: str) -> Service | None:
        """The delivery agent of that name."""
        for kind in ("unix", "pass"):
            service = self.services.get((name, kind))
            if service is not None and service.transport is not None:
                return service
        return None


NO_SERVICES = MasterCf({})
"""Where there is no master.cf."""


def read_master_cf(path: Path) -> MasterCf:
    """Read and parse a file."""
    return parse_master_cf(read_text(path), str(path))


def parse_master_cf(text: str, path: str) -> MasterCf:
    """Parse the text of a master.cf; `path` is for messages."""
    services: dict[tuple[str, str], Service] = {}
    warnings: list[str] = []
    for number, line in join_lines(text, path, warnings):
        if not line:
            continue  # a null byte stood at its beginning
        service = _parse_service(line, path, number)
        key = (service.name, service.type)
        if key in services:
            warnings.append(f"{service.place}: overriding earlier entry: {service.name} {service.type}")
        services[key] = service
        if len(services) > SERVICES_LIMIT:
            raise WrongConfiguration(f"{service.place}: more than {SERVICES_LIMIT} services")
    return MasterCf(services, tuple(warnings))


def parse_orders(service: Service) -> Orders:
    """The options and attributes of a delivery agent."""
    overrides: dict[str, Entry] = {}
    arguments = iter(service.arguments)
    attributes = []
    for argument in arguments:
        if argument == "--":
            break
        if argument[:1] != "-" or argument == "-":
            attributes.append(argument)
            break
        for letter, value in _split_options(argument, arguments, service):
            if letter == "o":
                entry = _parse_setting(value, service)
                overrides.pop(entry.name, None)
                overrides[entry.name] = entry
    attributes.extend(arguments)
    return Orders(overrides, _parse_attributes(attributes, service))


def _parse_service(line: str, path: str, number: int) -> Service:
    place = f"{path}, line {number}"
    words = list(_split_arguments(line, place))
    if len(words) < len(FIELDS):
        raise WrongConfiguration(f"{place}: {FIELDS[len(words)]} is missing: {quote(line)}")
    name, kind, private, unprivileged, chroot, wakeup, limit, command = words[: len(FIELDS)]
    if kind not in TYPES:
        raise WrongConfiguration(f"{place}: bad service type {quote(kind)}: expected one of {', '.join(TYPES)}")
    for field, flag in zip(FIELDS[2:5], (private, unprivileged, chroot), strict=True):
        if flag not in ("y", "n", "-"):
            raise WrongConfiguration(f"{place}: bad {field} {quote(flag)}: expected y, n or -")
    if kind == "inet" and private != "n":
        raise WrongConfiguration(f"{place}: inet service cannot be private: expected n in the third field")
    for field, count in ((FIELDS[5], wakeup.removesuffix("?")), (FIELDS[6], limit)):
        if count != "-" and not (count.isascii() and count.isdigit() and len(count) < 10):
            raise WrongConfiguration(f"{place}: bad {field} {quote(count)}: expected a whole number or -")
    process_limit = None if limit == "-" else int(limit)
    return Service(name, kind, command, tuple(words[len(FIELDS) :]), process_limit, path, number)


def _split_arguments(line: str, place: str) -> Iterator[str]:
    """The words of a line; text in braces stays together, and a word that is all braces comes without them."""
    if "{" not in line and "}" not in line:
        yield from line.split()
        return
    position = 0
    while True:
        while position < len(line) and line[position] in SPACE:
            position += 1
        if position == len(line):
            return
        end = _find_word_end(line, position)
        word = line[position:end]
        yield _strip_braces(word, place) if word[0] == "{" else word
        position = end


def _find_word_end(line: str, position: int) -> int:
    """The index of the first blank after `position` that is not in braces."""
    level = 0
    for index in range(position, len(line)):
        character = line[index]
        if character == "{":
            level += 1
        elif character == "}":
            level = max(0, level - 1)
        elif level == 0 and character in SPACE:
            return index
    return len(line)


def _strip_braces(word: str, place: str) -> str:
    level = 0
    for index, character in enumerate(word):
        level += (character == "{") - (character == "}")
        if level == 0:
            if index + 1 < len(word):
                raise WrongConfiguration(f"{place}: syntax error after '}}' in {quote(word)}")
            return word[1:-1].strip(SPACE)
    raise WrongConfiguration(f"{place}: missing '}}' in {quote(word)}")


def _split_options(argument: str, following: Iterator[str], service: Service) -> Iterator[tuple[str, str]]:
    """The letters of one `-...` with their values, which may be the next argument (getopt(3))."""
    for index, letter in enumerate(argument[1:], 1):
        if letter in _OPTIONS_WITH_VALUE:
            value = argument[index + 1 :] or next(following, None)
            if value is None:
                raise WrongConfiguration(f"{service.place}: service {service.name}: -{letter} needs a value")
            yield letter, value
            return
        if letter not in _OPTIONS_WITHOUT_VALUE:
            raise WrongConfiguration(f"{service.place}: service {service.name}: unknown option {quote(argument)}")
        yield letter, ""


def _parse_setting(text: str, service: Service) -> Entry:
    name, equals, value = text.partition("=")
    name = name.strip(SPACE)
    if not equals or not name or any(character in SPACE for character in name):
        raise WrongConfiguration(f"{service.place}: service {service.name}: -o needs name=value, not {quote(text)}")
    return Entry(name, value.partition("\0")[0].strip(SPACE), service.path, service.line)


def _parse_attributes(attributes: list[str], service: Service) -> str:
    """The letters of the last `flags=`."""
    flags = ""
    for attribute in attributes:
        name, equals, value = attribute.partition("=")
        if name.lower() != "flags" or not equals:
            wanted = f"unknown attribute {quote(attribute)}: expected flags={DELIVERY_FLAGS}"
            raise WrongConfiguration(f"{service.place}: service {service.name}: {wanted}")
        unknown = "".join(letter for letter in value if letter not in DELIVERY_FLAGS)
        if unknown:
            raise WrongConfiguration(
                f"{service.place}: service {service.name}: unknown flag {quote(unknown)} in {quote(attribute)}: "
                f"expected letters of {DELIVERY_FLAGS}"
            )
        flags = value
    return flags
