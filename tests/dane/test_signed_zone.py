"""DANE against a zone that is really signed, by way of a resolver that really validates."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer

from .nameservers import NameServers

pytestmark = [
    pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed (Debian package {program})")
    for program in ("nsd", "unbound")
]

HOST = "mx.{}"
MX = "@ MX 10 mx\nmx A 127.0.0.1\n"
SIGNED = ("ee.test", "wrong.test", "ta.test", "none.test", "unusable.test", "alias.test")


async def deliver(folder: Path, resolver_port: int, domain: str, port: int, level: str) -> dict[str, str]:
    """One message to `domain`; its row, and the log."""
    message = folder / "message"
    message.write_bytes(b"Subject: x\n\ntext\n")
    settings = {
        "dns_nameservers": f"127.0.0.1:{resolver_port}",
        "smtp_dns_support_level": "dnssec",
        "smtp_tls_security_level": level,
        "smtp_tls_loglevel": "1",
        "dnssec_probe": "",
        "myhostname": "me.example.test",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailrider", "deliver", "-c", str(folder), *options, "--nexthop", f"{domain}:{port}",
        "--sender", "a@example.test", "--recipient", f"b@{domain}", str(message),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, log = await process.communicate()
    assert told, log.decode()
    row = json.loads(told)
    return {**row, "log": log.decode()}


def test_what_becomes_of_mail_to_zones_of_all_kinds(tmp_path: Path) -> None:
    """One run for all of them, because name servers take their time to begin."""
    asyncio.run(asyncio.wait_for(try_all(tmp_path), 120))


async def try_all(folder: Path) -> None:
    root = make_root()
    server = root.issue("mx.ee.test", ["mx.ee.test", "mx.ta.test", "mx.alias.test"])
    chained = type(server)(server.certificate, server.key, (root.certificate,))
    (folder / "main.cf").write_text("")
    async with ScriptedServer(tls=chained.server_context(folder)) as peer:
        owner = f"_{peer.port}._tcp.mx"
        good = f"3 1 1 {hashlib.sha256(server.key_der).hexdigest()}"
        signed = {
            "ee.test": f"{MX}{owner} TLSA {good}\n",
            "wrong.test": f"{MX}{owner} TLSA 3 1 1 {'ab' * 32}\n",
            "ta.test": f"{MX}{owner} TLSA 2 0 1 {hashlib.sha256(root.der).hexdigest()}\n",
            "none.test": MX,
            "unusable.test": f"{MX}{owner} TLSA 1 1 1 {'ab' * 32}\n",
            "alias.test": f"@ MX 10 mx\nmx CNAME real\nreal A 127.0.0.1\n_{peer.port}._tcp.real TLSA {good}\n",
        }
        unsigned = {"plain.test": f"{MX}{owner} TLSA 3 1 1 {'ab' * 32}\n"}
        spoilt = {"spoilt.test": f"{MX}{owner} TLSA {good}\n"}
        async with NameServers(folder, signed=signed, unsigned=unsigned, spoilt=spoilt) as names:
            for domain, level, status, text in (
                ("ee.test", "dane-only", "sent 2.0.0", "Verified TLS connection established"),
                ("ta.test", "dane-only", "sent 2.0.0", "Verified TLS connection established"),
                ("alias.test", "dane-only", "sent 2.0.0", "Verified TLS connection established"),
                ("wrong.test", "dane", "deferred 4.7.5", "Server certificate not verified"),
                ("none.test", "dane-only", "deferred 4.7.5", "no TLSA records found"),
                ("none.test", "dane", "sent 2.0.0", "Untrusted TLS connection established"),
                ("unusable.test", "dane", "sent 2.0.0", "unsupported TLSA certificate usage"),
                ("plain.test", "dane-only", "deferred 4.7.5", "non DNSSEC destination"),
                ("plain.test", "dane", "sent 2.0.0", "Untrusted TLS connection established"),
                ("spoilt.test", "dane", "deferred 4.4.3", "try again"),
            ):
                row = await deliver(folder, names.port, domain, peer.port, level)
                assert (domain, f"{row['status']} {row['dsn']}") == (domain, status), row["log"]
                assert text in row["log"] + row["text"], (domain, row["log"])
