"""Values as text."""

from __future__ import annotations

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.settings.loading import parse_override
from mailrider.settings.maincf import parse_main_cf
from mailrider.settings.texts import VALUE_SHOWN_CHARACTERS, HostFacts, Texts, show_value


def make(main_cf: str = "", host: HostFacts | None = None, directory: str = "") -> Texts:
    return Texts(parse_main_cf(main_cf, "main.cf").entries, host or HostFacts("client.example"), directory)


@pytest.mark.parametrize(
    ("host_name", "main_cf", "myhostname", "mydomain"),
    [
        ("mail.a.example", "", "mail.a.example", "a.example"),
        ("mail", "", "mail.localdomain", "localdomain"),
        ("mail", "mydomain = b.example\n", "mail.b.example", "b.example"),
        ("mail", "myhostname = solo\n", "solo", "localdomain"),
        ("mail", "myhostname = x.$mydomain\n", "x.", ""),
        ("mail", "mydomain = $myhostname\n", "mail.", "mail."),
        ("mail.a.example", "mydomain = $myhostname\n", "mail.a.example", "mail.a.example"),
    ],
)
def test_names_of_the_host(host_name: str, main_cf: str, myhostname: str, mydomain: str) -> None:
    texts = make(main_cf, HostFacts(host_name))
    assert texts.expanded("myhostname") == myhostname
    assert texts.expanded("mydomain") == mydomain


def test_what_the_host_says_cannot_be_set() -> None:
    texts = make("process_id = 1\n", HostFacts("client.example", 42))
    assert texts.find_entry("process_id") is None
    assert (texts.raw("process_id"), texts.expanded("process_id")) == ("42", "42")


def test_the_folder_is_that_of_main_cf() -> None:
    assert make(directory="/etc/mail").default("config_directory") == "/etc/mail"
    assert make().default("config_directory") == "/etc/postfix"


def test_unknown_names_have_no_text() -> None:
    texts = make("mine = $relayhost$other\n")
    assert texts.raw("mine") == "$relayhost$other"
    assert texts.expanded("mine") == ""
    assert texts.raw("other") is None
    assert texts.default("mine") is None


def test_a_malformed_reference_is_told_with_its_place() -> None:
    with pytest.raises(WrongConfiguration, match=r"^main\.cf, line 2: relayhost = \$\{a: "):
        make("a = b\nrelayhost = ${a\n").expanded("relayhost")


def test_a_setting_is_cited_by_where_it_comes_from() -> None:
    texts = make("relayhost = a\nsmtp_sasl_password_maps = inline:{a=b:hush}\n")
    assert texts.cite("relayhost") == "main.cf, line 1: relayhost = a"
    assert texts.cite("smtp_sasl_password_maps") == "main.cf, line 2: smtp_sasl_password_maps = inline:{***}"
    assert texts.cite("smtp_helo_timeout") == "smtp_helo_timeout = 300s (the default)"
    option = parse_override("relayhost=b")
    assert Texts({"relayhost": option}, HostFacts("x")).cite("relayhost") == "-o relayhost=b"


def test_values_are_shown_printable_and_short() -> None:
    assert show_value("a\x1b\n\udcff") == r"a??\udcff"
    assert show_value("x" * 1000) == "x" * VALUE_SHOWN_CHARACTERS + "..."
