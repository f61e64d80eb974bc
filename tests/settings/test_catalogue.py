from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.settings.expansion import find_references

from .postconf import ask_postconf, needs_postconf

RECORDED = Path(__file__).with_name("defaults-3.7.txt")
"""What `postconf -d` of Postfix 3.7.11 on Debian 12 says about the parameters declared here."""

SETTINGS = load_settings(None, host=HostFacts("client.example"))


def parse(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(" =") for line in text.splitlines())}


def test_defaults_are_the_recorded_ones() -> None:
    recorded = parse(RECORDED.read_text("utf-8"))
    assert {name: SETTINGS.default_text(name) for name in recorded} == recorded


def test_what_is_not_recorded_is_newer_or_ours_or_found_at_run_time() -> None:
    recorded = parse(RECORDED.read_text("utf-8"))
    for name in set(Settings.listed_names()) - set(recorded):
        parameter = Settings.find(name)
        assert parameter is not None
        newer = parameter.since.startswith("3.") and int(parameter.since.split(".")[1]) > 7
        assert newer or parameter.ours or parameter.computed, name


@needs_postconf
def test_defaults_are_those_of_postconf() -> None:
    theirs = parse(ask_postconf("-d"))
    ours = {name: SETTINGS.default_text(name) for name in Settings.listed_names()}
    computed = {name for name, parameter in Settings.declared.items() if parameter.computed}
    common = ours.keys() & theirs.keys() - computed
    assert len(common) > 380
    assert {name: ours[name] for name in common} == {name: theirs[name] for name in common}
    mine = {name for name in theirs if name.startswith(("smtp_", "lmtp_"))}
    assert mine <= ours.keys()


@pytest.mark.parametrize("name", sorted(Settings.declared))
def test_every_declaration_is_sound(name: str) -> None:
    parameter = Settings.declared[name]
    assert parameter.name in (name, name.replace("two_bounce", "2bounce"))
    assert parameter.doc.endswith((".", ")."))
    assert "\n" not in parameter.doc
    assert parameter.section
    assert parameter.ours == (not parameter.since)
    for one in parameter.names:
        parameter.parse(SETTINGS.text(one))
        assert Settings.find(one) is parameter
    if parameter.replaced_by:
        assert parameter.obsolete
        assert Settings.find(parameter.replaced_by) is not None


def test_every_name_is_declared_once() -> None:
    names = Counter(name for parameter in Settings.declared.values() for name in parameter.names)
    assert [name for name, count in names.items() if count > 1] == []
    assert sum(len(section.declared) for section in Settings.sections()) == len(Settings.declared)
    titles = [section.title for section in Settings.sections()]
    assert len(set(titles)) == len(titles)


def test_defaults_refer_to_what_is_declared() -> None:
    foreign = {"smtpd_client_connection_limit_exceptions", "stress", "virtual_mailbox_maps"}
    used = {
        reference
        for parameter in Settings.declared.values()
        for name in parameter.names
        for reference in find_references(parameter.default_of(name))
    }
    assert {name for name in used if Settings.find(name) is None} == foreign


def test_families_end_like_their_defaults() -> None:
    families = [parameter for parameter in Settings.declared.values() if parameter.family]
    assert len(families) == 18
    for parameter in families:
        service = "any" + parameter.family
        assert Settings.find(service) is parameter
        assert SETTINGS.text(service) == SETTINGS.text(parameter.default.removeprefix("$"))


def test_our_own_parameters_are_told_apart() -> None:
    ours = {parameter.name for parameter in Settings.declared.values() if parameter.ours}
    assert {"dns_nameservers", "smtp_chunking", "smtp_pipelining_across_messages", "smtp_tls_mta_sts"} <= ours


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("smtp_helo_timeout", "smtp_helo_timeout"),
        ("lmtp_lhlo_timeout", "smtp_helo_timeout"),
        ("2bounce_notice_recipient", "2bounce_notice_recipient"),
        ("x_destination_recipient_limit", "transport_destination_recipient_limit"),
        ("x_recipient_limit", "transport_recipient_limit"),
        ("default_recipient_limit", "default_recipient_limit"),
        ("smtpd_recipient_overshoot_limit", None),
        ("_recipient_limit", None),
        ("smtpd_reject_footer", None),
    ],
)
def test_names_are_found(name: str, declared: str | None) -> None:
    parameter = Settings.find(name)
    assert (parameter.name if parameter else None) == declared


def test_a_misspelling_is_recognised() -> None:
    assert Settings.find_similar("smtp_helo_timout") == "smtp_helo_timeout"
    assert Settings.find_similar("smtpd_recipient_limt") == "smtpd_recipient_limit"
    assert Settings.find_similar("intake_smtp_listn") == "intake_smtp_listen"
    assert Settings.find_similar("zzz") == ""
