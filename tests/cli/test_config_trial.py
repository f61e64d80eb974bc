from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.cli.config_trial import Trial, try_out
from mailrider.cli.node_doubts import PASSED_OVER
from mailrider.settings import HostFacts, load_settings
from mailrider.settings.review import other_programs


def attempt(directory: Path, main_cf: str, master_cf: str = "") -> Trial:
    (directory / "main.cf").write_text(main_cf)
    (directory / "master.cf").write_text(master_cf)
    return try_out(load_settings(directory, host=HostFacts("mail.example.com"), checked=False, services=True))


def test_good_settings_raise_nothing(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("a b\n")
    main_cf = "transport_maps = texthash:$config_directory/map\nsmtp_tls_security_level = may\nmynetworks = 10.0.0.0/8\n"
    assert attempt(tmp_path, main_cf) == Trial((), ())


def test_every_table_that_cannot_be_opened_is_told_once_with_its_place(tmp_path: Path) -> None:
    names = ("smtp_header_checks", "lmtp_generic_maps", "transport_maps", "intake_password_maps", "smtp_tls_policy_maps")
    trial = attempt(tmp_path, "".join(f"{name} = texthash:/nonexistent/{name}\n" for name in names))
    place = f"{tmp_path}/main.cf"
    assert trial.errors == tuple(
        f"{place}, line {number}: {name}: texthash:/nonexistent/{name}: "
        f"cannot read /nonexistent/{name}: No such file or directory"
        for number, name in enumerate(names, 1)
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("debug_peer_list = texthash:/nonexistent", "line 1: debug_peer_list: "),
        ("mynetworks = 1.2.3/33", "line 1: mynetworks: '1.2.3/33' is no address"),
        ("relayhost = [mail.example.com", 'line 1: relayhost: missing "]"'),
        ("smtp_fallback_relay = [mail.example.com", 'line 1: smtp_fallback_relay: missing "]"'),
        ("bounce_template_file = /nonexistent", "line 1: bounce_template_file = /nonexistent: No such file"),
        ("smtpd_tls_security_level = may", "line 1: smtpd_tls_security_level = may: smtpd_tls_chain_files must name"),
        ("smtp_helo_name = a\rb", "line 1: smtp_helo_name"),
    ],
)
def test_what_keeps_a_command_from_starting_is_an_error(tmp_path: Path, line: str, words: str) -> None:
    (error,) = attempt(tmp_path, line + "\n").errors
    assert error.startswith(f"{tmp_path}/main.cf, {words}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("smtp_tls_CAfile = /nonexistent", 'smtp: cannot load Certification Authority data, CAfile="/nonexistent"'),
        ("lmtp_tls_chain_files = /nonexistent", "lmtp: "),
        ("smtp_tls_cert_file = /nonexistent", 'smtp: cannot get certificate from file "/nonexistent"'),
        ("smtp_tls_mandatory_protocols = what", 'Invalid TLS protocol list "what"'),
        ("smtp_tls_trust_anchor_file = /nonexistent", "smtp: "),
    ],
)
def test_what_only_makes_sessions_fail_is_a_doubt(tmp_path: Path, line: str, words: str) -> None:
    trial = attempt(tmp_path, line + "\n")
    assert not trial.errors
    assert words in trial.doubts[0]


def test_agents_of_master_cf_are_tried_with_their_own_settings(tmp_path: Path) -> None:
    trial = attempt(tmp_path, "", "relay unix - - n - - smtp -o smtp_header_checks=regexp:/nonexistent\n")
    (error,) = trial.errors
    assert error.startswith(f"{tmp_path}/master.cf, line 1: smtp_header_checks: regexp:/nonexistent: cannot read")


NODE = "intake_smtp_listen = 127.0.0.1:2525\nmydestination =\n"


def test_what_a_node_would_warn_of_is_told_of_the_settings_of_a_node_alone(tmp_path: Path) -> None:
    lines = "default_transport = nosuch:\nalways_bcc = archive@here.example\nvirtual_alias_maps =\nsmtpd_tls_wrappermode = no\n"
    lines += "content_filter = scan:[127.0.0.1]:10025\n"
    assert attempt(tmp_path, "mydestination =\n" + lines) == Trial((), ())
    assert attempt(tmp_path, NODE) == Trial((), ())
    trial = attempt(tmp_path, NODE + lines)
    assert not trial.errors
    wrong, passed_over = trial.doubts
    assert wrong.startswith("default_transport = nosuch:: there is no such delivery agent")
    assert passed_over == "a node does nothing with always_bcc, content_filter: mail goes as if that were not set"


def test_two_listeners_cannot_have_one_place(tmp_path: Path) -> None:
    (error,) = attempt(tmp_path, NODE + "intake_lmtp_listen = unix:/run/m/lmtp, 127.0.0.1:2525\n").errors
    assert error == f"{tmp_path}/main.cf, line 3: intake_lmtp_listen: 127.0.0.1:2525 is taken already by intake_smtp_listen"


def test_what_a_node_passes_over_is_what_postfix_has_and_we_have_not() -> None:
    assert set(PASSED_OVER) <= other_programs()
