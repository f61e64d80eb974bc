"""A signed zone, an authoritative server for it and a resolver that validates: nsd and unbound, in a folder of their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import dns.asyncquery
import dns.dnssec
import dns.exception
import dns.message
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from tests.ports import free_ports

PATIENCE_SECONDS = 90.0
"""How long a name server may take to begin."""

HEAD = "$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. root.{zone}. 1 60 60 60 60\n@ NS ns.{zone}.\nns A 127.0.0.1\n"

NSD = """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
remote-control:
    control-enable: no
"""
UNBOUND = """
server:
    interface: 127.0.0.1
    port: {port}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    logfile: "{folder}/unbound.log"
    do-not-query-localhost: no
    module-config: "validator iterator"
    num-threads: 1
    local-zone: "test." nodefault
    val-log-level: 2
remote-control:
    control-enable: no
"""


class NameServers:
    """Serves zones; use it as an asynchronous context manager.  `port` is that of the resolver.

    `signed` and `unsigned` are zone names with records in master file format; `spoilt` is signed, and its addresses are changed
    after that.
    """

    def __init__(self, folder: Path, *, signed: dict[str, str], unsigned: dict[str, str], spoilt: dict[str, str]) -> None:
        self.folder = folder
        self.signed, self.unsigned, self.spoilt = signed, unsigned, spoilt
        self.port, self._authority_port = free_ports(2)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _begin(self) -> None:
        authority = NSD.format(port=self._authority_port, folder=self.folder)
        resolver = UNBOUND.format(port=self.port, folder=self.folder)
        tail = ""
        for name, records in {**self.signed, **self.unsigned, **self.spoilt}.items():
            key = self._write_zone(name, records)
            authority += f'zone:\n    name: {name}\n    zonefile: "{name}.zone"\n'
            resolver += f'    trust-anchor: "{key}"\n' if key else f"    domain-insecure: {name}\n"
            tail += f"stub-zone:\n    name: {name}\n    stub-addr: 127.0.0.1@{self._authority_port}\n"
        server, _, control = resolver.partition("remote-control:")
        anchors = control.partition("control-enable: no\n")[2]
        (self.folder / "nsd.conf").write_text(authority)
        (self.folder / "unbound.conf").write_text(
            f"{server}{anchors}remote-control:\n    control-enable: no\n{tail}"
        )
        await self._start("nsd", "-d", "-c", str(self.folder / "nsd.conf"))
        await self._start("unbound", "-d", "-c", str(self.folder / "unbound.conf"))
        for name in (*self.signed, *self.unsigned):
            await self._wait_for(name)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _write_zone(self, name: str, records: str) -> str:
        """Write the zone file; the key of a signed zone as a record."""
        text = HEAD.format(zone=name) + records
        key = ""
        if name not in self.unsigned:
            zone = dns.zone.from_text(text, origin=f"{name}.", relativize=False)
            private = ec.generate_private_key(ec.SECP256R1())
            public = dns.dnssec.make_dnskey(private.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
            with zone.writer() as writer:
                dns.dnssec.sign_zone(zone, writer, keys=[(private, public)], lifetime=86400, add_dnskey=True, dnskey_ttl=60)
            text = zone.to_text(relativize=False)
            key = f"{name}. DNSKEY {public.to_text()}"
        if name in self.spoilt:
            text = text.replace("127.0.0.1", "127.0.0.9")
        (self.folder / f"{name}.zone").write_text(text)
        return key

    async def _start(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out").open("wb")
        self._stack.callback(log.close)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)

        async def stop() -> None:
            if process.returncode is None:
                process.terminate()
            await process.wait()

        self._stack.push_async_callback(stop)

    async def _wait_for(self, name: str) -> None:
        question = dns.message.make_query(f"{name}.", "SOA", want_dnssec=True)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    answer = await dns.asyncquery.udp(question, "127.0.0.1", port=self.port, timeout=0.5)
                except (dns.exception.DNSException, OSError):
                    continue
                if answer.answer:
                    return
