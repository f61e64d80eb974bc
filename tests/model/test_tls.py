"""Levels and facts."""

from __future__ import annotations

import pytest

from mailrider.model.tls import PeerFacts, TlsFacts, TlsLevel, find_level


def test_levels_rise_and_have_words() -> None:
    words = [level.word for level in sorted(TlsLevel)]
    assert words == ["none", "may", "encrypt", "fingerprint", "half-dane", "dane", "dane-only", "verify", "secure"]
    assert [level.word for level in TlsLevel if not level.required] == ["none", "may"]
    assert [level.word for level in TlsLevel if not level.must_match] == ["none", "may", "encrypt"]
    assert [level.word for level in TlsLevel if level.uses_dane] == ["half-dane", "dane", "dane-only"]
    assert [level.word for level in TlsLevel if level.uses_authorities] == ["verify", "secure"]


@pytest.mark.parametrize(("word", "level"), [("DANE-Only", TlsLevel.DANE_ONLY), ("half-dane", None), ("x", None), ("", None)])
def test_finding_a_level(word: str, level: TlsLevel | None) -> None:
    assert find_level(word) is level


def test_the_summary_reads_as_in_the_log() -> None:
    facts = TlsFacts(TlsLevel.MAY, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, 256, PeerFacts(), "X25519", "ECDSA (prime256v1)")
    assert facts.summary() == (
        "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519"
        " server-signature ECDSA (prime256v1)"
    )
    assert facts._replace(key_exchange="", signature="").summary().endswith("bits)")
    assert not facts.verified
    assert facts._replace(peer=PeerFacts(matched=True)).verified
