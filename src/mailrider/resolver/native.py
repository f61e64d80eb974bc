"""The native name service: getaddrinfo(3), which reads /etc/hosts and whatever nsswitch.conf(5) names.

It blocks, so it is asked in a thread.  Errors keep the words of gai_strerror(3).
"""

from __future__ import annotations

import asyncio
import socket

from mailrider.model.server import Family
from mailrider.resolver.answer import RECORDS_LIMIT, HostAddresses

_FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6, None: socket.AF_UNSPEC}
_RETRY = frozenset({socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM})
# EAI_NODATA is not here: the headers hide it from Postfix, which therefore takes "No address associated with hostname"
# for a broken service and answers 5.3.0.
_UNKNOWN = frozenset({socket.EAI_AGAIN, socket.EAI_NONAME})


async def ask_native(host: str, family: Family | None = None) -> HostAddresses:
    """The addresses of `host`, of one family or of all; `ask_system` in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, ask_system, host, family)


def ask_system(host: str, family: Family | None = None) -> HostAddresses:
    """The addresses of `host` in the order of the system (RFC 6724); blocks for as long as the system likes.

    Numeric hosts answer themselves.  Never raises for what the name service says.
    """
    if not host or not host.isascii() or "\0" in host:
        return HostAddresses((), error="Name or service not known", not_found=True)
    try:
        # As octets: text would go through Python's own IDNA codec, which raises for names that are merely odd.
        found = socket.getaddrinfo(host.encode("ascii"), None, _FAMILIES[family], socket.SOCK_STREAM)
    except socket.gaierror as trouble:
        code = trouble.args[0]
        return HostAddresses((), error=str(trouble.args[1]), retry=code in _RETRY, not_found=code in _UNKNOWN)
    except OSError as trouble:  # EAI_SYSTEM: the error is in errno
        return HostAddresses((), error=trouble.strerror or str(trouble), retry=True)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found if entry[0] in (socket.AF_INET, socket.AF_INET6))
    return HostAddresses(tuple(addresses)[:RECORDS_LIMIT])
