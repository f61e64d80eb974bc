"""Policies as values."""

from __future__ import annotations

import pytest

from mailrider.model.tls import TlsLevel
from mailrider.trust.policy import Policy, Source, SourceKind, fits_mx_pattern

SOURCE = Source(SourceKind.POLICY_TABLE, "smtp_tls_policy_maps", ".example.com", "secure")


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("mx.example.com", "MX.example.com", True),
        ("mx.example.com", "mx2.example.com", False),
        ("*.example.com", "mx.example.com", True),
        ("*.example.com", "a.mx.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.", "mx.", False),
        ("*", "mx", False),
    ],
)
def test_mx_patterns(pattern: str, host: str, expected: bool) -> None:
    assert fits_mx_pattern(pattern, host) is expected


def test_a_policy_without_patterns_admits_everybody() -> None:
    assert Policy(TlsLevel.MAY, SOURCE).admits("anybody")
    held = Policy(TlsLevel.SECURE, SOURCE, mx_patterns=("*.example.com", "mx.example.net"))
    assert held.admits("mx.example.net")
    assert not held.admits("mx.example.org")


def test_who_chose_it_is_told_and_makes_no_difference() -> None:
    assert str(SOURCE) == 'smtp_tls_policy_maps: ".example.com" = "secure"'
    setting = Source(SourceKind.SETTING, "smtp_tls_security_level", text="may")
    assert str(setting) == "smtp_tls_security_level = may"
    assert Policy(TlsLevel.MAY, SOURCE) == Policy(TlsLevel.MAY, setting, reuse=True)
    assert Policy(TlsLevel.MAY, SOURCE).identity == Policy(TlsLevel.MAY, setting).identity
    assert Policy(TlsLevel.MAY, SOURCE).identity != Policy(TlsLevel.ENCRYPT, SOURCE).identity
