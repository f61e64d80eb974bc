"""One server that may be tried: a name, an address and how it was found."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Family(enum.Enum):
    """The kind of endpoint; the names are those of `inet_protocols`."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    UNIX = "unix"


class Server(NamedTuple):
    """An endpoint, in the order in which `route` wants it tried.

    `host` is the name that logs and TLS know it by, `address` the numeric address or socket path, `port` 0 for a UNIX-domain
    socket.  `preference` is that of the MX or SRV record, 0 where there was none.  `secure` keeps the AD bit of the
    address answer.  `asked_name` is the name whose addresses were asked for, `canonical_name` the one at the end of its
    CNAME chain; both are empty where the DNS was not asked.
    """

    host: str
    address: str
    port: int
    family: Family
    preference: int = 0
    secure: bool = False
    asked_name: str = ""
    canonical_name: str = ""

    @property
    def name_and_address(self) -> str:
        """`host[address]`, as in `host mx1.example[192.0.2.1] said: ...`."""
        return f"{self.host}[{self.address}]"

    @property
    def relay(self) -> str:
        """`host[address]:port`, as after `relay=` in the log; without a port for a UNIX-domain socket."""
        if self.port:
            return f"{self.host}[{self.address}]:{self.port}"
        return f"{self.host}[{self.address}]"
