"""Where the doors are: sockets that are bound while there are rights to, and clients that are let in and seen out.

`bind` belongs to start-up and raises `WrongConfiguration`; a unix socket that a dead process left behind is replaced.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.intake.door import Facilities, Register, SmtpDoor
from mailrider.model.request import Transport

BACKLOG = 1024
"""Clients that have come and are not let in yet; the system may allow fewer."""

CONNECTIONS_LIMIT = 1000
"""Of all clients together: ten times the processes that smtpd(8) has by default."""

SOCKET_MODE = 0o666
"""A unix socket is for every user of this host, as sendmail(1) is; the folder it is in may say otherwise."""

LOOK_SECONDS = 1.0
"""How often it is looked for clients that have been silent for too long: their time limits are minutes."""

TRIAL_SECONDS = 1.0
"""How long somebody who listens at a socket may take to show it; connecting waits where he has too much to do."""


class Place(NamedTuple):
    """`path` for a unix socket; else `host` and `port`."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Bound(NamedTuple):
    """A socket that has its place.  `device` and `inode` tell whether the file of a unix socket is still the one it was."""

    place: Place
    transport: Transport
    socket: socket.socket
    file: tuple[int, int] = (0, 0)


def bind(place: Place, transport: Transport, parameter: str) -> list[Bound]:
    """Take a place; a name may have several addresses.  Raises `WrongConfiguration`."""
    try:
        if place.path:
            return [_bind_unix(place, transport)]
        found = socket.getaddrinfo(place.host or None, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        bound: list[Bound] = []
        for family, _, _, _, address in dict.fromkeys(found):
            bound.append(Bound(place, transport, _bind_inet(family, address)))
        return bound
    except OSError as cause:
        raise WrongConfiguration(f"{parameter} = {place}: cannot listen there: {cause.strerror or cause}") from None
    except UnicodeError:
        raise WrongConfiguration(f"{parameter} = {place}: cannot listen there: that is no name of a host") from None


def _bind_inet(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)  # type: ignore[arg-type]
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _bind_unix(place: Place, transport: Transport) -> Bound:
    _remove_left_over(place.path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(place.path)
        os.chmod(place.path, SOCKET_MODE)
        made.listen(BACKLOG)
        made.setblocking(False)
        facts = os.stat(place.path)
    except OSError:
        made.close()
        raise
    return Bound(place, transport, made, (facts.st_dev, facts.st_ino))


def _remove_left_over(path: str) -> None:
    """Nobody listens there any more: the file is in the way.  Raises `OSError` where somebody does."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return  # bind will say what is wrong
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(TRIAL_SECONDS)
        try:
            trial.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


class Listener:
    """Lets clients in.  `facilities` may be replaced at any time: clients that come from then on get the new ones.

    `is_excepted` tells for an address whether `connection_limit`, that of one client, does not count.
    """

    def __init__(self, bound: Sequence[Bound]) -> None:
        self._bound = tuple(bound)
        self._register = Register()
        self._servers: list[asyncio.Server] = []
        self._looking: asyncio.TimerHandle | None = None
        self.facilities: Facilities | None = None
        self.connection_limit = 0
        self.is_excepted: Callable[[str], bool] = lambda address: False

    @property
    def places(self) -> tuple[str, ...]:
        """Where it listens, for the log."""
        return tuple(
            f"{bound.transport.value} at {bound.place if bound.place.path else _address_of(bound.socket)}"
            for bound in self._bound
        )

    async def start(self) -> None:
        """Let clients in."""
        loop = asyncio.get_running_loop()
        for bound in self._bound:
            factory = self._factory(bound.transport)
            if bound.place.path:
                server: asyncio.Server = await loop.create_unix_server(factory, sock=bound.socket, backlog=BACKLOG)
            else:
                server = await loop.create_server(factory, sock=bound.socket, backlog=BACKLOG)
            self._servers.append(server)
        self._look()

    def _factory(self, transport: Transport) -> Callable[[], SmtpDoor]:
        def make() -> SmtpDoor:
            assert self.facilities is not None
            return SmtpDoor(self.facilities, self._register, transport, self._refuse)

        return make

    def _refuse(self, address: str, connections: int) -> str:
        assert self.facilities is not None
        too_many = self.connection_limit and connections > self.connection_limit and not self.is_excepted(address)
        if too_many or len(self._register.doors) > CONNECTIONS_LIMIT:
            return f"421 4.7.0 {self.facilities.terms.host_name} Error: too many connections from {address}"
        return ""

    def _look(self) -> None:
        now = time.monotonic()
        for door in tuple(self._register.doors):
            door.look_at_time(now)
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    async def close(self, grace_seconds: float) -> None:
        """Let nobody in any more; those who are in hear 421 as soon as what they have finished is kept."""
        for server in self._servers:
            server.close()
        for door in tuple(self._register.doors):
            door.shut()
        end = time.monotonic() + grace_seconds
        while self._register.doors and time.monotonic() < end:
            await asyncio.sleep(0.02)
        for door in tuple(self._register.doors):
            door.abort()
        if self._looking is not None:
            self._looking.cancel()
        if self.facilities is not None:
            self.facilities.names.close()
        self.discard()

    def discard(self) -> None:
        """Give the places up."""
        for bound in self._bound:
            bound.socket.close()
            if bound.place.path:
                _remove_own(bound)


def _remove_own(bound: Bound) -> None:
    try:
        facts = os.lstat(bound.place.path)
        if (facts.st_dev, facts.st_ino) == bound.file:
            os.unlink(bound.place.path)
    except OSError:
        pass  # a folder that is not ours to write in: the next start removes it


def _address_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return str(Place(host, port))
