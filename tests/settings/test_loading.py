from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, choose_directory, load_settings
from mailrider.settings.loading import OVERRIDES_LIMIT
from mailrider.settings.maincf import MainCf, parse_main_cf

from .postconf import write_configuration

HOST = HostFacts("client.example")


def test_without_a_directory_there_are_defaults() -> None:
    settings = load_settings(None, host=HOST)
    assert settings.entries == {}
    assert settings.smtp_helo_timeout == 300.0
    assert settings.config_directory == "/etc/postfix"


def test_options_win_over_the_file_and_the_last_one_over_the_others(tmp_path: Path) -> None:
    directory = write_configuration(tmp_path, "smtp_helo_timeout = 1s\nsmtp_mail_timeout = 2s\n")
    settings = load_settings(directory, ["smtp_helo_timeout=3s", "smtp_helo_timeout = 4s"], host=HOST)
    assert (settings.smtp_helo_timeout, settings.smtp_mail_timeout) == (4.0, 2.0)
    assert settings.config_directory == str(tmp_path)


def test_the_transport_is_bound() -> None:
    assert load_settings(None, host=HOST, transport=Transport.LMTP).smtp_tcp_port == "24"


def test_warnings_of_the_file_are_kept(tmp_path: Path) -> None:
    directory = write_configuration(tmp_path, "relayhost = a\nrelayhost = b\n")
    settings = load_settings(directory, host=HOST)
    assert settings.warnings == (f"{tmp_path}/main.cf, line 2: overriding earlier entry: relayhost=a",)
    assert settings.bind(Transport.LMTP).warnings == settings.warnings


@pytest.mark.parametrize(
    ("main_cf", "overrides", "complaint"),
    [
        ("x = 1\nsmtp_helo_timeout = 5x\n", (), "main.cf, line 2: smtp_helo_timeout = 5x: expected a time"),
        ("smtp_use_tls = maybe\n", (), "main.cf, line 1: smtp_use_tls = maybe: expected yes or no"),
        ("lmtp_tcp_port =\n", (), "main.cf, line 1: lmtp_tcp_port = : expected a text"),
        ("", ("line_length_limit=9",), "-o line_length_limit=9: expected a whole number, 512 or more"),
        ("smtp_rset_timeout = $a\na = z\n", (), "line 1: smtp_rset_timeout = $a (that is, z): expected a time"),
        ("smtp_rset_timeout = $a\n", (), "smtp_rset_timeout = $a (that is, nothing): expected a time"),
        ("relayhost = ${a\n", (), 'line 1: relayhost = ${a: truncated macro reference: "${a"'),
        ("relay_destination_recipient_limit = x\n", (), "relay_destination_recipient_limit = x: expected a whole number"),
        ("compatibility_level = new\n", (), "line 1: compatibility_level = new: expected a compatibility level"),
        ("smtputf8_enable = ${{$compatibility_level} <level {x}}\n", (), "malformed compatibility level"),
        ("relayhost = Client.Example\n", (), "line 1: relayhost = Client.Example: mail would come back, since"),
        ("myhostname = mail.$mydomain\n", (), "myhostname = mail.$mydomain (that is, mail.): expected a host name"),
        ("nonsense\n", (), "line 1: missing '=' after attribute name"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(
    tmp_path: Path, main_cf: str, overrides: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(WrongConfiguration) as caught:
        load_settings(write_configuration(tmp_path, main_cf), overrides, host=HOST)
    assert complaint in str(caught.value)


def test_a_wrong_setting_can_be_looked_at(tmp_path: Path) -> None:
    directory = write_configuration(tmp_path, "smtp_helo_timeout = 5x\n")
    settings = load_settings(directory, host=HOST, checked=False)
    assert settings.text("smtp_helo_timeout") == "5x"
    with pytest.raises(WrongConfiguration, match="smtp_helo_timeout"):
        _ = settings.smtp_helo_timeout


def test_names_of_other_programs_are_no_error(tmp_path: Path) -> None:
    directory = write_configuration(tmp_path, "smtpd_reject_footer = ${\nsmtpd_recipient_overshoot_limit = x\nmine = $$\n")
    load_settings(directory, host=HOST)


@pytest.mark.parametrize(
    ("main_cf", "overrides"),
    [
        ("", ("relayhost=$mine", "mine=x")),
        ("relayhost = ${mine?x}\n", ("mine=x",)),
        ("", ("virtual_mailbox_maps=hash:/x",)),
        ("", ("slow_destination_rate_delay=1s",)),
        ("", ("lmtp_lhlo_name=x",)),
    ],
)
def test_an_option_that_something_reads_is_accepted(tmp_path: Path, main_cf: str, overrides: tuple[str, ...]) -> None:
    settings = load_settings(write_configuration(tmp_path, main_cf), overrides, host=HOST)
    assert {name for name, entry in settings.entries.items() if entry.place == "-o"} == {
        override.partition("=")[0] for override in overrides
    }


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("mine=x", "-o mine: no such parameter; no value refers to $mine either"),
        ("smtp_helo_timout=1", "-o smtp_helo_timout: no such parameter; did you mean smtp_helo_timeout?"),
        ("smtpd_reject_footer=x", "no such parameter"),
        ("relayhost", "-o needs name=value"),
    ],
)
def test_an_option_that_nothing_reads_is_wrong_usage(override: str, complaint: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        load_settings(None, [override], host=HOST)
    assert complaint in str(caught.value)


def test_the_number_of_options_is_bounded() -> None:
    with pytest.raises(WrongUsage, match="more than"):
        load_settings(None, ["relayhost=x"] * (OVERRIDES_LIMIT + 1), host=HOST)


def test_a_directory_without_main_cf_is_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match=r"main\.cf"):
        load_settings(tmp_path, host=HOST)


def test_the_reader_can_be_replaced() -> None:
    def read(path: Path) -> MainCf:
        return parse_main_cf("relayhost = x\n", str(path))

    assert load_settings(Path("/nowhere"), host=HOST, read=read).entries["relayhost"].place == "/nowhere/main.cf, line 1"


def test_the_directory_is_the_one_named_then_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mailrider.settings.loading.USUAL_DIRECTORY", str(tmp_path))
    assert choose_directory(Path("/a"), {"MAIL_CONFIG": "/b"}) == Path("/a")
    assert choose_directory(None, {"MAIL_CONFIG": "/b"}) == Path("/b")
    assert choose_directory(None, {"MAIL_CONFIG": ""}) is None
    (tmp_path / "main.cf").write_text("")
    assert choose_directory(None, {}) == tmp_path


def test_the_environment_is_not_read_behind_the_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "MAIL_CONFIG", str(tmp_path))
    assert load_settings(None, host=HOST).entries == {}
