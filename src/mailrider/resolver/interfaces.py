"""The addresses of this host's interfaces, as getifaddrs(3) tells them: those that are up, without the wildcard ones.

The C function is called directly, because the standard library has no way to ask for addresses of both families.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterator

from mailrider.errors import WrongConfiguration

_IFF_UP = 1
INTERFACES_LIMIT = 100_000
"""Entries looked at; the list of the C library ends by itself, this only makes sure."""


class _Entry(ctypes.Structure):
    """`struct ifaddrs`, as far as it is the same everywhere."""


_Entry._fields_ = [
    ("next", ctypes.POINTER(_Entry)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def read_interface_addresses() -> tuple[str, ...]:
    """All addresses of this host in the order of the system; link-local ones without their zone.

    Raises `WrongConfiguration` where the system does not tell.
    """
    library = ctypes.CDLL(None, use_errno=True)
    try:
        getifaddrs, freeifaddrs = library.getifaddrs, library.freeifaddrs
    except AttributeError as trouble:
        raise WrongConfiguration("this system cannot tell its interface addresses: list them in inet_interfaces") from trouble
    freeifaddrs.argtypes = [ctypes.POINTER(_Entry)]
    freeifaddrs.restype = None
    head = ctypes.POINTER(_Entry)()
    if getifaddrs(ctypes.byref(head)) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise WrongConfiguration(f"this system does not tell its interface addresses ({reason}): list them in inet_interfaces")
    try:
        return tuple(dict.fromkeys(_addresses(head)))
    finally:
        freeifaddrs(head)


def _addresses(head: ctypes._Pointer[_Entry]) -> Iterator[str]:
    """The addresses of a list of interfaces."""
    current = head
    for _ in range(INTERFACES_LIMIT):
        if not current:
            return
        entry = current.contents
        if entry.flags & _IFF_UP and entry.address:
            address = _read_socket_address(entry.address)
            if address not in (None, "0.0.0.0", "::"):
                yield str(address)
        current = entry.next


def _read_socket_address(place: int) -> str | None:
    """The address in a `struct sockaddr`, or None for families without one."""
    # BSD has the length in the first octet and the family in the second; elsewhere both make one number.
    if sys.platform == "linux":
        family = int.from_bytes(ctypes.string_at(place, 2), sys.byteorder)
    else:
        family = ctypes.string_at(place + 1, 1)[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, ctypes.string_at(place + 4, 4))
    if family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, ctypes.string_at(place + 8, 16))
    return None
