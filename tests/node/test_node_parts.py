"""Settings as the terms of a node's parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider import node_parts
from mailrider.cli.node_doubts import find_doubts
from mailrider.dsn.report import Kind
from mailrider.errors import WrongConfiguration
from mailrider.machine import read_settings
from mailrider.model.request import Transport
from mailrider.queue.routing import Route
from mailrider.settings import Settings


def make(**values: str) -> Settings:
    return read_settings(None, [f"{name}={value}" for name, value in {"myhostname": "mail.here.example", **values}.items()])


def ignore(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parameter("minimal_backoff_time", "maximal_backoff_time", "queue_run_delay", "maximal_queue_lifetime")
@pytest.mark.parameter("bounce_queue_lifetime", "delay_warning_time", "retry_jitter")
def test_the_schedule() -> None:
    settings = make(
        minimal_backoff_time="1m", maximal_backoff_time="2m", queue_run_delay="3m", maximal_queue_lifetime="4d",
        bounce_queue_lifetime="5h", delay_warning_time="6h", retry_jitter="7",
    )  # fmt: skip
    terms = node_parts.make_schedule_terms(settings)
    assert (terms.minimal_backoff_seconds, terms.maximal_backoff_seconds, terms.run_delay_seconds) == (60, 120, 180)
    assert (terms.lifetime_seconds, terms.bounce_lifetime_seconds) == (345_600, 18_000)
    assert (terms.warning_seconds, terms.jitter_percent) == (21_600, 7)


@pytest.mark.parameter("defer_transports", "qmgr_message_active_limit", "qmgr_message_recipient_limit", "double_bounce_sender")
def test_the_runner() -> None:
    settings = make(
        defer_transports="smtp, relay", qmgr_message_active_limit="10", qmgr_message_recipient_limit="20",
        double_bounce_sender="nobody-home",
    )  # fmt: skip
    terms = node_parts.make_runner_terms(settings)
    assert terms.defer_transports == {"smtp", "relay"}
    assert (terms.messages_limit, terms.recipients_limit, terms.double_bounce_user) == (10, 20, "nobody-home")


@pytest.mark.parameter("transport_maps", "mydestination", "relay_domains", "virtual_mailbox_domains", "relay_transport")
@pytest.mark.parameter("virtual_transport", "local_transport", "default_transport", "relayhost", "recipient_delimiter")
def test_the_router() -> None:
    settings = make(
        transport_maps="inline:{special.example=uucp:there}", mydestination="$myhostname", relay_domains="relay.example",
        virtual_mailbox_domains="virtual.example", relay_transport="slow", virtual_transport="lmtp:unix:/x",
        local_transport="mine", default_transport="out", relayhost="[host]", recipient_delimiter="+",
    )  # fmt: skip
    router = node_parts.make_router(settings, ignore)
    assert router.find("", "b@special.example") == Route("uucp", "there")
    assert router.find("", "b@relay.example") == Route("slow", "[host]")
    assert router.find("", "b@sub.relay.example") == Route("slow", "[host]")
    assert router.find("", "b@virtual.example") == Route("lmtp", "unix:/x")
    assert router.find("", "b@mail.here.example") == Route("mine", "mail.here.example", True)
    assert router.find("", "b@other.example") == Route("out", "[host]")


@pytest.mark.parameter("sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps")
@pytest.mark.parameter("empty_address_relayhost_maps_lookup_key", "empty_address_default_transport_maps_lookup_key")
def test_the_router_by_sender() -> None:
    settings = make(
        sender_dependent_relayhost_maps="inline:{none=[null], {a@x.example=[hers]}}",
        sender_dependent_default_transport_maps="inline:{nobody=slow}",
        empty_address_relayhost_maps_lookup_key="none", empty_address_default_transport_maps_lookup_key="nobody",
    )  # fmt: skip
    router = node_parts.make_router(settings, ignore)
    assert router.find("", "b@other.example") == Route("slow", "[null]")
    assert router.find("a@x.example", "b@other.example") == Route("smtp", "[hers]")


@pytest.mark.parameter("notify_classes", "bounce_notice_recipient", "2bounce_notice_recipient", "delay_notice_recipient")
@pytest.mark.parameter("bounce_size_limit", "header_from_format", "mail_name")
def test_the_site() -> None:
    settings = make(
        notify_classes="bounce, delay", bounce_notice_recipient="one", delay_notice_recipient="two",
        bounce_size_limit="77", header_from_format="obsolete", mail_name="Other",
    )  # fmt: skip
    site = node_parts.make_site(make(**{"2bounce_notice_recipient": "three"}), ignore)
    assert site.two_bounce_recipient == "three"
    site = node_parts.make_site(settings, ignore)
    assert site.classes == {"bounce", "delay"}
    assert (site.bounce_recipient, site.delay_recipient) == ("one", "two")
    assert (site.size_limit_octets, site.obsolete_sender, site.mail_name) == (77, True, "Other")


@pytest.mark.parameter("error_notice_recipient", "enable_threaded_bounces", "confirm_delay_cleared")
def test_the_site_and_its_wishes() -> None:
    site = node_parts.make_site(make(), ignore)
    assert (site.error_recipient, site.threaded, site.confirms_delays) == ("postmaster", False, False)
    wishes = make(error_notice_recipient="errors", enable_threaded_bounces="yes", confirm_delay_cleared="yes")
    site = node_parts.make_site(wishes, ignore)
    assert (site.error_recipient, site.threaded, site.confirms_delays) == ("errors", True, True)


def test_what_a_reload_cannot_change_is_told() -> None:
    before = make(maillog_file="/var/log/a", message_size_limit="1")
    assert node_parts.find_fixed(before, make(maillog_file="/var/log/a", message_size_limit="2")) == []
    now = make(maillog_file="/var/log/b", intake_smtp_listen="")
    assert node_parts.find_fixed(before, now) == [
        "intake_smtp_listen has changed, which counts from the next start on",
        "maillog_file has changed, which counts from the next start on",
    ]


@pytest.mark.parameter("local_transport", "mydestination")
def test_a_node_has_no_mailboxes_unless_it_is_given_some() -> None:
    settings = make(mydestination="mail.here.example, here.example")
    (doubt,) = find_doubts(settings)
    assert "mydestination (mail.here.example, here.example)" in doubt
    router = node_parts.make_router(settings, ignore)
    assert router.find("", "b@here.example") == Route("error", node_parts.NO_MAILBOXES, True)
    assert find_doubts(make(mydestination="")) == []
    given = make(mydestination="here.example", local_transport="lmtp:unix:/run/lmtp")
    assert find_doubts(given) == []
    router = node_parts.make_router(given, ignore)
    assert router.find("", "b@here.example") == Route("lmtp", "unix:/run/lmtp", True)


@pytest.mark.parameter("bounce_template_file")
def test_the_words_of_notices(tmp_path: Path) -> None:
    path = tmp_path / "bounce.cf"
    path.write_text("failure_template = <<EOF\nSubject: Came back\n\nfrom $myhostname\nEOF\n")
    site = node_parts.make_site(make(bounce_template_file=str(path)), ignore)
    assert site.template(Kind.FAILURE).subject == "Came back"
    path.write_text("failure_template = <<EOF\n\nfrom $nobody_knows\nEOF\n")
    with pytest.raises(WrongConfiguration, match="nobody_knows"):
        node_parts.make_site(make(bounce_template_file=str(path)), ignore)
    warnings: list[str] = []
    path.write_text("strange_template = x\n")
    node_parts.make_site(make(bounce_template_file=str(path)), warnings.append)
    assert "unknown template name" in warnings[0]


@pytest.mark.parameter("default_destination_rate", "transport_destination_rate", "default_transport_rate")
@pytest.mark.parameter("transport_transport_rate", "default_destination_rate_delay", "transport_destination_rate_delay")
@pytest.mark.parameter("deliveries_limit")
@pytest.mark.parameter("default_transport_rate_delay", "transport_transport_rate_delay")
def test_the_terms_of_a_service() -> None:
    settings = make(
        smtp_destination_rate="20/s", default_transport_rate="600/min", slow_destination_rate_delay="3s",
        slow_transport_rate_delay="2s", deliveries_limit="9",
    )  # fmt: skip
    terms = node_parts.make_service_terms(settings, "smtp")
    assert (terms.destination.interval_seconds, terms.interval_seconds, terms.deliveries_limit) == (0.05, 0.1, 9)
    assert (terms.destination.window.initial, terms.destination.window.limit) == (5, 20)
    slow = node_parts.make_service_terms(settings, "slow")
    assert (slow.destination.rate_delay_seconds, slow.interval_seconds) == (3, 2)
    assert (slow.destination.window.initial, slow.destination.window.limit) == (1, 1)


@pytest.mark.parameter("rates_count_null_sender")
def test_rates_are_not_for_notices_but_pauses_are() -> None:
    values = {
        "default_destination_rate": "20/s", "slow_destination_rate_delay": "3s", "late_transport_rate_delay": "2s",
    }  # fmt: skip
    settings = make(**values)
    passes = {name: node_parts.make_service_terms(settings, name).notices_pass for name in ("smtp", "slow", "late")}
    assert passes == {"smtp": True, "slow": False, "late": False}
    settings = make(**values, rates_count_null_sender="yes")
    assert not any(node_parts.make_service_terms(settings, name).notices_pass for name in passes)


def test_a_process_limit_of_master_cf_counts(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text("few unix - - n - 3 smtp\nmany unix - - n - - lmtp\n")
    settings = read_settings(tmp_path)
    assert node_parts.make_service_terms(settings, "few").deliveries_limit == 3
    assert node_parts.make_service_terms(settings, "many").deliveries_limit == settings.deliveries_limit
    assert node_parts.find_protocol(settings, "few") is Transport.SMTP
    assert node_parts.find_protocol(settings, "many") is Transport.LMTP
    assert node_parts.find_protocol(settings, "smtp") is None


def test_a_master_cf_without_the_service_that_mail_goes_to_is_doubted(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("mydestination =\nrelay_domains = dest.example\n")
    (tmp_path / "master.cf").write_text("slow unix - - n - - smtp\n")
    assert find_doubts(read_settings(tmp_path)) == [
        "default_transport = smtp: there is no such delivery agent, and mail waits that goes there;"
        " add a line: smtp unix - - n - - smtp",
        "relay_transport = relay: there is no such delivery agent, and mail waits that goes there;"
        " add a line: relay unix - - n - - smtp",
    ]
    (tmp_path / "master.cf").write_text("slow unix - - n - - smtp\nsmtp unix - - n - - smtp\n")
    (tmp_path / "main.cf").write_text("mydestination =\n")
    assert find_doubts(read_settings(tmp_path)) == []


def test_a_default_transport_that_nothing_stands_for_is_doubted() -> None:
    (doubt,) = find_doubts(make(mydestination="", default_transport="uucp:x"))
    assert doubt.startswith("default_transport = uucp:x: ")
    assert doubt.endswith("name smtp, relay or lmtp")
    assert find_doubts(make(mydestination="", default_transport="error:no")) == []


def test_without_a_master_cf_services_go_by_their_names() -> None:
    settings = make()
    found = [node_parts.find_protocol(settings, name) for name in ("smtp", "relay", "lmtp", "local")]
    assert found == [Transport.SMTP, Transport.SMTP, Transport.LMTP, None]


@pytest.mark.parametrize("rate", ["fast", "5/fortnight", "-1/s"])
def test_a_rate_that_makes_no_sense_is_refused(rate: str) -> None:
    with pytest.raises(WrongConfiguration, match="messages in a time"):
        make(smtp_destination_rate=rate).check()
