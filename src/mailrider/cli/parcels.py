"""What the command line or a batch file asks for, checked and ready to become delivery requests.

A *parcel* is one request without its message: the message file is only known to be there, and is read when its turn
comes.  Whatever is wrong is `WrongUsage` (an argument, a field) or `MissingInput` (a file), before anything is sent.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mailrider.errors import MissingInput, WrongUsage
from mailrider.model.address import parse_address
from mailrider.model.request import NO_CLIENT, BodyType, Envelope, Notify, Recipient, Transport
from mailrider.model.texts import check_text, clip, show

BATCH_LIMIT_OCTETS = 512 * 1024 * 1024
"""A larger batch file is a mistake: a million requests need half of this."""

STANDARD_INPUT = "-"

_OPTION = re.compile(r";(notify|orcpt)=", re.IGNORECASE)
_TRANSPORTS = {transport.value: transport for transport in Transport}
_BODY_TYPES = {body.value: body for body in BodyType}
_NOTIFY = {flag.name.lower(): flag for flag in Notify if flag.name is not None}
_READABLE_BY_ALL = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_RECIPIENT_KEYS = frozenset({"address", "notify", "orcpt"})
_BATCH_KEYS = frozenset({"mode", "requests"})
_CLIENT_ATTRIBUTES = frozenset({"name", "addr", "port", "proto", "helo", "ident", "source"})
_USUAL_KEYS = frozenset({"transport", "nexthop", "sender", "message_file", "queue_id", "recipients"})
_REQUEST_KEYS = _USUAL_KEYS | {
    "envid", "ret", "body", "smtputf8", "requiretls", "verify", "age", "xforward", "pause_before", "service",
}  # fmt: skip


class Parcel(NamedTuple):
    """One request of the caller.  `given` are the recipients as they were written, for the output.

    `transport_given`: the caller named the transport; otherwise master.cf may know a better one for the service.
    """

    envelope: Envelope
    given: tuple[str, ...]
    nexthop: str
    transport: Transport
    service: str
    message_file: str
    queue_id: str = "NOQUEUE"
    probe: bool = False
    age_seconds: float = 0.0
    pause_seconds: float = 0.0
    client: Mapping[str, str] = NO_CLIENT
    transport_given: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests in the order given; `sequential` starts each when the one before is done."""

    sequential: bool
    parcels: tuple[Parcel, ...]


def read_batch(path: str) -> Batch:
    """Read a batch file: `{"mode": "sequential"|"burst", "requests": [...]}`."""
    try:
        if os.stat(path).st_size > BATCH_LIMIT_OCTETS:
            raise WrongUsage(f"batch file {path} is larger than {BATCH_LIMIT_OCTETS} octets")
        with open(path, "rb") as file:
            document = json.load(file, object_pairs_hook=_make_object)
    except OSError as cause:
        raise MissingInput(f"batch file {path} cannot be read: {cause.strerror}") from None
    except _TwiceError as twice:
        raise WrongUsage(f"batch file {path}: the key {show(twice.args[0])} is there twice in one object") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise WrongUsage(f"batch file {path} is not JSON: {cause}") from None
    except RecursionError:
        raise WrongUsage(f"batch file {path} is not JSON that makes sense: it is nested too deeply") from None
    except ValueError:
        raise WrongUsage(f"batch file {path} is not JSON that makes sense: a number in it is too long") from None
    if not isinstance(document, dict) or not isinstance(document.get("requests"), list):
        raise WrongUsage(f'batch file {path} must hold {{"mode": ..., "requests": [...]}}')
    _refuse_unknown_keys(document, _BATCH_KEYS, f"batch file {path}: ")
    mode = document.get("mode", "sequential")
    if mode not in ("sequential", "burst"):
        raise WrongUsage(f"batch file {path}: mode is {show(mode)}, expected sequential or burst")
    return Batch(mode == "sequential", tuple(_parse_requests(document["requests"], path)))


class _TwiceError(Exception):
    """A key is there twice."""


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object.  Of two values for one key nobody knows which was meant."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return made


def _parse_requests(requests: list[Any], path: str) -> list[Parcel]:
    parcels: list[Parcel] = []
    reads_input = False
    seen = Seen()
    for number, request in enumerate(requests, 1):
        try:
            parcel = parse_request(request, seen)
            if parcel.message_file == STANDARD_INPUT:
                if reads_input:
                    raise WrongUsage("standard input is the message of another request already")
                reads_input = True
        except (WrongUsage, MissingInput) as fault:
            raise type(fault)(f"batch file {path}: request {number}: {fault}") from None
        parcels.append(parcel)
    return parcels


class Seen:
    """What earlier requests of a batch had already, and was found good: most of them go one way."""

    __slots__ = ("files", "nexthops")

    def __init__(self) -> None:
        self.nexthops: set[object] = set()
        self.files: set[object] = set()


def parse_request(request: Mapping[str, Any], seen: Seen | None = None) -> Parcel:
    """One request of a batch; the command line is put into the same form."""
    if not isinstance(request, dict):
        raise WrongUsage("expected an object")
    seen = seen or Seen()
    usual = _USUAL_KEYS.issuperset(request)
    if not usual:
        _refuse_unknown_keys(request, _REQUEST_KEYS)
    transport = _choose(request, "transport", _TRANSPORTS, "")
    recipients, given = _read_recipients(request.get("recipients"))
    envelope = Envelope(parse_address(_text(request, "sender", required=True)), recipients)
    nexthop, message_file = request.get("nexthop"), request.get("message_file")
    if type(nexthop) is not str or nexthop not in seen.nexthops:
        nexthop = _text(request, "nexthop", required=True)
        seen.nexthops.add(nexthop)
    if type(message_file) is not str or message_file not in seen.files:
        message_file = _text(request, "message_file", required=True)
        _check_message_file(message_file)
        seen.files.add(message_file)
    service = transport or "smtp"
    parcel = Parcel(
        envelope, given, nexthop, _TRANSPORTS[service], service, message_file, _text(request, "queue_id") or "NOQUEUE",
        transport_given=bool(transport),
    )  # fmt: skip
    return parcel if usual else _read_options(request, parcel)


def _read_options(request: dict[str, Any], parcel: Parcel) -> Parcel:
    """What most requests do not have."""
    envelope = parcel.envelope._replace(
        envid=_text(request, "envid"),
        ret=_choose(request, "ret", ("full", "hdrs"), ""),
        body=_BODY_TYPES[_choose(request, "body", ("7bit", "8bitmime"), "")],
        smtputf8=_flag(request, "smtputf8"),
        requiretls=_flag(request, "requiretls"),
    )
    return parcel._replace(
        envelope=envelope,
        service=_text(request, "service") or parcel.service,
        probe=_flag(request, "verify"),
        age_seconds=_number(request, "age"),
        pause_seconds=_number(request, "pause_before"),
        client=_read_client(request.get("xforward")),
    )


def parse_recipient_argument(argument: str) -> dict[str, Any]:
    """`ADDR[;notify=...][;orcpt=type;addr]` as a recipient of a batch; `orcpt=` comes last.

    Raises `WrongUsage` for anything else behind a semicolon: no domain has one, and a misspelt wish must not become part of
    the address.
    """
    start = _skip_quoted(argument)
    match = _OPTION.search(argument, start)
    recipient: dict[str, Any] = {"address": argument[: match.start()] if match else argument}
    _, semicolon, unknown = recipient["address"][start:].rpartition("@")[2].partition(";")
    if semicolon:
        raise WrongUsage(f"--recipient {clip(argument)}: unknown wish {show(unknown)}, expected notify=... or orcpt=...")
    while match:
        name, begin = match.group(1).lower(), match.end()
        match = None if name == "orcpt" else _OPTION.search(argument, begin)
        value = argument[begin : match.start()] if match else argument[begin:]
        recipient[name] = value.split(",") if name == "notify" else value
    return recipient


def _skip_quoted(text: str) -> int:
    """Where the quoted local part of an address ends, 0 if there is none."""
    if not text.startswith('"'):
        return 0
    match = re.match(r'"(?:\\.|[^"\\])*"', text, re.DOTALL)
    return match.end() if match else 0


def _read_recipients(given: object) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """The recipients, and how they were written."""
    if given is None or given == []:
        raise WrongUsage("no recipient is given")
    if not isinstance(given, list):
        raise WrongUsage(f"recipients is {show(given)}, expected a list")
    if len(given) == 1:
        recipient, text = _read_recipient(given[0])
        return (recipient,), (text,)
    pairs = [_read_recipient(item) for item in given]
    return tuple([recipient for recipient, _ in pairs]), tuple([text for _, text in pairs])


def _read_recipient(item: object) -> tuple[Recipient, str]:
    if isinstance(item, str):
        item = {"address": item}
    if not isinstance(item, dict):
        raise WrongUsage(f"recipient {show(item)} is neither a text nor an object")
    text = _text(item, "address", required=True)
    address = parse_address(text)
    if not address:
        raise WrongUsage("a recipient is empty")
    if len(item) == 1:
        return Recipient(address), text
    try:
        _refuse_unknown_keys(item, _RECIPIENT_KEYS)
        orcpt = _text(item, "orcpt")
        if orcpt and ";" not in orcpt:
            raise WrongUsage(f"orcpt={clip(orcpt)}, expected type;address")
        return Recipient(address, orcpt=orcpt, notify=_read_notify(item.get("notify"))), text
    except WrongUsage as fault:
        raise WrongUsage(f"recipient {clip(text)}: {fault}") from None


def _read_notify(words: object) -> Notify:
    if words is None:
        return Notify.UNSET
    if not isinstance(words, list):
        raise WrongUsage(f"notify is {show(words)}, expected a list")
    notify = Notify.UNSET
    for word in words:
        if not isinstance(word, str) or word.lower() not in _NOTIFY:
            raise WrongUsage(f"notify={clip(str(word))}, expected never, or a list of success, failure and delay")
        notify |= _NOTIFY[word.lower()]
    if Notify.NEVER in notify and notify is not Notify.NEVER:
        raise WrongUsage("notify=never goes with nothing else")
    return notify


def _read_client(given: object) -> Mapping[str, str]:
    if not given:
        return NO_CLIENT
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise WrongUsage("xforward must be an object of texts")
    unknown = given.keys() - _CLIENT_ATTRIBUTES
    if unknown:
        known = ", ".join(sorted(_CLIENT_ATTRIBUTES))
        raise WrongUsage(f"xforward attribute {show(min(unknown))}, expected one of {known}")
    return {name: check_text(f"xforward {name}", value) for name, value in given.items()}


def parse_client_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """`--xforward name=value` as an object."""
    client = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise WrongUsage(f"--xforward {clip(argument)}: expected NAME=VALUE")
        if name.lower() in client:
            raise WrongUsage(f"--xforward {clip(argument)}: {name.lower()} is given twice")
        client[name.lower()] = value
    return client


def _check_message_file(path: str) -> None:
    """See that a message can be read, as far as can be told without reading it.  Raises `MissingInput`."""
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise MissingInput("cannot read the message: standard input is closed")
        return
    try:
        mode = os.stat(path).st_mode
    except OSError as cause:
        raise MissingInput(f"cannot open message file {clip(path)}: {cause.strerror}") from None
    if stat.S_ISDIR(mode):
        raise MissingInput(f"cannot open message file {path}: it is a directory")
    if mode & _READABLE_BY_ALL != _READABLE_BY_ALL and not os.access(path, os.R_OK):
        raise MissingInput(f"cannot open message file {path}: Permission denied")


def _text(request: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    value = request.get(key)
    if value is None:
        if required:
            raise WrongUsage(f"{key} is missing")
        return ""
    return check_text(key, value)


def _flag(request: Mapping[str, Any], key: str) -> bool:
    value = request.get(key, False)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise WrongUsage(f"{key} is {show(value)}, expected true or false")


def _number(request: Mapping[str, Any], key: str) -> float:
    value = request.get(key)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e10:
        raise WrongUsage(f"{key} is {show(value)}, expected a number of seconds")
    return float(value)


def _choose(request: Mapping[str, Any], key: str, words: Collection[str], default: str) -> str:
    value = request.get(key)
    if not value:
        return default
    if isinstance(value, str) and value.lower() in words:
        return value.lower()
    raise WrongUsage(f"{key} is {show(value)}, expected {' or '.join(words)}")


def _refuse_unknown_keys(given: dict[str, Any], known: frozenset[str], where: str = "") -> None:
    if not known.issuperset(given):
        raise WrongUsage(f"{where}unknown key {show(min(given.keys() - known))}")
