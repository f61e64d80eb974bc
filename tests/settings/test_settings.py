from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, Settings
from mailrider.settings.kinds import Rate
from mailrider.settings.maincf import parse_main_cf


def make(main_cf: str = "", *, host: HostFacts | None = None, transport: Transport = Transport.SMTP) -> Settings:
    parsed = parse_main_cf(main_cf, "main.cf")
    return Settings(parsed.entries, host or HostFacts("client.example"), transport=transport, warnings=parsed.warnings)


def test_values_are_typed() -> None:
    settings = make("smtp_helo_timeout = 5m\nsmtp_mx_address_limit = 3\ninet_protocols = ipv4, ipv6\nsoft_bounce = Yes\n")
    assert settings.smtp_helo_timeout == 300.0
    assert settings.smtp_mx_address_limit == 3
    assert settings.inet_protocols == ("ipv4", "ipv6")
    assert settings.soft_bounce is True
    assert settings.known_tcp_ports["submission"] == 587


def test_a_value_is_found_once_and_then_an_ordinary_attribute() -> None:
    settings = make("inet_protocols = ipv4\n")
    assert settings.inet_protocols is settings.inet_protocols
    assert "inet_protocols" in vars(settings)


def test_lmtp_reads_the_mirror_by_the_same_attribute() -> None:
    smtp = make("smtp_helo_timeout = 1s\nlmtp_lhlo_timeout = 2s\nlmtp_discard_lhlo_keywords = size\nsmtp_helo_name = x\n")
    lmtp = smtp.bind(Transport.LMTP)
    assert (smtp.smtp_helo_timeout, lmtp.smtp_helo_timeout) == (1.0, 2.0)
    assert (smtp.smtp_discard_ehlo_keywords, lmtp.smtp_discard_ehlo_keywords) == ((), ("size",))
    assert (smtp.smtp_helo_name, lmtp.smtp_helo_name) == ("x", "client.example")
    assert (smtp.smtp_connect_timeout, lmtp.smtp_connect_timeout) == (30.0, 0.0)
    assert (smtp.smtp_skip_quit_response, lmtp.smtp_skip_quit_response) == (True, False)
    assert (smtp.smtp_tls_secure_cert_match, lmtp.smtp_tls_secure_cert_match) == (("nexthop", "dot-nexthop"), ("nexthop",))


def test_binding_costs_once() -> None:
    smtp = make()
    lmtp = smtp.bind(Transport.LMTP)
    assert smtp.bind(Transport.SMTP) is smtp
    assert smtp.bind(Transport.LMTP) is lmtp
    assert lmtp.bind(Transport.SMTP) is smtp


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        make().smtp_helo_timeout = 5.0


def test_facts_about_the_process_cannot_be_set() -> None:
    host = HostFacts("client.example", 42, "agent", "relay", ("192.0.2.0/24", "[::1]/128"))
    settings = make("process_id = 1\nservice_name = x\nrelayhost = $process_id.$service_name.$process_name\n", host=host)
    assert settings.relayhost == ("42.relay.agent",)
    assert settings.mynetworks == ("192.0.2.0/24", "[::1]/128")
    assert settings.obsolete() == ["process_id cannot be set", "service_name cannot be set"]


def test_parameters_of_a_service() -> None:
    settings = make(
        "relay_destination_concurrency_limit = 3\ndefault_destination_concurrency_limit = 9\n"
        "smtp_destination_recipient_limit = 2\nslow_destination_rate_delay = 1m\nslow_initial_destination_concurrency = 1\n"
        "relay_destination_concurrency_positive_feedback = 1/concurrency\n"
    )
    assert settings.of_service("relay", "destination_concurrency_limit") == 3
    assert settings.of_service("slow", "destination_concurrency_limit") == 9
    assert settings.of_service("smtp", "destination_concurrency_limit") == 9
    assert settings.of_service("smtp", "destination_recipient_limit") == settings.smtp_destination_recipient_limit == 2
    assert settings.of_service("lmtp", "destination_recipient_limit") == 50
    assert settings.of_service("slow", "destination_rate_delay") == 60.0
    assert settings.of_service("relay", "destination_rate_delay") == 0.0
    assert settings.of_service("slow", "initial_destination_concurrency") == 1
    assert settings.of_service("relay", "destination_concurrency_positive_feedback") == Rate(1.0, "concurrency")
    assert settings.of_service("qmqpd", "recipient_limit") == 20000


def test_what_is_set_and_not_in_effect_is_named_once() -> None:
    settings = make(
        "smtp_starttls_timeout = 1s\nlmtp_starttls_timeout = 1s\n"
        "smtp_tls_loglevel = 0\nsmtp_sasl_auth_cache_time = 90\nmail_name = ${x:Postfix}\n"  # defaults, in other words
        "smtp_helo_timeout = 1s\nsmtpd_reject_footer = x\nmine = 1\nlmtp_cache_connection = yes\n"
        "relay_delivery_slot_cost = 7\nother_delivery_slot_cost = 5\nsmtp_use_tls = yes\n"
    )
    expected = {"smtp_starttls_timeout", "lmtp_starttls_timeout", "relay_delivery_slot_cost", "smtp_use_tls"}
    found = {name: Settings.declared[_attribute(name)] for name in expected}
    waiting = {name for name, one in found.items() if not one.in_effect and not one.moot}
    assert set(settings.not_in_effect()) == waiting
    assert len(settings.not_in_effect()) == len(waiting)


def test_what_has_nothing_to_act_on_is_told_with_the_reason() -> None:
    settings = make("tls_random_source = dev:/dev/random\nlmtp_tls_enable_rpk = yes\ntlsmgr_service_name = tlsmgr\n")
    assert settings.not_in_effect() == []
    assert settings.obsolete() == [
        "tls_random_source has nothing to act on here: the TLS library takes its randomness from the system",
        "lmtp_tls_enable_rpk has nothing to act on here: Python's TLS libraries have no raw public keys (RFC 7250)",
    ]


def _attribute(name: str) -> str:
    parameter = Settings.find(name)
    assert parameter is not None
    return parameter.attribute


def test_a_wrong_value_is_not_a_default() -> None:
    settings = make("mime_nesting_limit = x\n")
    assert settings.not_in_effect() == ["mime_nesting_limit"] or Settings.mime_nesting_limit.in_effect
    assert len(list(settings.problems())) == 1


def test_obsolete_names_say_what_to_set_instead() -> None:
    settings = make(
        "smtp_use_tls = yes\nlmtp_use_tls = yes\nsmtp_enforce_tls = no\nsmtp_skip_4xx_greeting = yes\n"
        "lmtp_cache_connection = yes\nsmtp_per_record_deadline = yes\n"
    )
    assert settings.obsolete() == [
        "smtp_use_tls is obsolete: security levels have taken its place; set smtp_tls_security_level",
        "lmtp_use_tls is obsolete: security levels have taken its place; set lmtp_tls_security_level",
        "smtp_enforce_tls is obsolete: security levels have taken its place; set smtp_tls_security_level",
        "smtp_skip_4xx_greeting is obsolete: a 4xx greeting always makes the next server be tried",
        "lmtp_cache_connection is obsolete: it was removed in Postfix 2.2; set lmtp_connection_cache_on_demand",
        "smtp_per_record_deadline is obsolete: it is only the default of another parameter; set smtp_per_request_deadline",
    ]


def test_the_old_deadline_is_the_default_of_the_new_one() -> None:
    settings = make("smtp_per_record_deadline = yes\n")
    assert settings.smtp_per_request_deadline is True
    assert settings.bind(Transport.LMTP).smtp_per_request_deadline is False
    both = make("smtp_per_record_deadline = yes\nsmtp_per_request_deadline = no\n")
    assert both.smtp_per_request_deadline is False


def test_every_problem_is_told() -> None:
    settings = make("smtp_helo_timeout = x\nlmtp_lhlo_timeout = y\nrelay_recipient_limit = z\nrelayhost = a\nmyorigin = A\n")
    problems = list(settings.problems())
    assert [problem.partition(":")[0] for problem in problems] == [f"main.cf, line {n}" for n in (4, 1, 2, 3)]
    with pytest.raises(WrongConfiguration) as caught:
        settings.check()
    assert str(caught.value) == problems[0]


def test_a_host_name_that_cannot_be_used_is_a_problem_of_the_default() -> None:
    problems = list(make(host=HostFacts("bad name")).problems())
    assert problems == [
        "myhostname = bad name.localdomain (the default): expected a host name",
    ]


def test_messages_show_no_passwords() -> None:
    wrong = make("a = hush\nsmtp_sasl_password_maps = inline:{a=b:hush\nlmtp_sasl_password_maps = inline:{a=$a\n")
    told = list(wrong.problems())
    assert len(told) == 2
    assert "smtp_sasl_password_maps = inline:{***}: expected" in told[0]
    (told_too,) = make("smtp_sasl_password_maps = static:{hush${a hush\n").problems()
    assert "hush" not in "".join([*told, told_too])


def test_messages_show_no_control_characters_and_end() -> None:
    settings = make(f"relayhost = \x1b[1m${{a\nsmtp_rset_timeout = {'9' * 5000}\n")
    for problem in settings.problems():
        assert problem.isprintable()
        assert len(problem) < 400


def test_texts_are_at_hand() -> None:
    settings = make("mine = $relayhost.\nrelayhost = a\n")
    assert (settings.text("mine"), settings.raw_text("mine"), settings.default_text("mine")) == ("a.", "$relayhost.", None)
    assert (settings.is_set("mine"), settings.is_set("myorigin")) == (True, False)
    assert (settings.find_text("mine"), settings.find_text("myorigin")) == ("a.", None)


def test_the_folder_is_known(tmp_path: Path) -> None:
    settings = Settings({}, HostFacts("x"), directory=str(tmp_path))
    assert settings.config_directory == str(tmp_path)
    assert settings.bind(Transport.LMTP).config_directory == str(tmp_path)
    assert "smtp" in repr(settings)
