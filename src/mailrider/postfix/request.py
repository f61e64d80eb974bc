"""A delivery request as the queue manager sends it: one list about the message, then one list for each recipient.

The order of the attributes is fixed and has been the same from Postfix 3.4 to 3.12, but for one name: `smtputf8` became
`sendopts` in 3.10.  Either is taken.  What differs is who speaks first: from 3.6 on the agent begins with the name of the
protocol, before that with `status` 0.

What can go wrong: `MalformedAttributes` for anything else than such a request.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from mailrider.attributes.plain import (
    AttributeReader,
    Attributes,
    Long,
    MalformedAttributes,
    encode_attributes,
    encode_data,
    parse_data,
    parse_integer,
    parse_long,
    show_octets,
)

GREETING: Final = encode_attributes([("protocol", "delivery_request_protocol")])
"""What an agent says first, since Postfix 3.6."""

OLD_GREETING: Final = encode_attributes([("status", 0)])
"""The same up to 3.5."""

RECIPIENTS_LIMIT: Final = 100_000
"""Five times as many as a queue manager holds in memory (`qmgr_message_recipient_limit`)."""

# Bits of `flags`.
MARK_DONE: Final = 0x0001
MTA_PROBE: Final = 0x0100
USER_PROBE: Final = 0x0200
RECORD_ALL: Final = 0x0400
CACHE_LOAD: Final = 0x0800
CACHE_STORE: Final = 0x1000
RECORD_DELAYED: Final = 0x2000
TRACE_FLAGS: Final = MTA_PROBE | USER_PROBE | RECORD_ALL | RECORD_DELAYED
"""What goes into the `flags` of a report, and nothing else does."""

# Bits of `smtputf8` or `sendopts`.
UTF8_REQUESTED: Final = 1
REQUIRETLS: Final = 32

# Bits of `notify_flags`.
NOTIFY_SUCCESS: Final = 2
NOTIFY_DELAY: Final = 8

_QUEUE_NAME = re.compile(r"[0-9A-Za-z]{1,100}\Z")
_QUEUE_ID = re.compile(r"[0-9A-Za-z_]{1,100}\Z")

_TIMES = struct.Struct("=10qi4x")
"""Five pairs of seconds and microseconds and a count: a struct of the C library of 64-bit systems."""


class Times(NamedTuple):
    """When the message came in, when its turn came, and (only after a hand-over) when an agent got it; seconds since 1970."""

    arrival_seconds: float
    active_seconds: float
    handed_seconds: float
    octets: bytes


class QueuedRecipient(NamedTuple):
    """One recipient; `offset` is where its record begins in the queue file, -1 for nowhere."""

    original: str
    address: str
    offset: int
    orcpt: str
    notify: int


class Client(NamedTuple):
    """Who submitted the message, as the log and XFORWARD tell it; all empty where it is local."""

    name: str
    address: str
    port: str
    protocol: str
    helo: str


class Login(NamedTuple):
    """Who logged in to submit it."""

    method: str
    username: str
    sender: str


class QueueRequest(NamedTuple):
    """One message and one destination.

    `offset` is where the content begins in the queue file, `size_octets` what MAIL FROM tells (the records take more).
    `options_name` is the name that this version of Postfix gives to `options`.
    """

    flags: int
    queue_name: str
    queue_id: str
    offset: int
    size_octets: int
    nexthop: str
    encoding: str
    options: int
    options_name: str
    sender: str
    envid: str
    ret: int
    times: Times
    client: Client
    login: Login
    log_ident: str
    rewrite_context: str
    recipients: tuple[QueuedRecipient, ...]

    @property
    def probe(self) -> bool:
        """Whether no message is to be sent."""
        return bool(self.flags & (MTA_PROBE | USER_PROBE))


class RequestReader:
    """Takes octets as they come and gives the request when it is there."""

    __slots__ = ("_expected", "_head", "_reader", "_recipients")

    def __init__(self) -> None:
        self._reader = AttributeReader()
        self._head: QueueRequest | None = None
        self._expected = 0
        self._recipients: list[QueuedRecipient] = []

    def feed(self, octets: bytes) -> QueueRequest | None:
        """Take what has come in.  Raises `MalformedAttributes`; `queue_id` may be known by then."""
        self._reader.feed(octets)
        while (attributes := self._reader.take()) is not None:
            if self._head is None:
                self._head, self._expected = _read_head(attributes)
                continue
            self._recipients.append(_read_recipient(attributes))
            if len(self._recipients) == self._expected:
                return self._head._replace(recipients=tuple(self._recipients))
        return None

    @property
    def queue_id(self) -> str:
        """Which message this is about, as far as is known."""
        return self._head.queue_id if self._head is not None else ""


def encode_recipient(recipient: QueuedRecipient) -> list[tuple[str, str | int]]:
    """The attributes that every report begins with."""
    return [
        ("original_recipient", recipient.original),
        ("recipient", recipient.address),
        ("offset", Long(recipient.offset)),
        ("dsn_orig_rcpt", recipient.orcpt),
        ("notify_flags", recipient.notify),
    ]


def encode_request(request: QueueRequest, nexthop: str, recipient: QueuedRecipient) -> bytes:
    """The same request for one recipient and another agent (`best_mx_transport`)."""
    client, login = request.client, request.login
    head: list[tuple[str, str | bytes | int]] = [
        ("flags", request.flags),
        ("queue_name", request.queue_name),
        ("queue_id", request.queue_id),
        ("offset", Long(request.offset)),
        ("size", Long(request.size_octets)),
        ("nexthop", nexthop),
        ("encoding", request.encoding),
        (request.options_name, request.options),
        ("sender", request.sender),
        ("envelope_id", request.envid),
        ("ret_flags", request.ret),
        ("time", encode_data(request.times.octets)),
        ("log_client_name", client.name),
        ("log_client_address", client.address),
        ("log_client_port", client.port),
        ("log_protocol_name", client.protocol),
        ("log_helo_name", client.helo),
        ("sasl_method", login.method),
        ("sasl_username", login.username),
        ("sasl_sender", login.sender),
        ("log_ident", request.log_ident),
        ("rewrite_context", request.rewrite_context),
        ("recipient_count", 1),
    ]
    return encode_attributes(head) + encode_attributes(encode_recipient(recipient))


def stamp_handed(times: Times, now_seconds: float) -> Times:
    """The times with the moment at which this agent got the request, unless another one had it before."""
    if times.handed_seconds:
        return times
    fields = list(_TIMES.unpack(times.octets))
    seconds = int(now_seconds)
    fields[4:6] = seconds, int((now_seconds - seconds) * 1e6)
    return times._replace(handed_seconds=now_seconds, octets=_TIMES.pack(*fields))


_HEAD = (
    b"flags", b"queue_name", b"queue_id", b"offset", b"size", b"nexthop", b"encoding", b"smtputf8", b"sender", b"envelope_id",
    b"ret_flags", b"time", b"log_client_name", b"log_client_address", b"log_client_port", b"log_protocol_name",
    b"log_helo_name", b"sasl_method", b"sasl_username", b"sasl_sender", b"log_ident", b"rewrite_context", b"recipient_count",
)  # fmt: skip
_OPTIONS_PLACE = _HEAD.index(b"smtputf8")
_NEWER_HEAD = (*_HEAD[:_OPTIONS_PLACE], b"sendopts", *_HEAD[_OPTIONS_PLACE + 1 :])


def _read_head(attributes: Attributes) -> tuple[QueueRequest, int]:
    names = tuple([name for name, _ in attributes.pairs])
    if names not in (_HEAD, _NEWER_HEAD):
        raise MalformedAttributes(_find_fault(names))
    (
        flags, queue_name, queue_id, offset, size, nexthop, encoding, options, sender, envid, ret, times, client_name,
        client_address, client_port, protocol, helo, sasl_method, sasl_username, sasl_sender, log_ident, context, count,
    ) = [value.decode("utf-8", "surrogateescape") for _, value in attributes.pairs]  # fmt: skip
    if not _QUEUE_NAME.match(queue_name) or not _QUEUE_ID.match(queue_id):
        raise MalformedAttributes("a queue name or a queue id that no file can have")
    request = QueueRequest(
        flags=parse_integer(flags),
        queue_name=queue_name,
        queue_id=queue_id,
        offset=parse_long(offset),
        size_octets=parse_long(size),
        nexthop=nexthop,
        encoding=encoding,
        options=parse_integer(options),
        options_name=names[_OPTIONS_PLACE].decode("ascii"),
        sender=sender,
        envid=envid,
        ret=parse_integer(ret),
        times=_read_times(parse_data(times)),
        client=Client(client_name, client_address, client_port, protocol, helo),
        login=Login(sasl_method, sasl_username, sasl_sender),
        log_ident=log_ident,
        rewrite_context=context,
        recipients=(),
    )
    expected = parse_integer(count)
    if not 0 < expected <= RECIPIENTS_LIMIT:
        raise MalformedAttributes(f"a request for {expected} recipients")
    if request.offset < 0 or request.size_octets < 0:
        raise MalformedAttributes("a content that begins before the file or has less than no octets")
    return request, expected


def _find_fault(names: tuple[bytes, ...]) -> str:
    """Which attribute is not where it should be."""
    for place, wanted in enumerate(_HEAD):
        if place >= len(names):
            return f"the attribute {wanted.decode()} is missing"
        if names[place] not in (wanted, _NEWER_HEAD[place]):
            return f"the attribute {show_octets(names[place])} stands where {wanted.decode()} should"
    return f"unexpected attribute {show_octets(names[len(_HEAD)])}"


def _read_recipient(attributes: Attributes) -> QueuedRecipient:
    recipient = QueuedRecipient(
        attributes.text(b"original_recipient"),
        attributes.text(b"recipient"),
        attributes.long(b"offset"),
        attributes.text(b"dsn_orig_rcpt"),
        attributes.integer(b"notify_flags"),
    )
    attributes.end()
    return recipient


def _read_times(octets: bytes) -> Times:
    if len(octets) != _TIMES.size:
        raise MalformedAttributes(f"times of {len(octets)} octets; {_TIMES.size} are known")
    fields = _TIMES.unpack(octets)
    arrival, active, handed = (fields[index] + fields[index + 1] / 1e6 for index in (0, 2, 4))
    return Times(arrival, active, handed, octets)
