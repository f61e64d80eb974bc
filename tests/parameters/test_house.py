"""Parameters that act by what other parameters make of them, and those that have nothing to act on."""

from __future__ import annotations

import pytest

from mailrider.cli.agent_process import open_log
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, Settings, load_settings


def read(*overrides: str) -> Settings:
    return load_settings(None, overrides, host=HostFacts("me.example.test"))


@pytest.mark.parameter("multi_instance_name", "syslog_name")
def test_the_log_knows_an_instance_by_its_name() -> None:
    assert read().syslog_name == "postfix"
    settings = read("multi_instance_name=postfix-out")
    assert settings.syslog_name == "postfix-out"
    log = open_log(settings, Transport.SMTP, "/no/such/socket")
    assert log.tag == "postfix-out/smtp"
    log.close()


@pytest.mark.parameter("data_directory")
def test_what_may_be_lost_is_kept_there() -> None:
    assert read("data_directory=/srv/data").tls_mta_sts_cache_directory == "/srv/data/mta-sts"


@pytest.mark.parametrize(
    "setting",
    [
        "backwards_bounce_logfile_compatibility=no",
        "default_process_limit=10",
        "connection_cache_status_update_time=1s",
    ],
)
def test_whoever_sets_what_others_obey_is_told(setting: str) -> None:
    name = setting.partition("=")[0]
    assert any(sentence.startswith(f"{name} has nothing to act on here: ") for sentence in read(setting).obsolete())
    assert name not in read(setting).not_in_effect()
