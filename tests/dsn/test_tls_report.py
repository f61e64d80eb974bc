"""Reports as documents and as mail."""

from __future__ import annotations

import email
import gzip
import json
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.dsn.tls_report import DETAILS_LIMIT, POLICIES_LIMIT, Reporter, find_destinations, make_mail, make_reports

REPORTER = Reporter("Example", "postmaster@us.test", "mx.us.test")
POLICY = {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": "a.test", "mx-host": ["*.a.test"]}


def session(result: str = "", domain: str = "a.test", **more: Any) -> dict[str, Any]:
    return {
        "domain": domain, "record": "v=TLSRPTv1; rua=mailto:tls@a.test", "policy": POLICY, "server": "mx.a.test",
        "address": "192.0.2.1", "result": result, "detail": "",
    } | more  # fmt: skip


def test_sessions_are_counted_by_policy_and_failure() -> None:
    other = {"policy-type": "no-policy-found", "policy-string": [], "policy-domain": "a.test", "mx-host": []}
    seen = [session(), session(), session("certificate-expired"), session("certificate-expired"), session("validation-failure")]
    reports = make_reports([*seen, session(policy=other), session(domain="b.test")], "2026-03-01", REPORTER)
    assert [report.domain for report in reports] == ["a.test", "b.test"]
    first, second = reports[0].document["policies"]
    assert first["policy"] == POLICY
    assert first["summary"] == {"total-successful-session-count": 2, "total-failure-session-count": 3}
    assert first["failure-details"][0] == {
        "result-type": "certificate-expired", "receiving-mx-hostname": "mx.a.test", "receiving-ip": "192.0.2.1",
        "failed-session-count": 2,
    }  # fmt: skip
    assert second["policy"] == {"policy-type": "no-policy-found", "policy-domain": "a.test"}
    assert reports[0].document["date-range"]["end-datetime"] == "2026-03-01T23:59:59Z"
    assert reports[0].file_name("mx.us.test") == "mx.us.test!a.test!2026-03-01!2026-03-01.json.gz"


def test_a_failure_says_from_where_we_came() -> None:
    """RFC 8460 §4.4; journals of older releases do not know it."""
    seen = [session(result="certificate-expired", sending="192.0.2.9"), session(result="certificate-expired")]
    (report,) = make_reports(seen, "2026-03-01", REPORTER)
    first, second = report.document["policies"][0]["failure-details"]
    assert first["sending-mta-ip"] == "192.0.2.9"
    assert "sending-mta-ip" not in second


def test_reports_have_an_end() -> None:
    many = [session(policy=POLICY | {"policy-string": [str(number)]}) for number in range(POLICIES_LIMIT + 10)]
    failures = [session("validation-failure", detail=str(number)) for number in range(DETAILS_LIMIT + 10)]
    assert len(make_reports(many, "2026-03-01", REPORTER)[0].document["policies"]) == POLICIES_LIMIT
    (entry,) = make_reports(failures, "2026-03-01", REPORTER)[0].document["policies"]
    assert len(entry["failure-details"]) == DETAILS_LIMIT
    assert entry["summary"]["total-failure-session-count"] == DETAILS_LIMIT + 10


def test_a_mail_is_what_the_rfc_wants() -> None:
    (report,) = make_reports([session()], "2026-03-01", REPORTER)
    octets = make_mail(report, REPORTER, "tls@a.test", "Mon, 02 Mar 2026 00:00:00 +0000")
    mail = email.message_from_bytes(octets, policy=SMTP)
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "tlsrpt"
    assert mail["TLS-Report-Domain"] == "a.test"
    assert mail["TLS-Required"] == "No"
    parts = list(mail.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "application/tlsrpt+gzip"]
    assert json.loads(gzip.decompress(parts[1].get_content())) == report.document
    assert all(len(line) < 998 for line in octets.split(b"\r\n"))


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=TLSRPTv1; rua=mailto:a@b.test", ["mailto:a@b.test"]),
        ("v=TLSRPTv1;rua=mailto:a@b.test, https://c.test/r", ["mailto:a@b.test", "https://c.test/r"]),
        ("v=TLSRPTv1; rua=http://c.test/r,ftp://x,mailto:,mailto:a b@c", []),
        ("v=TLSRPTv1; rua=mailto:a@b.test?cc=c@d.test", []),
        ("v=TLSRPTv1", []),
        ("", []),
        ("v=TLSRPTv1; rua=" + ",".join(f"mailto:a{n}@b.test" for n in range(50)), [f"mailto:a{n}@b.test" for n in range(10)]),
    ],
)
def test_where_reports_go(record: str, wanted: list[str]) -> None:
    assert find_destinations(record) == wanted


@given(st.text(max_size=200))
def test_an_address_never_brings_a_line_end_along(record: str) -> None:
    for found in find_destinations("v=TLSRPTv1; rua=" + record):
        assert found.isprintable()
        assert " " not in found
