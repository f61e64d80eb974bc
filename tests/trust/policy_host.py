"""An HTTPS server for MTA-STS policies on the loopback address, with an authority of its own, and a zone that leads to it."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography.hazmat.primitives.serialization import Encoding

from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.zone import Zone, ZoneResolver
from mailrider.trust.mta_sts_fetch import FetchTerms
from mailrider.trust.mta_sts_finder import StsPolicies
from mailrider.trust.mta_sts_store import PolicyStore
from virtual_time import VirtualClock

from .answering import AnsweringServer

DOMAIN = "dest.test"
ENFORCE = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.dest.test\r\nmx: *.mail.test\r\nmax_age: 604800\r\n"
RECORD = 'v=STSv1; id=one;'


@cache
def folder() -> Path:
    """Where the certificates lie."""
    return Path(mkdtemp(prefix="mailrider-test-"))


@cache
def root() -> Certificate:
    return make_root()


@cache
def authority_file() -> str:
    """The authority of the policy host."""
    path = folder() / "ca.pem"
    path.write_bytes(root().certificate.public_bytes(Encoding.PEM))
    return str(path)


@cache
def context_for(*names: str, ends_days: float = 30.0, by_stranger: bool = False) -> ssl.SSLContext:
    """What a host with a certificate for these names needs."""
    issuer = make_root("Stranger") if by_stranger else root()
    issued = issuer.issue("policy host", names, begins_days=-10.0, ends_days=ends_days)
    return issued.server_context(folder(), f"server-{len(list(folder().iterdir()))}")


def page(body: bytes = ENFORCE, status: int = 200, media_type: str = "text/plain", headers: str = "") -> bytes:
    """An HTTP answer."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"{head}{headers}\r\n".encode() + body


class PolicyHost(AnsweringServer):
    """Gives policies to all who ask.  `heads` are the requests that came in."""

    def __init__(self, *answers: bytes | None, context: ssl.SSLContext | None = None) -> None:
        super().__init__(list(answers or (page(),)), context or context_for(f"mta-sts.{DOMAIN}"))
        self.heads: list[str] = []

    async def hear(self, reader: asyncio.StreamReader) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())

    @property
    def terms(self) -> FetchTerms:
        return FetchTerms(authority_file(), 30.0, self.port)


class Scenery:
    """A domain with a policy host, and who looks for its policy."""

    def __init__(self, host: PolicyHost, directory: str = "", *records: str, limit: int = 100) -> None:
        self.warnings: list[str] = []
        self.zone = Zone(records or (f'_mta-sts.{DOMAIN} TXT "{RECORD}"', f"mta-sts.{DOMAIN} A 127.0.0.1"))
        self.store = PolicyStore(directory, limit, self.warnings.append)
        self.clock = VirtualClock()
        self.finder = StsPolicies(ZoneResolver(self.zone), self.store, host.terms, self.clock, self.warnings.append)

    def announce(self, identity: str) -> None:
        """Another id."""
        self.zone._records[f"_mta-sts.{DOMAIN}"] = [("TXT", f'"v=STSv1; id={identity};"')]
