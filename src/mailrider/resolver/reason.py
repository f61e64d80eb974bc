"""The words for what went wrong with a question, as smtp(8) logs and bounces them.

Postfix prints what libresolv left in `h_errno`, so there are four failures and no more; what the name servers really did
is lost on the way.  A name server that answers SERVFAIL, REFUSED or NOTIMP is one that did not answer: the next one is asked,
and when none is left the failure is `TRY_AGAIN`.
"""

from __future__ import annotations

import enum

from mailrider.resolver.answer import Answer, Verdict
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname


class Failure(enum.Enum):
    """Why a question has no answer (netdb.h); the values are Postfix's texts."""

    HOST_NOT_FOUND = "Host not found"
    TRY_AGAIN = "Host not found, try again"
    NO_RECOVERY = "Non-recoverable error"
    NO_DATA = "Host found but no data record of requested type"


VERDICTS = {
    Failure.HOST_NOT_FOUND: Verdict.NOT_FOUND,
    Failure.NO_DATA: Verdict.NOT_FOUND,
    Failure.TRY_AGAIN: Verdict.SOFT,
    Failure.NO_RECOVERY: Verdict.HARD,
}


def tell_failure(failure: Failure, name: str, record_type: str, ttl_seconds: int = 0) -> Answer:
    """The answer that says `failure` about one question; `ttl_seconds` is how long that may be remembered."""
    reason = f"Host or domain name not found. Name service error for name={name} type={record_type}: {failure.value}"
    return Answer(VERDICTS[failure], reason=reason, ttl_seconds=ttl_seconds)


def tell_malformed(verdict: Verdict, name: str, record_type: str, warnings: tuple[str, ...] = ()) -> Answer:
    """The answer that says that a name server's reply could not be used."""
    reason = f"Name service error for name={name} type={record_type}: Malformed or unexpected name server reply"
    return Answer(verdict, reason=reason, warnings=warnings)


def tell_null_mx(name: str, ttl_seconds: int = 0) -> Answer:
    """The domain says that it takes no mail (RFC 7505)."""
    return Answer(Verdict.NULL_MX, reason=f"Domain {name} does not accept mail (nullMX)", ttl_seconds=ttl_seconds)


def tell_null_srv(name: str, ttl_seconds: int = 0) -> Answer:
    """The domain says that it does not have the service (RFC 2782, target `.`)."""
    return Answer(Verdict.NULL_SRV, reason=f"Domain {name} does not support SRV requests", ttl_seconds=ttl_seconds)


def tell_loop(name: str) -> Answer:
    """Too many CNAME records; `name` is the last one reached."""
    warning = f"dns_lookup: Name server loop for {name}"
    return Answer(Verdict.NOT_FOUND, reason=f"Name server loop for {name}", warnings=(warning,))


def refuse_name(name: str) -> Answer | None:
    """The answer to a question that must not be asked, because `name` is numeric or no name; None where it may be.

    Some name servers make up an A record for a numeric name, and some resolvers misbehave with a bad one.
    """
    if name == "." or (is_valid_hostname(name, wildcard=True) and not is_valid_address(name)):
        return None
    return Answer(Verdict.NOT_FOUND, reason=f"Name service error for {name}: invalid host or domain name")
