"""What a session says about the TLS of a destination, for reports to it (RFC 8460 §4.3).

A destination that wants reports publishes a TXT record at `_smtp._tls.<domain>`; nobody else is counted.  One event is told for
each server that was reached: under which policy (DANE, MTA-STS, or none that was found), and success or what went wrong, in the
words of the RFC.  A server that could not be reached says nothing about TLS, nor does mail with `TLS-Required: no`.

A policy in mode testing demands nothing, and is judged here all the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailrider.delivery.security import SecureTurn
from mailrider.delivery.session import NoSession, Session
from mailrider.events import TlsJudged
from mailrider.model.server import Server
from mailrider.model.tls import Standing, TlsFacts, TlsLevel
from mailrider.resolver.answer import Resolver, Verdict
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname, to_ascii
from mailrider.tls import certificate as certificates
from mailrider.tls.names import find_match
from mailrider.trust.policy import Policy, SourceKind, fits_mx_pattern

NO_POLICY = "no-policy-found"
STS = "sts"
TLSA = "tlsa"

NOT_SUPPORTED = "starttls-not-supported"
HOST_MISMATCH = "certificate-host-mismatch"
EXPIRED = "certificate-expired"
NOT_TRUSTED = "certificate-not-trusted"
FAILED = "validation-failure"

RECORD_LIMIT_CHARACTERS = 2000
"""A record that is longer is nobody's address."""

_REFUSALS = ("TLS is required, but", "Sender requested REQUIRETLS, but")

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;")


class Verdict8460(NamedTuple):
    """`result` is empty for success, else a word of RFC 8460; `detail` is ours."""

    result: str = ""
    detail: str = ""


async def find_report_record(resolver: Resolver, domain: str) -> str:
    """The record by which a domain asks for reports; empty where there is none, or more than one (RFC 8460 §3)."""
    answer = await resolver.ask(f"_smtp._tls.{domain}", ("TXT",))
    if answer.verdict is not Verdict.FOUND:
        return ""
    meant = [record.data for record in answer.records if _RECORD.match(record.data)]
    return meant[0] if len(meant) == 1 and len(meant[0]) <= RECORD_LIMIT_CHARACTERS else ""


class Reporting:
    """Judges sessions for one transport.  `skips_resumed` is `smtp_tlsrpt_skip_reused_handshakes`."""

    __slots__ = ("_resolver", "_skips_resumed")

    def __init__(self, resolver: Resolver, *, skips_resumed: bool) -> None:
        self._resolver = resolver
        self._skips_resumed = skips_resumed

    async def judge(
        self, domain: str, server: Server, turn: SecureTurn, opened: Session | NoSession, now_seconds: float
    ) -> TlsJudged | None:
        """What there is to tell about a session; None where there is nothing."""
        policy = turn.policy
        name = (to_ascii(domain) or "").lower()
        if not server.port or is_valid_address(name) or not is_valid_hostname(name):
            return None
        if policy.level is TlsLevel.NONE or policy.source.kind in (SourceKind.MESSAGE, SourceKind.FALLBACK):
            return None
        if turn.facts is not None and turn.facts.resumed and self._skips_resumed:
            return None
        verdict = judge_session(server, turn, opened)
        if verdict is None:
            return None
        record = await find_report_record(self._resolver, name)
        if not record:
            return None
        session = opened if isinstance(opened, Session) else opened.session
        kind, policy_domain, strings, patterns = describe_policy(policy, name)
        return TlsJudged(
            wall_seconds=now_seconds, domain=name, record=record, policy_type=kind, policy_domain=policy_domain,
            policy_strings=strings, mx_patterns=patterns, server=server, result=verdict.result, detail=verdict.detail,
            sending_address=session.own_address if session is not None else "",
        )  # fmt: skip


def describe_policy(policy: Policy, domain: str) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """Type, domain, text and MX patterns of a policy as reports have them (RFC 8460 §4.4)."""
    terms, external = policy.terms, policy.external
    if policy.level.uses_dane and terms is not None:
        strings = tuple(
            f"{record.usage} {record.selector} {record.matching} {record.data.hex()}" for record in terms.records
        )
        return TLSA, terms.server_name or domain, strings, ()
    if external is not None and external.type == STS:
        return STS, external.domain or domain, external.strings, external.mx_patterns
    return NO_POLICY, domain, (), ()


def judge_session(server: Server, turn: SecureTurn, opened: Session | NoSession) -> Verdict8460 | None:
    """How TLS went; None where the conversation never came to it."""
    facts, policy = turn.facts, turn.policy
    if facts is not None:
        return _judge_peer(server, policy, facts)
    if turn.channel is not None:
        return Verdict8460(FAILED, "TLS handshake failed")
    if isinstance(opened, Session):
        return Verdict8460(NOT_SUPPORTED)
    if opened.session is not None and opened.failure.text.startswith(_REFUSALS):
        return Verdict8460(NOT_SUPPORTED)
    return None


def _judge_peer(server: Server, policy: Policy, facts: TlsFacts) -> Verdict8460:
    external = policy.external
    if external is not None and external.failure:
        return Verdict8460(external.failure)
    peer = facts.peer
    if facts.level.must_match:
        return Verdict8460() if peer.matched else Verdict8460(name_problem(peer.problem), peer.problem)
    if external is None or external.type != STS or not external.mx_patterns:
        return Verdict8460()
    if not any(fits_mx_pattern(pattern, server.host) for pattern in external.mx_patterns):
        return Verdict8460(HOST_MISMATCH, f"MX name {server.host} is not in the policy")
    if peer.standing in (Standing.UNTRUSTED, Standing.ANONYMOUS):
        return Verdict8460(name_problem(peer.problem), peer.problem)
    leaf = certificates.load(peer.certificate)
    if leaf is None or find_match(certificates.names_of(leaf), [server.host], multiple_labels=False) is None:
        return Verdict8460(HOST_MISMATCH, f"certificate is not for {server.host}")
    return Verdict8460()


def name_problem(problem: str) -> str:
    """The word of RFC 8460 for what the log says of a certificate."""
    if "num=62:" in problem:
        return HOST_MISMATCH
    if "expired" in problem or "not yet valid" in problem:
        return EXPIRED
    if "num=65:" in problem:
        return FAILED
    return NOT_TRUSTED
