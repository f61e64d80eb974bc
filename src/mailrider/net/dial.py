"""Opening a connection to a server: TCP over IPv4 or IPv6, or a UNIX-domain socket.

The reason of a failure is a value, worded as the system words it (`Connection refused`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from dataclasses import dataclass
from typing import NamedTuple

from mailrider.model import status as status_code
from mailrider.model.server import Family, Server

UNIX_PATH_LIMIT_OCTETS = 107
"""The longest path that sockaddr_un(7) can hold with its terminator."""


@dataclass(frozen=True, slots=True)
class DialTerms:
    """How connections are made.

    `timeout_seconds` 0 leaves it to the system.  `bind_addresses` gives our own address for a family; it is used where it
    can be, and `bind_enforce` makes a connection fail where it cannot (postconf(5), `smtp_bind_address_enforce`).
    `window_octets` sets both socket buffers where it is not 0 (`tcp_windowsize`).
    """

    timeout_seconds: float = 30.0
    bind_addresses: tuple[tuple[Family, str], ...] = ()
    bind_enforce: bool = False
    window_octets: int = 0


class DialFailure(NamedTuple):
    """No connection: `status` and the text as it is logged.  `warning` is what else to say."""

    status: str
    text: str
    warning: str | None = None


class Dialled(NamedTuple):
    """A connected, non-blocking socket."""

    socket: socket.socket
    warning: str | None = None


_CONNECTED = frozenset({0, errno.EISCONN, errno.ECONNRESET})
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN})

_FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6, Family.UNIX: socket.AF_UNIX}


def find_own_address(connected: socket.socket) -> str:
    """Our end of a connection: a numeric address, empty where it has none."""
    try:
        name = connected.getsockname()
    except OSError:
        return ""
    return str(name[0]).partition("%")[0] if isinstance(name, tuple) else ""


async def dial(server: Server, terms: DialTerms) -> Dialled | DialFailure:
    """Connect to `server`."""
    if server.family is Family.UNIX and len(os.fsencode(server.address)) > UNIX_PATH_LIMIT_OCTETS:
        too_long = f"unix-domain name too long: {server.address}"
        return DialFailure(status_code.CONFIGURATION_ERROR, "Server configuration error", too_long)
    try:
        connecting = socket.socket(_FAMILIES[server.family], socket.SOCK_STREAM)
    except OSError as cause:
        return _failure(server, cause)
    warning: str | None = None
    try:
        connecting.setblocking(False)
        _set_options(connecting, server, terms)
        warning = _bind(connecting, server, terms)
        if warning is not None and terms.bind_enforce:
            connecting.close()
            return DialFailure(status_code.NETWORK_ERROR, "server configuration error", warning)
        await _connect(connecting, server, terms.timeout_seconds)
    except OSError as cause:
        connecting.close()
        return _failure(server, cause, warning)
    except asyncio.CancelledError:
        connecting.close()
        raise
    return Dialled(connecting, warning)


async def _connect(connecting: socket.socket, server: Server, timeout_seconds: float) -> None:
    address = server.address if server.family is Family.UNIX else (server.address, server.port)
    error = connecting.connect_ex(address)
    if error == errno.EINPROGRESS:
        error = connecting.connect_ex(address)  # a server on this machine has answered meanwhile
    if error in _CONNECTED:
        return
    if error not in _UNDER_WAY:
        # Those who set out together all try before the first hears that nobody is there, as with a server that is far away:
        # else the first failures would speak for deliveries that had a place in the window (`queue.window`).
        await asyncio.sleep(0)
        raise OSError(error, os.strerror(error))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_seconds or None):
            await loop.sock_connect(connecting, address)
    except ConnectionResetError:
        # Only an established connection can be reset (else it is refused): the server took it and hung up before we
        # looked.  That is a lost connection, and whoever reads next will see its end.
        return
    except TimeoutError as cause:
        # OSError(ETIMEDOUT) is a TimeoutError too: the kernel's own patience.
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from cause


def _set_options(connecting: socket.socket, server: Server, terms: DialTerms) -> None:
    if server.family is Family.UNIX:
        return
    # A group of commands is written at once, so nothing is gained by holding back its end.
    connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if terms.window_octets:
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, terms.window_octets)
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, terms.window_octets)


def _bind(connecting: socket.socket, server: Server, terms: DialTerms) -> str | None:
    """Bind to our own address of this family, if there is one; the reason why that failed."""
    for family, address in terms.bind_addresses:
        if family is server.family:
            try:
                connecting.bind((address, 0))
            except OSError as cause:
                return f"bind {address}: {_words(cause)}"
    return None


def _failure(server: Server, cause: OSError, warning: str | None = None) -> DialFailure:
    return DialFailure(status_code.CONNECT_FAILED, f"connect to {server.relay}: {_words(cause)}", warning)


def _words(cause: OSError) -> str:
    return os.strerror(cause.errno) if cause.errno else str(cause)
