"""From the settings and an entry to the terms of a connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.model.request import Transport
from mailrider.model.tls import TlsLevel
from mailrider.settings import HostFacts, load_settings
from mailrider.testkit.authority import make_root
from mailrider.tls.protocols import Protocols
from mailrider.tls.terms import Authorities, Identity, KeyPair, TlsTerms
from mailrider.tls.tlsa import Tlsa
from mailrider.trust.demands import DaneDemand, Demands, Place, find_doubts, find_obstacle, make_terms, read_demands
from mailrider.trust.entry import Entry, read_entry
from mailrider.trust.policy import CONFIGURATION_PROBLEM, NoPolicy

PLACE = Place("[mx.example.com]:25", "mx.example.com", "host.example.com", "host.example.com[192.0.2.1]:25")
MAY, ENCRYPT, VERIFY, SECURE, FINGERPRINT = (
    TlsLevel.MAY, TlsLevel.ENCRYPT, TlsLevel.VERIFY, TlsLevel.SECURE, TlsLevel.FINGERPRINT,
)  # fmt: skip


def demands(transport: Transport = Transport.SMTP, **settings: str) -> Demands:
    overrides = [f"{name}={value}" for name, value in settings.items()]
    return read_demands(load_settings(None, overrides, host=HostFacts("me.example.test")).bind(transport))


def make(level: TlsLevel, entry: str = "", dane: DaneDemand | None = None, **settings: str) -> tuple[TlsTerms, list[str]]:
    warnings: list[str] = []
    read: Entry | None = read_entry(f"{level.word} {entry}", "W", pytest.fail) if entry else None
    terms = make_terms(demands(**settings), level, read, PLACE, dane, warnings.append)
    assert not isinstance(terms, NoPolicy), warnings
    return terms, warnings


@pytest.mark.parametrize(
    ("settings", "level", "source"),
    [
        ({}, TlsLevel.NONE, ("smtp_tls_security_level", "")),
        ({"smtp_tls_security_level": "dane-only"}, TlsLevel.DANE_ONLY, ("smtp_tls_security_level", "dane-only")),
        ({"smtp_use_tls": "yes"}, MAY, ("smtp_use_tls", "yes")),
        ({"smtp_enforce_tls": "yes", "smtp_use_tls": "yes"}, VERIFY, ("smtp_enforce_tls", "yes")),
        ({"smtp_enforce_tls": "yes", "smtp_tls_enforce_peername": "no"}, ENCRYPT, ("smtp_enforce_tls", "yes")),
        ({"smtp_enforce_tls": "yes", "smtp_tls_security_level": "none"}, TlsLevel.NONE, ("smtp_tls_security_level", "none")),
    ],
)
def test_levels(settings: dict[str, str], level: TlsLevel, source: tuple[str, str]) -> None:
    read = demands(**settings)
    assert (read.level, read.level_source) == (level, source)


def test_lmtp_has_settings_of_its_own() -> None:
    read = demands(Transport.LMTP, smtp_tls_security_level="may", lmtp_tls_security_level="encrypt")
    assert read.level_source == ("lmtp_tls_security_level", "encrypt")


def test_opportunistic_and_mandatory_tls_have_protocols_and_ciphers_of_their_own() -> None:
    settings = {
        "smtp_tls_protocols": ">=TLSv1.1",
        "smtp_tls_mandatory_protocols": ">=TLSv1.2",
        "smtp_tls_ciphers": "medium",
        "smtp_tls_mandatory_ciphers": "high",
        "smtp_tls_exclude_ciphers": "A",
        "smtp_tls_mandatory_exclude_ciphers": "B",
        "tls_high_cipherlist": "HI",
        "tls_medium_cipherlist": "ME",
    }
    may, encrypt, verify = (make(level, **settings)[0].handshake for level in (MAY, ENCRYPT, VERIFY))
    assert (may.protocols, may.ciphers, may.security_level) == (Protocols(0x0302), "ME:!A", 0)
    assert (encrypt.protocols, encrypt.ciphers, encrypt.security_level) == (Protocols(0x0303), "HI:!A:!B:!eNULL", 0)
    assert (verify.ciphers, verify.security_level) == ("HI:!A:!B:!aNULL", 1)


@pytest.mark.parameter("tls_high_cipherlist", "tls_medium_cipherlist", "tls_low_cipherlist", "tls_export_cipherlist")
@pytest.mark.parametrize("grade", ["high", "medium", "low", "export"])
def test_every_grade_has_a_list_of_its_own(grade: str) -> None:
    settings = {"smtp_tls_mandatory_ciphers": grade, f"tls_{grade}_cipherlist": "MINE"}
    assert make(ENCRYPT, **settings)[0].handshake.ciphers == "MINE:!eNULL"


def test_an_entry_takes_the_place_of_settings() -> None:
    settings = {"smtp_tls_mandatory_exclude_ciphers": "B", "tls_high_cipherlist": "HI", "smtp_tls_servername": "a.example"}
    terms, _ = make(ENCRYPT, "ciphers=high exclude=X protocols=<=TLSv1.2 servername=b.example", **settings)
    assert terms.handshake.ciphers == "HI:!X:!eNULL"
    assert terms.handshake.protocols == Protocols(0, 0x0303)
    assert terms.server_name == "b.example"


@pytest.mark.parametrize(
    "settings",
    [{"smtp_tls_mandatory_protocols": "bogus"}, {"smtp_tls_exclude_ciphers": "!A"}, {"smtp_tls_mandatory_ciphers": "bogus"}],
)
def test_words_that_make_no_sense_fail_every_handshake(settings: dict[str, str]) -> None:
    terms, _ = make(ENCRYPT, **settings)
    assert terms.handshake.fault.startswith(PLACE.relay)


def test_options_that_nobody_knows_are_told() -> None:
    assert find_doubts(demands(tls_ssl_options="no_ticket 0x4000", tls_disable_workarounds="tlsext_padding")) == ()
    assert find_doubts(demands(tls_ssl_options="NO_TICKET, Nosuch", tls_disable_workarounds="NO_TICKET")) == (
        'unknown tls_disable_workarounds value "NO_TICKET" in "NO_TICKET"',
        'unknown tls_ssl_options value "Nosuch" in "NO_TICKET Nosuch"',
    )


@pytest.mark.parametrize("name", ["sha256", "SHA256", "md5", "sha1"])
def test_digests_that_there_are(name: str) -> None:
    assert find_obstacle(demands(smtp_tls_fingerprint_digest=name)) == ""


def test_a_digest_that_there_is_not_is_the_end_of_tls() -> None:
    assert find_obstacle(demands(smtp_tls_fingerprint_digest="bogus")) == 'Digest algorithm "bogus" not found'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ""), ("sni.example", "sni.example"), ("hostname", PLACE.host), ("nexthop", PLACE.domain),
        ("b\u00fc.de", "xn--b-eha.de"),
    ],
)  # fmt: skip
def test_server_names(name: str, expected: str) -> None:
    assert make(ENCRYPT, smtp_tls_servername=name)[0].server_name == expected


def test_a_server_name_that_is_none() -> None:
    warnings: list[str] = []
    made = make_terms(demands(smtp_tls_servername="-x-"), ENCRYPT, None, PLACE, None, warnings.append)
    assert made is CONFIGURATION_PROBLEM
    assert warnings == ['"smtp_tls_servername = -x-" specifies an invalid hostname']


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("hostname", ("host.example.com",)),
        ("nexthop, dot-nexthop", ("mx.example.com", ".mx.example.com")),
        ("a.example:.b.example", ("a.example", ".b.example")),
        ("a.example a.example", ("a.example",)),
        ("b\u00fc.example", ("xn--b-eha.example",)),
        ("\u3002b\u00fc.example", (".xn--b-eha.example",)),
    ],
)
def test_names(words: str, names: tuple[str, ...]) -> None:
    assert make(VERIFY, smtp_tls_verify_cert_match=words)[0].names == names
    assert make(SECURE, smtp_tls_secure_cert_match=words)[0].names == names


def test_names_of_an_entry() -> None:
    assert make(SECURE, "match=hostname:x.example")[0].names == ("host.example.com", "x.example")
    sts = "match=x.example policy_type=sts policy_domain=d.example mx_host_pattern=*.d.example"
    assert make(SECURE, sts)[0].names == ("host.example.com",)


def test_without_a_name_nothing_is_proved() -> None:
    terms, warnings = make(VERIFY, smtp_tls_verify_cert_match=".")
    assert terms.must_fail
    assert warnings[0].endswith('ignoring invalid match name: "."')


def test_a_policy_that_failed_elsewhere_proves_nothing() -> None:
    assert make(SECURE, "match=x policy_type=sts policy_failure=sts-policy-invalid")[0].must_fail


def test_fingerprints() -> None:
    terms, _ = make(FINGERPRINT, smtp_tls_fingerprint_cert_match="AA:BB, ccdd")
    assert terms.records == tuple(Tlsa(3, selector, 255, data) for data in (b"\xaa\xbb", b"\xcc\xdd") for selector in (0, 1))
    assert dict(terms.digests)[255] == terms.fingerprint_digest
    terms, warnings = make(FINGERPRINT, "match=AA|zz|BB")
    assert [record.data for record in terms.records] == [b"\xaa", b"\xaa", b"\xbb", b"\xbb"]
    assert warnings == ["malformed fingerprint value: zz"]


def test_no_fingerprint_at_all() -> None:
    warnings: list[str] = []
    assert make_terms(demands(), FINGERPRINT, None, PLACE, None, warnings.append) is CONFIGURATION_PROBLEM
    assert "no fingerprints to match" in warnings[0]


def test_trust_anchors(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    one.write_bytes(make_root("one").pem)
    two.write_bytes(make_root("two").pem)
    assert len(make(VERIFY, smtp_tls_trust_anchor_file=f"{one} {two}")[0].records) == 4
    assert len(make(VERIFY, f"tafile={two}", smtp_tls_trust_anchor_file=f"{one}, /nosuch")[0].records) == 2
    assert not make(ENCRYPT, smtp_tls_trust_anchor_file=str(one))[0].records
    made = make_terms(demands(smtp_tls_trust_anchor_file="/nosuch"), VERIFY, None, PLACE, None, lambda text: None)
    assert made is CONFIGURATION_PROBLEM


def test_dane() -> None:
    record = Tlsa(3, 1, 1, bytes(32))
    terms, _ = make(TlsLevel.DANE, dane=DaneDemand((record,), "base.example", ("base.example", "d.example")))
    assert (terms.server_name, terms.names, terms.records) == ("base.example", ("base.example", "d.example"), (record,))
    assert terms.handshake.protocols.excluded == {"SSLv2", "SSLv3"}
    assert make(TlsLevel.DANE_ONLY, dane=DaneDemand((), "base.example", ()))[0].must_fail
    given_way, _ = make(ENCRYPT, dane=DaneDemand((), "base.example", ("base.example",)))
    assert (given_way.must_fail, given_way.server_name) == (False, "base.example")


def test_who_we_are_and_whom_we_trust() -> None:
    terms, _ = make(
        MAY, smtp_tls_cert_file="/c", smtp_tls_eccert_file="/e", smtp_tls_eckey_file="/k",
        smtp_tls_CAfile="/a", smtp_tls_CApath="/p",
    )  # fmt: skip
    assert terms.identity == Identity(pairs=(KeyPair("/c", "/c"), KeyPair("/e", "/k")))
    assert terms.authorities == Authorities("/a", "/p", False)
    assert make(MAY, smtp_tls_cert_file="/c", smtp_tls_chain_files="/x, /y")[0].identity == Identity(("/x", "/y"))
