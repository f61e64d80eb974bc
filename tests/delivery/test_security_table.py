"""Every level against every kind of server: what becomes of a message.  The table in docs/security.md is made here.

With `MAILRIDER_WRITE_TABLE` in the environment the table in the document is written anew instead of being compared.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from mailrider.model.outcome import Outcome, Status
from mailrider.resolver.answer import Answer, HostAddresses, Record, Search, Verdict
from mailrider.route.exchangers import Found
from mailrider.testkit.authority import Certificate, make_root, make_self_signed
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import Scene, server_of

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- table: made by tests/delivery/test_security_table.py -->", "<!-- end of table -->"
HOST = "mx.example.test"

ROOT = make_root("Root")
GOOD = ROOT.issue(HOST, [HOST])

SERVERS: Mapping[str, Certificate | None] = {
    "valid": GOOD,
    "self-signed": make_self_signed(HOST, [HOST]),
    "expired": ROOT.issue(HOST, [HOST], begins_days=-9, ends_days=-1),
    "wrong name": ROOT.issue("other.test", ["other.test"]),
    "unknown CA": make_root("Nobody").issue(HOST, [HOST]),
    "no STARTTLS": None,
    "STARTTLS refused": GOOD,
    "handshake broken": GOOD,
}

RULES: Mapping[str, tuple[Rule, ...]] = {
    "STARTTLS refused": (Rule(match="^STARTTLS", reply="454 4.7.0 TLS not available"),),
    "handshake broken": (Rule(match="^STARTTLS", reply="220 2.0.0 go", then="close"),),
}

LEVELS: Mapping[str, Mapping[str, object]] = {
    "none": {},
    "may": {"smtp_tls_security_level": "may"},
    "may, waiting mail": {"smtp_tls_security_level": "may"},
    "encrypt": {"smtp_tls_security_level": "encrypt"},
    "dane, no TLSA": {"smtp_tls_security_level": "dane"},
    "dane, TLSA 3 1 1": {"smtp_tls_security_level": "dane"},
    "dane, TLSA 2 0 0": {"smtp_tls_security_level": "dane"},
    "dane, unusable TLSA": {"smtp_tls_security_level": "dane"},
    "dane-only, no TLSA": {"smtp_tls_security_level": "dane-only"},
    "dane-only, TLSA 3 1 1": {"smtp_tls_security_level": "dane-only"},
    "half-dane, TLSA 3 1 1": {"smtp_tls_security_level": "dane", "smtp_tls_dane_insecure_mx_policy": "dane"},
    "fingerprint": {"smtp_tls_security_level": "fingerprint"},
    "verify": {"smtp_tls_security_level": "verify"},
    "secure": {"smtp_tls_security_level": "secure"},
}


class SignedZone:
    """A validated zone in which the server has the records of a column."""

    def __init__(self, tlsa: tuple[str, ...]) -> None:
        self.tlsa = tlsa

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        records = tuple(Record("TLSA", name, data, secure=True) for data in self.tlsa)
        return Answer(Verdict.FOUND, records) if types == ("TLSA",) and records else Answer(Verdict.NOT_FOUND)

    async def ask_host(self, host: str, family: object = None) -> HostAddresses:
        return HostAddresses((), "not found", not_found=True)


def records_for(level: str, certificate: Certificate | None) -> tuple[str, ...]:
    certificate = certificate or GOOD
    if "3 1 1" in level:
        return (f"3 1 1 {hashlib.sha256(certificate.key_der).hexdigest()}",)
    if "2 0 0" in level:
        return (f"2 0 0 {ROOT.der.hex()}",)
    return ("3 1 1 abcd",) if "unusable" in level else ()


def describe(outcome: Outcome, encrypted: list[bool]) -> str:
    """One cell."""
    if outcome.status is Status.SENT:
        return "sent, TLS" if encrypted[-1] else "sent in clear"
    return f"{outcome.status.value} {outcome.status_code}"


async def try_one(folder: Path, level: str, kind: str) -> str:
    certificate = SERVERS[kind]
    (folder / "root.pem").write_bytes(ROOT.pem)
    settings = {
        "smtp_dns_support_level": "dnssec",
        "smtp_tls_CAfile": str(folder / "root.pem"),
        "smtp_tls_secure_cert_match": "hostname",
        "smtp_tls_fingerprint_cert_match": hashlib.sha256((certificate or GOOD).der).hexdigest(),
        "smtp_tls_fingerprint_digest": "sha256",
        **LEVELS[level],
    }
    tls = certificate.server_context(folder) if certificate is not None else None
    async with ScriptedServer(*RULES.get(kind, ()), tls=tls) as peer:
        server = server_of(peer, HOST)._replace(secure=True, asked_name=HOST, canonical_name=HOST)
        exchanger = Record("MX", "example.test", HOST, 10, secure="half" not in level)
        routes = {"example.test": Found((server,), exchanger=exchanger)}
        async with Scene(routes=routes, resolver=SignedZone(records_for(level, certificate)), **settings) as scene:
            age_seconds = 1000.0 if "waiting" in level else 0.0
            await scene.deliver("example.test", arrival_seconds=scene.clock.wall_seconds() - age_seconds)
            ((_, outcome),) = scene.keeper.settled
        return describe(outcome, [session.encrypted_from is not None for session in peer.sessions] or [False])


def make_table(folder: Path) -> str:
    async def fill() -> list[str]:
        lines = ["| level | " + " | ".join(SERVERS) + " |", "|---" * (len(SERVERS) + 1) + "|"]
        for level in LEVELS:
            cells = [await try_one(folder, level, kind) for kind in SERVERS]
            lines.append(f"| {level} | " + " | ".join(cells) + " |")
        return lines

    return "\n".join(run(fill()))


def test_the_table_in_the_document_is_what_happens(tmp_path: Path) -> None:
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    table = make_table(tmp_path)
    if os.environ.get("MAILRIDER_WRITE_TABLE"):
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", "utf-8")
    else:
        assert table == written.strip()


def test_nothing_that_must_be_encrypted_goes_in_clear_in_the_table() -> None:
    rows = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| ")]
    strong = [row for row in rows if row.startswith(("| encrypt", "| dane-only", "| half", "| fing", "| verify", "| secure"))]
    strong += [row for row in rows if row.startswith("| dane, ") and "no TLSA" not in row]
    assert len(strong) == 10
    assert not [row for row in strong if "in clear" in row]
