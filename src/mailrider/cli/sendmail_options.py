"""The command line of sendmail(1), as programs have used it since 1983.

Options may be joined (`-ti`), have their value attached or as the next argument (`-fjoe`, `-f joe`), and stand between the
recipients; after `--` everything is a recipient.  `-q` and `-c` need care: `-q` alone flushes the queue; `-c` is ignored by
sendmail(1), and here names the directory with main.cf when something follows it that looks like one.

What can go wrong: `WrongUsage` for an option or a value that nobody knows.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mailrider.errors import WrongUsage
from mailrider.model.request import BodyType, Notify

T = TypeVar("T")


class Mode(enum.Enum):
    """What sendmail is to do; the values are options."""

    SUBMIT = "-bm"
    LIST = "-bp"
    STAND_ALONE = "-bs"
    FLUSH = "-q"
    ALIASES = "-bi"
    NOTHING = "-bh"


WITH_VALUE = frozenset("ABCFLNORVXbefhpr")
"""Options that always have a value, attached or as the next argument."""

IGNORED = frozenset("GUcmnvx")
"""Options without a value that change nothing here."""

IGNORED_WITH_VALUE = frozenset("ALXehp")

_MODES = {
    "m": Mode.SUBMIT, "p": Mode.LIST, "s": Mode.STAND_ALONE, "i": Mode.ALIASES, "h": Mode.NOTHING, "H": Mode.NOTHING,
}  # fmt: skip
_REFUSED_MODES = {
    "d": "sendmail -bd: a node is run by mailrider serve",
    "l": "sendmail -bl: a node is run by mailrider serve",
    "v": "sendmail -bv: a report by mail is not there; see mailrider deliver --verify",
}
_NOTIFY = {
    "never": Notify.NEVER, "success": Notify.SUCCESS, "failure": Notify.FAILURE, "delay": Notify.DELAY,
}  # fmt: skip
_BODY = {"7bit": BodyType.SEVEN_BIT, "8bitmime": BodyType.EIGHT_BIT}
_RET = {"hdrs": "hdrs", "full": "full"}


@dataclass
class SendmailOptions:
    """What the command line says.  `sender` None: whoever calls.  `queue_id` and `site` go with `Mode.FLUSH`.

    `has_interval`: how often to look into the queue was said (`-q30m`), which a node knows by itself.
    """

    mode: Mode = Mode.SUBMIT
    sender: str | None = None
    full_name: str | None = None
    extract: bool = False
    dot_ends: bool = True
    notify: Notify = Notify.UNSET
    ret: str = ""
    envid: str = ""
    body: BodyType = BodyType.UNKNOWN
    smtputf8: bool | None = None
    requiretls: bool = False
    has_interval: bool = False
    directory: str | None = None
    queue_id: str = ""
    site: str = ""
    overrides: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


def parse_sendmail(arguments: Sequence[str]) -> SendmailOptions:
    """Read a command line."""
    options = SendmailOptions()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            options.recipients += rest
            break
        if len(argument) < 2 or argument[0] != "-":
            options.recipients.append(argument)
        elif argument.startswith("--"):
            raise WrongUsage(f"sendmail: unknown option {argument}")
        else:
            _take_letters(options, argument[1:], rest)
    return options


def _take_letters(options: SendmailOptions, letters: str, rest: list[str]) -> None:
    """One argument that begins with a dash."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in WITH_VALUE:
            _take_value(options, letter, letters or _next(letter, rest))
            return
        if letter in "qoI":
            _take_special(options, letter, letters, rest)
            return
        if letter == "c" and not letters and rest and _looks_like_directory(rest[0]):
            options.directory = rest.pop(0)
        elif letter == "t":
            options.extract = True
        elif letter == "i":
            options.dot_ends = False
        elif letter not in IGNORED:
            raise WrongUsage(f"sendmail: unknown option -{letter}")


def _looks_like_directory(text: str) -> bool:
    """An address hardly ever begins so; a word without @ or / may be a user, or a directory that is there."""
    if text.startswith(("/", "./", "../")) or text in (".", ".."):
        return True
    return "@" not in text and ("/" in text or Path(text, "main.cf").is_file())


def _next(letter: str, rest: list[str]) -> str:
    if not rest:
        raise WrongUsage(f"sendmail: -{letter} needs a value; mailrider sendmail --help shows the options")
    return rest.pop(0)


def _take_special(options: SendmailOptions, letter: str, value: str, rest: list[str]) -> None:
    """Options that getopt(3) could not read."""
    if letter == "I":
        options.mode = Mode.ALIASES
    elif letter == "q":
        _take_queue_run(options, value)
    elif not value:
        value = _next("o", rest)
        if "=" in value:
            options.overrides.append(value)  # NAME=VALUE, as for all commands of ours
        elif value == "i":
            options.dot_ends = False
    elif value == "i":
        options.dot_ends = False  # other -o options are those of another program


def _take_queue_run(options: SendmailOptions, value: str) -> None:
    if value[:1].isdigit():
        options.has_interval = True  # that of a daemon
        return
    if value[:1] not in ("", "I", "R"):
        raise WrongUsage(f"sendmail: -q{value} is not there; -q, -qI and -qR are")
    if value and len(value) == 1:
        raise WrongUsage(f"sendmail: -q{value} needs a value attached to it")
    options.mode = Mode.FLUSH
    if value[:1] == "I":
        options.queue_id = value[1:]
    else:
        options.site = value[1:]


def _take_value(options: SendmailOptions, letter: str, value: str) -> None:
    match letter:
        case "f" | "r":
            options.sender = value
        case "F":
            options.full_name = value
        case "C":
            options.directory = value.removesuffix("/main.cf") if value != "main.cf" else "."
        case "V":
            options.envid = value
        case "B":
            options.body = _find(_BODY, value, "-B", "7BIT or 8BITMIME")
        case "R":
            options.ret = _find(_RET, value, "-R", "hdrs or full")
        case "N":
            options.notify = _parse_notify(value)
        case "O":
            _take_send_option(options, value)
        case "b":
            _take_mode(options, value)
        case "X" if value[:1] == "V":
            raise WrongUsage("sendmail -XV: VERP is not there; send to each recipient by itself, with a sender (-f) of its own")
        case _:
            assert letter in IGNORED_WITH_VALUE


def _find(known: dict[str, T], value: str, option: str, wanted: str) -> T:
    found = known.get(value.lower())
    if found is None:
        raise WrongUsage(f"sendmail: {option} {value}: expected {wanted}")
    return found


def _parse_notify(value: str) -> Notify:
    """`-N`: RFC 3461 §4.1."""
    notify = Notify.UNSET
    for word in value.replace(",", " ").split():
        notify |= _find(_NOTIFY, word, "-N", "never, or success, failure and delay with commas")
    if not notify or (Notify.NEVER in notify and notify is not Notify.NEVER):
        raise WrongUsage(f"sendmail: -N {value}: expected never, or success, failure and delay with commas")
    return notify


def _take_send_option(options: SendmailOptions, value: str) -> None:
    """`-O name=value`: two of Postfix 3.11; all others are those of another program."""
    name, _, said = value.lower().partition("=")
    if name not in ("requiretls", "smtputf8"):
        return
    if said not in ("yes", "no"):
        raise WrongUsage(f"sendmail: -O {value}: expected {name}=yes or {name}=no")
    if name == "requiretls":
        options.requiretls = said == "yes"
    else:
        options.smtputf8 = said == "yes"


def _take_mode(options: SendmailOptions, value: str) -> None:
    if value[:1] in _REFUSED_MODES:
        raise WrongUsage(_REFUSED_MODES[value[0]])
    mode = _MODES.get(value[:1])
    if mode is None:
        raise WrongUsage(f"sendmail: unknown mode -b{value}")
    options.mode = mode
