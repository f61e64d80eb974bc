"""The labels and properties under which Postfix keeps connections in scache(8): text in, facts out.

A label is fields that end with a line feed, `*` where there is nothing, base64 where a field has one of these in it.
Properties are lines `name=value` and an empty one; behind those of an endpoint stands what belongs to TLS, if there is any.

Which fields there are depends on the release: the port of the server is kept since 3.8, and the labels have the TLS level of
the destination, REQUIRETLS and SMTPUTF8 since 3.11.

What can go wrong: `MalformedAttributes` for properties that make no sense.
"""

from __future__ import annotations

import base64
import socket
from dataclasses import replace
from typing import Any, Final

from mailrider.attributes.plain import MalformedAttributes, parse_integer, parse_long, show_octets
from mailrider.delivery.shared_cache import Facts, Place
from mailrider.model.tls import TlsLevel
from mailrider.postfix.installation import CACHES_PORT, CACHES_REQUIREMENTS
from mailrider.smtp.capabilities import Capabilities

PROPERTY_LIMIT_OCTETS: Final = 16 * 1024
"""What belongs to TLS may be a few kB."""

BEST_EXCHANGER: Final = 1 << 12
DELAYS_DOT: Final = 1 << 17

_EXTENDED: Final = 1 << 0
_FLAGS: Final = {
    "eight_bit_mime": 1 << 1, "pipelining": 1 << 2, "size": 1 << 3, "starttls": 1 << 4, "announces_auth": 1 << 5,
    "dsn": 1 << 15, "smtputf8": 1 << 21,
}  # fmt: skip
_XFORWARD: Final = {
    "NAME": 1 << 7, "ADDR": 1 << 8, "PROTO": 1 << 9, "HELO": 1 << 10, "SOURCE": 1 << 11, "PORT": 1 << 18, "IDENT": 1 << 20,
}  # fmt: skip

Release = tuple[int, int]


def label_destination(place: Place, release: Release, *, saving: bool) -> str:
    """The label of a next hop.  Postfix looks for it before it knows the level of TLS, and so for none."""
    fields = [_text(place.service), *_sender(place), _text(place.nexthop)]
    if release >= CACHES_REQUIREMENTS:
        fields += [str(int(place.level) if saving else 0), *_requirements(place)]
    return _join(fields)


def label_endpoint(place: Place, release: Release) -> str:
    """The label of an address."""
    fields = [_text(place.service), *_sender(place)]
    if place.logs_in:
        fields += [_text(place.element), _text(place.host)]
    fields += [_text(place.address), str(place.port), str(int(place.level))]
    if release >= CACHES_REQUIREMENTS:
        fields += _requirements(place)
    return _join(fields)


def write_destination(place: Place, facts: Facts, release: Release) -> str:
    """The properties that go with the label of a next hop."""
    lines = [("destination", place.element), ("host_name", facts.host), ("host_addr", facts.address)]
    if release >= CACHES_PORT:
        lines.append(("host_port", str(socket.htons(facts.port))))  # as it stands in a socket address
    lines.append(("destination_features", str(BEST_EXCHANGER if facts.is_best_exchanger else 0)))
    return _write(lines)


def write_endpoint(facts: Facts) -> str:
    """The properties that go with the label of an address."""
    return _write(
        [
            ("tls_level", str(int(facts.level))),
            ("reuse_count", str(facts.reuses)),
            ("endpoint_features", str(_pack(facts.offered) | (DELAYS_DOT if facts.delays_dot else 0))),
            ("expire_time", str(int(facts.expires_seconds))),
        ]
    )


def read_facts(endpoint: str, destination: str, release: Release) -> Facts | None:
    """The facts of a connection that was found; `destination` is empty where it was looked for by its address.

    None for a connection with TLS, which is none for us.  Raises `MalformedAttributes`.
    """
    level, reuses, features, expires, rest = _read(endpoint, ("tls_level", "reuse_count", "endpoint_features", "expire_time"))
    number, bits = parse_integer(level), parse_integer(features)
    if rest or number > TlsLevel.MAY:
        return None
    facts = Facts(
        level=_level(number),
        reuses=parse_integer(reuses),
        expires_seconds=float(parse_long(expires)),
        offered=_unpack(bits),
        delays_dot=bool(bits & DELAYS_DOT),
    )
    if facts.reuses < 0:
        raise MalformedAttributes("a connection that was used less than never")
    if not destination:
        return facts
    names = ["destination", "host_name", "host_addr", "host_port", "destination_features"]
    if release < CACHES_PORT:
        names.remove("host_port")
    values = dict(zip(names, _read(destination, tuple(names)), strict=False))
    port = parse_integer(values.get("host_port", "0"))
    if not 0 <= port <= 0xFFFF:
        raise MalformedAttributes(f"no port: {port}")
    return facts._replace(
        host=values["host_name"],
        address=values["host_addr"],
        port=socket.ntohs(port),
        is_best_exchanger=bool(parse_integer(values["destination_features"]) & BEST_EXCHANGER),
    )


def _level(number: int) -> TlsLevel:
    if number not in (0, 1):
        raise MalformedAttributes(f"no level of TLS: {number}")
    return TlsLevel(number)


def _text(value: str) -> str:
    if not value:
        return "*"
    if "\n" in value or "*" in value:
        return base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
    return value


def _sender(place: Place) -> list[str]:
    return [] if place.sender is None else [_text(place.sender)]


def _requirements(place: Place) -> list[str]:
    """REQUIRETLS, for which nothing in clear text is shared, and SMTPUTF8."""
    return ["0", str(int(place.smtputf8))]


def _join(fields: list[str]) -> str:
    return "".join([field + "\n" for field in fields])


def _write(lines: list[tuple[str, str]]) -> str:
    return "".join([f"{name}={value}\n" for name, value in lines]) + "\n"


def _read(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The values of exactly these properties in this order, and what stands behind them."""
    if len(text) > PROPERTY_LIMIT_OCTETS:
        raise MalformedAttributes(f"properties of more than {PROPERTY_LIMIT_OCTETS} octets")
    head, end, rest = text.partition("\n\n")
    values: list[str] = []
    lines = head.split("\n")
    for name, line in zip(names, lines, strict=False):
        found, equals, value = line.partition("=")
        if found != name or not equals:
            raise MalformedAttributes(f"the property {show_octets(line.encode('utf-8', 'replace'))} stands where {name} should")
        values.append(value)
    if not end or len(lines) != len(names):
        raise MalformedAttributes(f"{len(lines)} properties, and not {len(names)}")
    return (*values, rest)


def _pack(offered: Capabilities) -> int:
    bits = _EXTENDED if offered.extended else 0
    for name, bit in _FLAGS.items():
        if getattr(offered, name):
            bits |= bit
    for word in offered.xforward:
        bits |= _XFORWARD.get(word, 0)
    return bits


def _unpack(bits: int) -> Capabilities:
    """What the server offers; Postfix knows nothing of CHUNKING, nor does it keep the limit of SIZE."""
    offered = Capabilities(
        extended=bool(bits & _EXTENDED), xforward=frozenset(word for word, bit in _XFORWARD.items() if bits & bit)
    )
    flags: dict[str, Any] = {name: bool(bits & bit) for name, bit in _FLAGS.items()}
    return replace(offered, **flags)
