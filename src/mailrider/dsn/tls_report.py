"""TLS reports as text (RFC 8460 §4, §5.3): from sessions to one JSON document per destination and day, and the mail around it.

Sessions come as the journal has them (`observe.tls_reports`).  Nothing here asks for the time: a report of the same sessions is
the same report.  Signatures on reports by mail are made by `signature`.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]

POLICIES_LIMIT = 50
DETAILS_LIMIT = 200
"""Different policies in a report, and failures of one; a destination that changes faster gets the first ones."""

DESTINATIONS_LIMIT = 10
"""Addresses that one record may name."""

_RUA = re.compile(r";[ \t]*rua=([^;]*)")
_ADDRESS = re.compile(r"mailto:([^\s<>\"?,%!]{1,64}@[A-Za-z0-9.-]{1,255})", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"https://[!-~]{1,1000}", re.IGNORECASE | re.ASCII)


Detail = tuple[str, str, str, str, str]
"""A kind of failure: the result, our address, the server and its address, and what else there is to say."""


class Reporter(NamedTuple):
    """Who reports, and where questions go."""

    organization: str
    contact: str
    host: str


class Report(NamedTuple):
    """A report: for whom, of which day, and the document."""

    domain: str
    day: str
    record: str
    report_id: str
    document: Json

    @property
    def octets(self) -> bytes:
        """The document as it is sent, compressed."""
        return gzip.compress(json.dumps(self.document, indent=1).encode(), mtime=0)

    def file_name(self, host: str) -> str:
        """As RFC 8460 §5.1 wants it."""
        return f"{host}!{self.domain}!{self.day}!{self.day}.json.gz"


def make_reports(sessions: Iterable[Mapping[str, Any]], day: str, reporter: Reporter) -> list[Report]:
    """One report per destination, by name."""
    domains: dict[str, _Tally] = {}
    for session in sessions:
        tally = domains.setdefault(session["domain"], _Tally())
        tally.count(session)
    return [_conclude(domain, day, tally, reporter) for domain, tally in sorted(domains.items())]


def find_destinations(record: str) -> list[str]:
    """Where the record wants reports: `mailto:` and `https:` addresses that make sense (RFC 8460 §3)."""
    found = _RUA.search(record)
    words = [word.strip() for word in found.group(1).split(",")] if found else []
    return [word for word in words if _ADDRESS.fullmatch(word) or _URL.fullmatch(word)][:DESTINATIONS_LIMIT]


class _Tally:
    """What is counted for one destination."""

    def __init__(self) -> None:
        self.record = ""
        self.policies: dict[str, tuple[Json, dict[Detail, int], list[int]]] = {}

    def count(self, session: Mapping[str, Any]) -> None:
        self.record = str(session.get("record", ""))
        policy = session["policy"]
        key = json.dumps(policy, sort_keys=True)
        if key not in self.policies and len(self.policies) >= POLICIES_LIMIT:
            return
        _, failures, sums = self.policies.setdefault(key, (policy, {}, [0, 0]))
        result = str(session.get("result", ""))
        sums[bool(result)] += 1
        if result:
            ours, server, address, text = (str(session.get(name, "")) for name in ("sending", "server", "address", "detail"))
            detail = (result, ours, server, address, text)
            if detail in failures or len(failures) < DETAILS_LIMIT:
                failures[detail] = failures.get(detail, 0) + 1


def _conclude(domain: str, day: str, tally: _Tally, reporter: Reporter) -> Report:
    report_id = f"{day}.{domain}@{reporter.host}"
    policies = []
    for policy, failures, sums in tally.policies.values():
        entry: Json = {
            "policy": {name: value for name, value in policy.items() if value},
            "summary": {"total-successful-session-count": sums[0], "total-failure-session-count": sums[1]},
        }
        if failures:
            entry["failure-details"] = [_describe_failure(detail, count) for detail, count in failures.items()]
        policies.append(entry)
    document = {
        "organization-name": reporter.organization,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": reporter.contact,
        "report-id": report_id,
        "policies": policies,
    }
    return Report(domain, day, tally.record, report_id, document)


def _describe_failure(detail: Detail, count: int) -> Json:
    result, ours, server, address, text = detail
    found: Json = {"result-type": result}
    if ours:
        found["sending-mta-ip"] = ours
    found |= {"receiving-mx-hostname": server, "receiving-ip": address}
    found["failed-session-count"] = count
    return found | ({"additional-information": text} if text else {})


def make_mail(report: Report, reporter: Reporter, recipient: str, date: str) -> bytes:
    """The report as a message to one address; `date` is a date as mail has it (RFC 8460 §5.3)."""
    from email.message import EmailMessage
    from email.policy import SMTP

    mail = EmailMessage(policy=SMTP)
    mail["From"] = reporter.contact
    mail["To"] = recipient
    mail["Date"] = date
    mail["Message-ID"] = f"<{report.report_id}>"
    mail["Subject"] = f"Report Domain: {report.domain} Submitter: {reporter.host} Report-ID: <{report.report_id}>"
    mail["TLS-Report-Domain"] = report.domain
    mail["TLS-Report-Submitter"] = reporter.host
    mail["TLS-Required"] = "No"
    mail.set_content(f"This is a TLS report of {reporter.organization} about mail to {report.domain} on {report.day}.\r\n")
    mail.add_attachment(report.octets, maintype="application", subtype="tlsrpt+gzip", filename=report.file_name(reporter.host))
    mail.set_type("multipart/report")
    mail.set_param("report-type", "tlsrpt")
    return mail.as_bytes()
