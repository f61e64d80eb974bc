"""What a start says of files that sessions with TLS will want, and cannot have."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.cli.tls_trial import find_tls_doubts, try_tls
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.testkit.authority import make_self_signed

GONE = "No such file or directory"


def read(directory: Path, main_cf: str, master_cf: str = "") -> Settings:
    (directory / "main.cf").write_text(main_cf)
    (directory / "master.cf").write_text(master_cf)
    return load_settings(directory, host=HostFacts("mail.example.com"), checked=False, services=True)


@pytest.mark.parametrize("main_cf", ["", "smtp_tls_security_level = may\n", "lmtp_tls_security_level = none\n"])
def test_where_nothing_is_named_nothing_is_missing(tmp_path: Path, main_cf: str) -> None:
    assert find_tls_doubts(read(tmp_path, main_cf)) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smtp_tls_CAfile", 'smtp: cannot load Certification Authority data, CAfile="/nonexistent" CApath=""'),
        ("smtp_tls_chain_files", "smtp: error opening chain file: /nonexistent"),
        ("lmtp_tls_cert_file", 'lmtp: cannot get certificate from file "/nonexistent"'),
        ("smtp_tls_trust_anchor_file", "smtp: "),
        ("smtp_tls_CApath", f"smtp_tls_CApath = /nonexistent: {GONE}"),
        ("tls_mta_sts_CAfile", f"tls_mta_sts_CAfile = /nonexistent: {GONE}"),
        ("tls_report_dkim_key_file", f"tls_report_dkim_key_file = /nonexistent: {GONE}"),
        ("lmtp_sasl_oauth_CAfile", f"lmtp_sasl_oauth_CAfile = /nonexistent: {GONE}"),
    ],
)
def test_a_file_that_is_not_there_is_told_once(tmp_path: Path, name: str, words: str) -> None:
    master_cf = "relay unix - - n - - smtp\nother unix - - n - - lmtp\n"
    doubts = find_tls_doubts(read(tmp_path, f"{name} = /nonexistent\n", master_cf))
    assert len([doubt for doubt in doubts if "/nonexistent" in doubt]) == 1
    assert doubts[0].startswith(words)


def test_policies_that_cannot_be_fetched_for_want_of_a_package_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_tls_doubts(read(tmp_path, "smtp_tls_mta_sts = yes\n")) == (
        "smtp_tls_mta_sts = yes: no policy can be fetched: it needs the package httpx: pip install mailrider[mta-sts]",
    )
    assert find_tls_doubts(read(tmp_path, "")) == ()


def test_files_that_are_there_are_not_told(tmp_path: Path) -> None:
    made = make_self_signed("mail.example.com")
    (tmp_path / "pem").write_bytes(made.key_pem + made.pem)
    names = ("smtp_tls_chain_files", "smtp_tls_CAfile", "lmtp_tls_CAfile", "tls_mta_sts_CAfile")
    main_cf = "".join(f"{name} = {tmp_path}/pem\n" for name in names) + f"smtp_tls_CApath = {tmp_path}\n"
    assert find_tls_doubts(read(tmp_path, main_cf)) == ()


def test_what_a_line_of_master_cf_names_is_tried_too(tmp_path: Path) -> None:
    settings = read(tmp_path, "", "relay unix - - n - - smtp -o smtp_tls_CAfile=/nonexistent\n")
    assert "/nonexistent" in find_tls_doubts(settings)[0]


def test_one_agent_is_tried_with_its_own_settings(tmp_path: Path) -> None:
    main_cf = "smtp_tls_CAfile = /nonexistent/smtp\nlmtp_tls_CAfile = /nonexistent/lmtp\n"
    told: list[str] = []
    try_tls(read(tmp_path, main_cf).bind(Transport.LMTP), told.append)
    assert "/nonexistent/lmtp" in told[0]
    assert not any("/nonexistent/smtp" in text for text in told)


def test_words_that_nobody_knows_are_told_once(tmp_path: Path) -> None:
    main_cf = "smtp_tls_fingerprint_digest = bogus\nsmtp_tls_ciphers = fine\ntls_ssl_options = X\n"
    doubts = find_tls_doubts(read(tmp_path, main_cf))
    for words in ('Digest algorithm "bogus" not found', 'invalid cipher grade: "fine"', 'unknown tls_ssl_options value "X"'):
        assert len([doubt for doubt in doubts if words in doubt]) == 1, doubts
