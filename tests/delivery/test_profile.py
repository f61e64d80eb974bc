"""What the settings mean for one transport."""

from __future__ import annotations

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.model.server import Family
from mailrider.smtp.stage import CONTENT, DATA, DOT, EHLO, GREETING, LHLO, MAIL, PROBE, QUIT, RCPT, STAGES

from .scene import profile_of


def test_the_time_limits_are_those_of_postfix() -> None:
    """postconf(5); RFC 5321 §4.5.3.2 asks for no less where it says anything."""
    limits = profile_of().patience.limits
    assert set(limits) == set(STAGES)
    assert [limits[stage] for stage in (GREETING, EHLO, MAIL, RCPT, DATA, CONTENT, DOT, PROBE, QUIT)] == [
        300, 300, 300, 300, 120, 180, 600, 20, 300,
    ]  # fmt: skip


def test_lmtp_reads_its_own_parameters() -> None:
    settings = {"smtp_mail_timeout": "1s", "lmtp_mail_timeout": "2s", "lmtp_lhlo_timeout": "3s", "lmtp_lhlo_name": "l.test"}
    smtp, lmtp = profile_of(Transport.SMTP, **settings), profile_of(Transport.LMTP, **settings)
    assert (smtp.patience.limits[MAIL], lmtp.patience.limits[MAIL]) == (1, 2)
    assert lmtp.patience.limits[LHLO] == 3
    assert (smtp.helo_name, lmtp.helo_name) == ("me.example.test", "l.test")
    assert (smtp.lmtp, lmtp.lmtp) == (False, True)
    assert (smtp.await_quit, lmtp.await_quit) == (False, True)


def test_only_lmtp_can_be_final() -> None:
    assert not profile_of(Transport.SMTP, lmtp_assume_final=True).assume_final
    assert profile_of(Transport.LMTP, lmtp_assume_final=True).assume_final


def test_our_own_addresses_are_bound_to_by_family() -> None:
    terms = profile_of(smtp_bind_address="192.0.2.1", smtp_bind_address6="[2001:db8::1]").dialling
    assert terms.bind_addresses == ((Family.IPV4, "192.0.2.1"), (Family.IPV6, "2001:db8::1"))
    assert profile_of().dialling.bind_addresses == ()


def test_fallback_relays_are_destinations() -> None:
    relays = profile_of(smtp_fallback_relay="[relay.test]:587, other.test").fallbacks
    assert [(relay.host, relay.port, relay.bracketed) for relay in relays] == [
        ("relay.test", 587, True), ("other.test", 25, False),
    ]  # fmt: skip


@pytest.mark.parametrize("relay", ["[relay.test", "relay.test:x", ":25", "[a]b", "relay.test:99999", "re/lay"])
def test_a_fallback_relay_that_makes_no_sense_is_wrong_configuration(relay: str) -> None:
    with pytest.raises(WrongConfiguration, match="smtp_fallback_relay"):
        profile_of(smtp_fallback_relay=relay)


@pytest.mark.parametrize("name", ["a\r\nMAIL FROM:<x>", "a\x01b", "a\tb", "\x7f", "a\0b"])
@pytest.mark.parametrize("parameter", ["smtp_helo_name", "lmtp_lhlo_name"])
def test_a_name_of_ours_with_a_control_character_is_wrong_configuration(parameter: str, name: str) -> None:
    """It goes into a command line, and a line end in it would begin a command of its own."""
    transport = Transport.LMTP if parameter.startswith("lmtp") else Transport.SMTP
    if "\0" in name:
        assert profile_of(transport, **{parameter: name}).helo_name == "a"  # the rest does not exist, as in Postfix
        return
    with pytest.raises(WrongConfiguration, match=f"^-o: {parameter} = .* contains a control character"):
        profile_of(transport, **{parameter: name})


def test_a_wrong_table_is_found_at_once() -> None:
    with pytest.raises(WrongConfiguration, match="smtp_reply_filter"):
        profile_of(smtp_reply_filter="nonsense:/x")
