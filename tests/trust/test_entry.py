"""Entries of policy tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.model.tls import TlsLevel
from mailrider.testkit.authority import make_root
from mailrider.trust.entry import Entry, read_entry
from mailrider.trust.policy import External


def read(text: str) -> tuple[Entry | None, list[str]]:
    warnings: list[str] = []
    return read_entry(text, "W", warnings.append), warnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("may", Entry(TlsLevel.MAY)),
        ("ENCRYPT", Entry(TlsLevel.ENCRYPT)),
        ("dane-only", Entry(TlsLevel.DANE_ONLY)),
        ("encrypt ciphers=high, protocols=>=TLSv1.2", Entry(TlsLevel.ENCRYPT, grade="high", protocols=">=TLSv1.2")),
        ("encrypt protocols= exclude=", Entry(TlsLevel.ENCRYPT, protocols="", exclude="")),
        ("secure match=a.example:.b.example match=nexthop", Entry(
            TlsLevel.SECURE, match=["a.example", ".b.example", "nexthop"],
        )),
        ("fingerprint match=AA:BB|CC:DD", Entry(TlsLevel.FINGERPRINT, match=["AA:BB", "CC:DD"])),
        ("encrypt {protocols = TLSv1.2 TLSv1.3} servername=a.b", Entry(
            TlsLevel.ENCRYPT, protocols="TLSv1.2 TLSv1.3", server_name="a.b",
        )),
        ("may connection_reuse=yes enable_rpk=NO", Entry(TlsLevel.MAY, reuse=True, rpk=False)),
        ("secure match=x policy_type=sts policy_domain=d.example policy_ttl=60 policy_string=a policy_string=b"
         " mx_host_pattern=*.d.example policy_failure=sts-policy-fetch-error", Entry(
            TlsLevel.SECURE, match=["x"],
            external=External("sts", "d.example", 60, ("a", "b"), ("*.d.example",), "sts-policy-fetch-error"),
        )),
    ],
)  # fmt: skip
def test_entries(text: str, expected: Entry) -> None:
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (", ", "invalid empty policy"),
        ("bogus", 'invalid security level "bogus"'),
        ("half-dane", 'invalid security level "half-dane"'),
        ("may match", "malformed attribute/value pair \"match\": missing '=' after attribute name"),
        ("may =x", 'malformed attribute/value pair "=x": missing attribute name'),
        ("may nosuch=x", 'invalid attribute name: "nosuch"'),
        ("encrypt ciphers=", 'attribute "ciphers" has empty value'),
        ("encrypt ciphers=high Ciphers=low", 'attribute "Ciphers" is specified multiple times'),
        ("encrypt protocols=a protocols=b", 'attribute "protocols" is specified multiple times'),
        ("encrypt match=a", 'attribute "match" invalid at security level "encrypt"'),
        ("secure match=", 'attribute "match" has empty value'),
        ("encrypt tafile=/x", 'attribute "tafile" invalid at security level "encrypt"'),
        ("encrypt servername=-x-", '"servername=-x-" specifies an invalid hostname'),
        ("may connection_reuse=maybe", 'attribute "connection_reuse" has bad value: "maybe"'),
        ("may policy_ttl=1", "built-in policy has unexpected attribute policy_ttl, policy_domain, policy_string,"
         " mx_host_pattern or policy_failure"),
        ("may policy_type=bogus", 'attribute "policy_type" has an unexpected value: "bogus"'),
        ("may policy_type=sts policy_ttl=x", 'attribute "policy_ttl" has a malformed value: "x"'),
        ("may policy_type=sts policy_failure=x", 'attribute "policy_failure" has an unexpected value: "x"'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_spoils_the_entry(text: str, warning: str) -> None:
    assert read(text) == (None, [f"W: {warning}"])


def test_without_tls_attributes_are_passed_over() -> None:
    assert read("none match=x nonsense") == (
        Entry(TlsLevel.NONE),
        ['W: ignoring attribute "match=x" with TLS disabled', 'W: ignoring attribute "nonsense" with TLS disabled'],
    )


def test_trust_anchor_files(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(make_root().pem)
    entry, warnings = read(f"secure tafile={path} tafile={path}")
    assert entry is not None
    assert len(entry.anchors) == 4
    assert not warnings
    assert read("secure tafile=/nosuch")[0] is None


@given(st.lists(st.sampled_from(["encrypt", "secure", "match=a", "{", "}", "{a = b}", "=", "ciphers=high", "x", ",", "é=ü"])))
def test_any_text_is_read_or_refused_with_a_reason(words: list[str]) -> None:
    entry, warnings = read(" ".join(words))
    assert entry is not None or warnings
