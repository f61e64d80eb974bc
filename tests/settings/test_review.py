from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.model.request import Transport
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.settings.review import Review, list_warnings, other_programs, review

from .postconf import ask_postconf, needs_postconf


def look_through(directory: Path, main_cf: str, master_cf: str = "") -> Review:
    (directory / "main.cf").write_text(main_cf)
    (directory / "master.cf").write_text(master_cf)
    return review(load_settings(directory, host=HostFacts("client.example"), checked=False))


def doubts(directory: Path, main_cf: str, master_cf: str = "") -> list[str]:
    return [doubt.replace(f"{directory}/", "") for doubt in look_through(directory, main_cf, master_cf).doubts]


def test_a_sound_configuration_raises_no_doubt(tmp_path: Path) -> None:
    found = look_through(tmp_path, "mine = a\nrelayhost = [$mine]\nsmtpd_reject_footer = x\nsmtpd_delay_reject = yes\n")
    assert found == Review((), (), ("smtpd_delay_reject", "smtpd_reject_footer"))


@pytest.mark.parametrize(
    ("main_cf", "doubt"),
    [
        ("mine = a\n", "main.cf, line 1: mine is unknown and nothing uses it; remove it, or refer to it as $mine"),
        (
            "smtp_helo_timout = 5\n",
            "main.cf, line 1: smtp_helo_timout is unknown and nothing uses it; did you mean smtp_helo_timeout?",
        ),
        (
            "relayhost = [$nobody]\n",
            "main.cf, line 1: relayhost refers to $nobody, which is not set; set nobody, or write $$ for a dollar sign",
        ),
        (
            "relayhost = [$myhostnam]\n",
            "main.cf, line 1: relayhost refers to $myhostnam, which is not set; did you mean $myhostname?",
        ),
        ("fallback_relay = a\n", "fallback_relay is obsolete: "),
        ("relayhost = a\nrelayhost = b\n", "main.cf, line 2: overriding earlier entry: relayhost=a"),
        ("smtp_tls_export_cipherlist = a\n", "main.cf, line 1: smtp_tls_export_cipherlist is unknown and nothing uses it; "),
    ],
)
def test_a_doubt_comes_with_a_remedy(tmp_path: Path, main_cf: str, doubt: str) -> None:
    (said,) = doubts(tmp_path, main_cf)
    assert said.startswith(doubt)


@pytest.mark.parametrize(
    "main_cf",
    [
        "relay_destination_recipient_limit = 5\n",
        "uucp_time_limit = 5\n",
        "smtpd_restriction_classes = mine, yours\nmine = permit\nyours = reject\n",
        "virtual_alias_maps = ldap:source\nsource_server_host = a\n",
        "virtual_alias_maps = proxy:mysql:source\nsource_hosts = a\n",
        "mine = ${yours?x}\nyours = 1\nrelayhost = $mine\n",
    ],
)
def test_names_that_are_made_of_others_are_known(tmp_path: Path, main_cf: str) -> None:
    assert doubts(tmp_path, main_cf) == []


def test_services_are_looked_through(tmp_path: Path) -> None:
    master_cf = (
        "relay unix - - n - - smtp -o smtp_helo_timeout=5x -o relay_x=1\n"
        "other unix - - n - - smtp -o smtp_helo_name=$mine\n"
        "wrong unix - - n - - smtp flags=Q\n"
        "local unix - n n - - local -o nonsense=1\n"
    )
    found = look_through(tmp_path, "mine = a\n", master_cf)
    assert [error.replace(f"{tmp_path}/", "")[:45] for error in found.errors] == [
        "master.cf, line 1: smtp_helo_timeout = 5x: ex",
        "master.cf, line 3: service wrong: unknown fla",
    ]
    place = f"{tmp_path}/master.cf, line 1"
    assert found.doubts == (f"{place}: relay_x is unknown and nothing uses it; remove it, or refer to it as $relay_x",)


def test_what_is_not_in_effect_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = "smtp_helo_timeout"
    monkeypatch.setattr(Settings.declared[waiting], "in_effect", False)
    found = doubts(tmp_path, f"{waiting} = 77s\n", f"relay unix - - n - - smtp -o {waiting}=78s\n")
    assert found.count(f"{waiting} is not in effect yet") == 1


def test_the_names_of_other_programs_are_not_ours() -> None:
    assert len(other_programs()) > 400
    assert "smtpd_client_restrictions" in other_programs()
    assert [name for name in other_programs() if Settings.find(name) is not None] == []


@needs_postconf
def test_every_name_of_postfix_is_known() -> None:
    theirs = {line.partition(" =")[0] for line in ask_postconf("-d").splitlines()}
    assert {name for name in theirs if Settings.find(name) is None} - other_programs() == set()


def test_a_start_says_each_thing_once_whatever_service_it_was_set_for(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("fallback_relay = a\nrelayhost = a\nrelayhost = b\n")
    (tmp_path / "master.cf").write_text("slow unix - - n - - smtp -o fallback_relay=c\n")
    settings = load_settings(tmp_path, host=HostFacts("client.example"), checked=False)
    said = list_warnings([settings, settings.for_service("slow", Transport.SMTP)])
    assert [text.replace(f"{tmp_path}/", "").partition(": ")[0] for text in said] == [
        "main.cf, line 3", "fallback_relay is obsolete",
    ]  # fmt: skip


def test_what_is_not_in_effect_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, host=HostFacts("client.example"))
    monkeypatch.setattr(Settings, "not_in_effect", lambda self: ["one", "two"])
    assert list_warnings([settings, settings]) == ["set and not in effect yet: one, two"]
