"""Logs, results, and who we are: one test for each parameter."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.model.outcome import Action, Delays
from mailrider.model.request import Recipient, Transport
from mailrider.observe.text import TextLog
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.testkit.rules import Rule
from observe.events_for_tests import SENT, settled

from .scenes import settings_of, talk

NO = Rule(match="^RCPT", reply="550 5.1.1 no")


@pytest.mark.parameter("soft_bounce")
def test_bounces_may_become_deferrals() -> None:
    assert talk(rules=[NO]).statuses == ["bounced 5.1.1"]
    soft = talk(rules=[NO], soft_bounce=True)
    assert soft.statuses == ["deferred 4.1.1"]
    assert soft.outcomes[0].soft_bounced


def log_line(event: object, **settings: object) -> str:
    """The line as `mailrider deliver` writes it."""
    read = settings_of(**settings)
    lines: list[str] = []
    log = TextLog(
        lines.append,
        resolution_digits=read.delay_logging_resolution_limit,
        address_format=read.info_log_address_format,
        helpful=read.helpful_warnings,
    )
    log(event)  # type: ignore[arg-type]
    return lines[0]


@pytest.mark.parameter("delay_logging_resolution_limit")
def test_delays_have_so_many_decimals() -> None:
    event = settled(SENT._replace(delays=Delays(0.0049, 0.0, 0.0, 0.0)))
    assert ", delays=0/0/0/0, " in log_line(event)
    assert ", delays=0.0049/0/0/0, " in log_line(event, delay_logging_resolution_limit=4)


@pytest.mark.parameter("info_log_address_format")
def test_addresses_in_the_log_may_go_unquoted() -> None:
    event = settled(SENT)._replace(recipient=Recipient("b c@example.test"))
    assert 'to=<"b c"@example.test>' in log_line(event)
    assert "to=<b c@example.test>" in log_line(event, info_log_address_format="internal")


@pytest.mark.parameter("smtp_delivery_status_filter")
def test_a_result_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("/^5\\.1\\.1 / 4.1.1 later\n")
    assert talk(rules=[NO], smtp_delivery_status_filter=f"regexp:{tmp_path}/filter").statuses == ["deferred 4.1.1"]


@pytest.mark.parameter("default_delivery_status_filter")
def test_the_filter_of_all_services_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("/^5\\.1\\.1 / 4.1.1 later\n")
    settings = {"default_delivery_status_filter": f"regexp:{tmp_path}/filter"}
    assert talk(rules=[NO], **settings).statuses == ["deferred 4.1.1"]
    assert talk(rules=[NO], smtp_delivery_status_filter="", **settings).statuses == ["bounced 5.1.1"]


@pytest.mark.parameter("lmtp_assume_final")
def test_what_lmtp_takes_may_count_as_delivered() -> None:
    plain = ("PIPELINING",)
    assert talk(lmtp=True, keywords=plain).outcomes[0].action is Action.RELAYED
    assert talk(lmtp=True, keywords=plain, lmtp_assume_final=True).outcomes[0].action is Action.DELIVERED
    (said,) = settings_of(Transport.LMTP, lmtp_assume_final=True).obsolete()
    assert said == "lmtp_assume_final is obsolete: flags=X of the service has taken its place"


# This host


@pytest.mark.parameter("myhostname")
def test_our_name_is_said_in_ehlo() -> None:
    assert talk(myhostname="other.example.test").commands[0] == "EHLO other.example.test"


@pytest.mark.parameter("mydomain")
def test_our_domain_completes_a_short_host_name() -> None:
    assert load_settings(None, ["mydomain=d.test"], host=HostFacts("solo")).myhostname == "solo.d.test"
    assert settings_of(myhostname="a.b.test").mydomain == "b.test"


@pytest.mark.parameter("compatibility_level")
def test_defaults_follow_the_level() -> None:
    old, new = settings_of(), settings_of(compatibility_level="3.6")
    assert (old.smtp_tls_fingerprint_digest, new.smtp_tls_fingerprint_digest) == ("md5", "sha256")
    assert (old.smtputf8_enable, new.smtputf8_enable) == (False, True)


@pytest.mark.parameter("config_directory")
def test_the_directory_is_that_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtp_helo_name = $config_directory\n")
    assert load_settings(tmp_path, host=HostFacts("c.test")).smtp_helo_name == str(tmp_path)


@pytest.mark.parameter("process_id", "process_name", "service_name")
def test_values_may_refer_to_the_process() -> None:
    read = load_settings(
        None,
        ["smtp_helo_name=$service_name.$process_name.$process_id", "process_id=7"],
        host=HostFacts("c.test", process_id=42),
    )
    assert read.for_service("relay", Transport.SMTP).smtp_helo_name == "relay.smtp.42"
    assert read.obsolete() == ["process_id cannot be set"]


@pytest.mark.parameter("html_directory", "readme_directory", "mail_version")
def test_what_only_describes_an_installation_is_there_to_be_referred_to() -> None:
    settings = {"html_directory": "/a", "readme_directory": "/b", "mail_version": "c"}
    assert settings_of(**settings, smtp_helo_name="$html_directory$readme_directory.$mail_version").smtp_helo_name == "/a/b.c"
    assert settings_of(**settings).not_in_effect() == []


# Names of the past


@pytest.mark.parameter(
    "lmtp_cache_connection", "smtp_tls_cipherlist", "tls_dane_digest_agility", "tls_dane_trust_anchor_digest_enable"
)
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "lmtp_cache_connection", "no",
            "lmtp_cache_connection is obsolete: it was removed in Postfix 2.2; set lmtp_connection_cache_on_demand",
        ),
        ("smtp_tls_cipherlist", "ALL", "smtp_tls_cipherlist is obsolete: it was removed; set smtp_tls_mandatory_ciphers"),
        ("tls_dane_digest_agility", "off", "tls_dane_digest_agility is obsolete: it has done nothing since Postfix 3.2"),
        (
            "tls_dane_trust_anchor_digest_enable", "no",
            "tls_dane_trust_anchor_digest_enable is obsolete: it has done nothing since Postfix 3.2",
        ),
    ],
)  # fmt: skip
def test_what_was_removed_is_ignored_with_a_warning(name: str, value: str, said: str) -> None:
    read = settings_of(**{name: value})
    assert read.obsolete() == [said]
    assert read.not_in_effect() == []


def test_every_obsolete_name_says_once_what_replaces_it() -> None:
    """Whatever it is set to, and for LMTP with the name that LMTP reads."""
    for parameter in Settings.declared.values():
        if not parameter.obsolete:
            continue
        for name in parameter.names:
            read = load_settings(None, [f"{name}={settings_of().text(name)}"], host=HostFacts("c.test"))
            (sentence,) = read.obsolete()
            assert sentence.startswith(f"{name} is obsolete: ")
            replacement = sentence.partition("; set ")[2]
            assert Settings.find(replacement) is not None or not parameter.replaced_by
            if name.startswith("lmtp_") and parameter.replaced_by.startswith("smtp_"):
                assert replacement.startswith("lmtp_")
