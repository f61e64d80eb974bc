"""Next hops as operators write them: `example.test`, `[mx.example.test]:587`, `unix:/run/lmtp`, and lists of those.

An element is `host`, `host:service`, `[host]` or `[host]:service`, split at the last colon; in brackets stands a name or an
address, an IPv6 address with or without `ipv6:` before it.  Brackets say "this very host": no MX or SRV records.  Elements
are separated by commas and white space.  LMTP also knows `unix:` with a path (one, and no list) and an `inet:` that
means nothing.  The rules and the words for what is wrong are those of smtp(8), which stops at an error; here it is
`WrongUsage`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname, is_valid_ipv6, to_ascii
from mailrider.route.ports import find_port, is_number

UNIX_PREFIX = "unix:"
INET_PREFIX = "inet:"
_IPV6_PREFIX = "ipv6:"
_SEPARATORS = re.compile(r"[, \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Destination:
    """One element of a next hop.

    `text` is the element as it was written, which tables and cache keys want; `host` is the name or address without
    brackets and prefix; `service` the text after the colon or the default.  A UNIX-domain socket has a `path` (relative
    ones are meant from the queue directory) and neither host nor port.
    """

    text: str
    host: str
    port: int
    service: str
    bracketed: bool = False
    path: str = ""


def parse_nexthop(
    text: str, transport: Transport, default_service: str, known_ports: Mapping[str, int]
) -> tuple[Destination, ...]:
    """Take a next hop apart; at least one destination comes back.

    Raises `WrongUsage`, one sentence that names the element, for anything that is no destination, and for an empty list.
    """
    if transport is Transport.LMTP:
        if text.startswith(UNIX_PREFIX):
            path = text.removeprefix(UNIX_PREFIX)
            if not path or "\0" in path:
                raise WrongUsage(f"missing path in server description: {_show(text)}")
            return (Destination(text, "", 0, "", path=path),)
        text = text.removeprefix(INET_PREFIX)
    destinations = parse_destinations(split_elements(text), default_service, known_ports)
    if not destinations:
        raise WrongUsage(f"null destination: {text!r}")
    return destinations


def split_elements(text: str) -> tuple[str, ...]:
    """The elements of a list as they are written."""
    return tuple(element for element in _SEPARATORS.split(text) if element)


def parse_destinations(
    elements: Sequence[str], default_service: str, known_ports: Mapping[str, int]
) -> tuple[Destination, ...]:
    """Read elements that are separate already, such as fallback relays; there may be none.  Raises `WrongUsage`."""
    return tuple(parse_destination(each, default_service, known_ports) for each in elements)


def parse_destination(element: str, default_service: str, known_ports: Mapping[str, int]) -> Destination:
    """Read one element.  Raises `WrongUsage`."""
    try:
        host, service = _split_host_and_service(element)
        service = service or default_service
        port = find_port(service, known_ports)
    except WrongUsage as fault:
        raise WrongUsage(f"{fault} in server description: {_show(element)}") from None
    return Destination(element, host, port, service, bracketed=element.startswith("["))


def _split_host_and_service(element: str) -> tuple[str, str]:
    """Host and service, the latter empty where none is given; the fault of a bad element is all that `WrongUsage` says."""
    if element.startswith("["):
        inside, bracket, rest = element[1:].partition("]")
        if not bracket:
            raise WrongUsage('missing "]"')
        if rest and not rest.startswith(":"):
            raise WrongUsage('garbage after "]"')
        host, service = inside, rest[1:]
        if inside[: len(_IPV6_PREFIX)].lower() == _IPV6_PREFIX:
            host = inside[len(_IPV6_PREFIX) :]
            if not is_valid_ipv6(host):
                raise WrongUsage("malformed IPv6 address")
    else:
        host, colon, service = element.rpartition(":")
        if not colon:
            host, service = element, ""
        if not host:
            raise WrongUsage("missing host information")
    if not (is_valid_hostname(to_ascii(host) or "") or is_valid_address(host)):
        raise WrongUsage("valid hostname or network address required")
    if service[:1].isdigit() and not is_number(service):
        raise WrongUsage("garbage after numerical service")
    return host, service


def _show(text: str) -> str:
    return text if text.isprintable() else repr(text)
