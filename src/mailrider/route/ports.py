"""From a service name or number to a port: `known_tcp_ports` first, then services(5)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from mailrider.errors import WrongUsage
from mailrider.settings.kinds import PORT_LIMIT


def find_port(service: str, known_ports: Mapping[str, int], look_up: Callable[[str, str], int] = socket.getservbyname) -> int:
    """The TCP port of a service as a next hop or `smtp_tcp_port` names it.

    Raises `WrongUsage` for a number that is no port and for a name that nobody knows.  `look_up` is getservbyname(3).
    """
    if not is_number(service):
        port = known_ports.get(service)
        if port is None:
            try:
                return look_up(service, "tcp")
            except (OSError, ValueError):  # ValueError: a character that no service name can have
                raise WrongUsage(f"unknown service: {service}/tcp") from None
    else:
        port = int(service) if len(service) < 20 else PORT_LIMIT + 1
    if not 0 < port <= PORT_LIMIT:
        raise WrongUsage(f"bad network port: {service}")
    return port


def is_number(text: str) -> bool:
    """True for a text of ASCII digits only."""
    return text.isascii() and text.isdigit()
