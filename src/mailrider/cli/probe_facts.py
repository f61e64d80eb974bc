"""What `mailrider probe` has seen, as plain values: the JSON that it prints, and what its tree is drawn from.

Keys are never left out for want of a value: what was not there is null or empty.  Texts from outside are printable.
"""

from __future__ import annotations

from typing import Any

from mailrider.delivery.inspection import DestinationReport, Forecast, Inspection, ServerReport
from mailrider.delivery.trouble import Disposition, Failure
from mailrider.model.printable import make_printable
from mailrider.model.tls import TlsFacts
from mailrider.resolver.answer import Record, Verdict
from mailrider.resolver.recording import Asked
from mailrider.tls import certificate as certificates
from mailrider.trust.policy import NoPolicy, Policy

Facts = dict[str, Any]

_WORDS = {
    None: "delivered",
    Disposition.DEFER: "deferred",
    Disposition.SOFT_BOUNCE: "deferred",
    Disposition.BOUNCE: "bounced",
}


def describe_inspection(found: Inspection) -> Facts:
    """All of it."""
    return {
        "nexthop": found.nexthop,
        "verdict": _describe_forecast(found.forecast),
        "dns": [_describe_question(asked) for asked in found.questions],
        "destinations": [_describe_destination(each) for each in found.destinations],
        "notes": [make_printable(note) for note in found.notes],
    }


def _describe_forecast(forecast: Forecast | None) -> Facts | None:
    if forecast is None:
        return None
    server = forecast.server
    return {
        "outcome": _WORDS[forecast.disposition],
        "relay": server.relay if server is not None else None,
        "reason": _describe_failure(forecast.failure),
    }


def _describe_failure(failure: Failure | None) -> Facts | None:
    return {"status": failure.status, "text": make_printable(failure.text)} if failure is not None else None


def _describe_question(asked: Asked) -> Facts:
    answer = asked.answer
    found = answer.verdict is Verdict.FOUND
    return {
        "name": make_printable(asked.name),
        "type": "/".join(asked.types),
        "verdict": answer.verdict.name.lower().replace("_", " "),
        "validated": all(record.secure for record in answer.records) if found and asked.dnssec else None,
        "records": [_describe_record(record) for record in answer.records],
        "reason": make_printable(answer.reason),
        "ttl": answer.ttl_seconds,
    }


def _describe_record(record: Record) -> str:
    numbers = ""
    if record.type in ("MX", "SRV"):
        numbers = f"{record.preference} "
    if record.type == "SRV":
        numbers += f"{record.weight} {record.port} "
    return f"{record.type} {numbers}{make_printable(record.data)}"


def _describe_destination(report: DestinationReport) -> Facts:
    return {
        "destination": report.text,
        "fallback": report.is_fallback,
        "failure": _describe_failure(report.failure),
        "servers": [_describe_server(each) for each in report.servers],
        "beyond_limit": [server.relay for server in report.left_out],
    }


def _describe_server(report: ServerReport) -> Facts:
    server = report.server
    login = report.login
    before, after = split_features(report.dialogue)
    return {
        "relay": server.relay,
        "host": server.host,
        "address": server.address,
        "port": server.port,
        "preference": server.preference,
        "address_validated": server.secure,
        "policy": _describe_policy(report.policy),
        "obstacle": make_printable(report.obstacle),
        "connected": report.connected,
        "ready": report.ready,
        "failure": _describe_failure(report.failure),
        "seconds": round(report.seconds, 3),
        "ehlo_before_tls": before,
        "ehlo_after_tls": after,
        "tls": _describe_tls(report.tls, report.chain),
        "login": {"user": login.user, "mechanism": login.mechanism, "reason": make_printable(login.reason)} if login else None,
        "dialogue": [f"{side}: {make_printable(line)}" for side, line in report.dialogue],
        "notes": [make_printable(note) for note in report.notes],
    }


def split_features(dialogue: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """What the server announced before STARTTLS and after; in a session without, all is before."""
    before: list[str] = []
    after: list[str] = []
    now, listening = before, False
    for side, line in dialogue:
        if side == "C":
            verb = line[:8].upper()
            listening = verb.startswith(("EHLO", "LHLO", "HELO"))
            now = after if verb == "STARTTLS" else now
            if listening:
                now.clear()
        elif listening and line[:3] == "250":
            now.append(make_printable(line[4:]))
    return before, after


def _describe_policy(policy: Policy | NoPolicy) -> Facts:
    if isinstance(policy, NoPolicy):
        error = {"status": policy.status, "text": make_printable(policy.text)}
        return {"level": None, "source": None, "kind": None, "error": error}
    terms = policy.terms
    return {
        "level": policy.level.word,
        "requested": policy.requested.word if policy.requested is not None else policy.level.word,
        "reason": make_printable(policy.reason),
        "source": make_printable(str(policy.source)),
        "kind": policy.source.kind.value,
        "key": make_printable(policy.source.key),
        "names": list(terms.names) if terms is not None else [],
        "server_name": terms.server_name if terms is not None else "",
        "records": [str(record) for record in terms.records] if terms is not None else [],
        "mx_patterns": list(policy.mx_patterns),
        "published": [make_printable(line) for line in policy.external.strings] if policy.external is not None else [],
        "published_failure": policy.external.failure if policy.external is not None else "",
        "error": None,
    }


def _describe_tls(facts: TlsFacts | None, chain: tuple[bytes, ...]) -> Facts | None:
    if facts is None:
        return None
    peer = facts.peer
    return {
        "protocol": facts.protocol,
        "cipher": facts.cipher,
        "bits": facts.cipher_bits,
        "key_exchange": facts.key_exchange,
        "signature": facts.signature,
        "server_name": facts.server_name,
        "standing": peer.standing.value,
        "matched": peer.matched,
        "matched_by": make_printable(peer.matched_by),
        "problem": make_printable(peer.problem),
        "fingerprint": peer.certificate_digest,
        "key_fingerprint": peer.key_digest,
        "chain": [_describe_certificate(der) for der in chain],
    }


def _describe_certificate(der: bytes) -> Facts:
    loaded = certificates.load(der)
    if loaded is None:
        return {"subject": None, "issuer": None, "names": [], "from": None, "to": None}
    names = certificates.names_of(loaded)
    return {
        "subject": certificates.describe(loaded, of_issuer=False),
        "issuer": certificates.describe(loaded, of_issuer=True),
        "names": [make_printable(name) for name in names.dns],
        "from": loaded.not_valid_before_utc.isoformat(),
        "to": loaded.not_valid_after_utc.isoformat(),
    }
