"""Message content: one test for each parameter."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.model.request import BodyType, Recipient

from .scenes import settings_of, talk

SEVEN_BIT = ("PIPELINING",)
LABEL = "Content-Transfer-Encoding: 8bit\r\n"
EIGHT = (f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n{LABEL}\r\ngr\u00fcn\r\n").encode()
MIXED = (
    b"Subject: outer\r\nX-Mine: 1\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n"
)


def table(tmp_path: Path, *lines: str) -> str:
    (tmp_path / "table").write_text("\n".join(lines) + "\n")
    return f"regexp:{tmp_path}/table"


def inline(*pairs: str) -> str:
    return "inline:{ " + ", ".join(f"{{{pair}}}" for pair in pairs) + " }"


def arrives(content: bytes, *recipients: str, keywords: tuple[str, ...] = SEVEN_BIT, **settings: object) -> bytes:
    said = talk(*recipients, content=content, keywords=keywords, **settings)
    assert said.statuses == ["sent 2.0.0"], said.outcomes
    return said.contents[0]


@pytest.mark.parameter("disable_mime_output_conversion")
def test_8bit_content_may_go_out_as_it_is() -> None:
    assert b"gr=C3=BCn" in arrives(EIGHT)
    assert arrives(EIGHT, disable_mime_output_conversion=True) == EIGHT


@pytest.mark.parameter("mime_boundary_length_limit")
def test_so_much_of_a_boundary_is_compared() -> None:
    content = (
        f"MIME-Version: 1.0\r\n{LABEL}Content-Type: multipart/mixed; boundary=abcdef\r\n\r\n"
        f"--abcdef\r\n{LABEL}\r\n\u00fc\r\n--abcxyz\r\n{LABEL}\r\n\u00fc\r\n--abcdef--\r\n"
    ).encode()
    whole, cut = arrives(content), arrives(content, mime_boundary_length_limit=3)
    assert whole.count(b"quoted-printable") < cut.count(b"quoted-printable")


@pytest.mark.parameter("mime_nesting_limit")
def test_a_message_may_be_nested_too_deep_to_be_converted() -> None:
    content = f"MIME-Version: 1.0\r\n{LABEL}".encode()
    for depth in range(6):
        content += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
    content += f"{LABEL}\r\n\u00fc\r\n".encode()
    assert talk(content=content, keywords=SEVEN_BIT).statuses == ["sent 2.0.0"]
    deep = talk(content=content, keywords=SEVEN_BIT, mime_nesting_limit=1)
    assert deep.statuses == ["bounced 5.6.0"]


@pytest.mark.parameter("smtp_header_checks")
def test_header_checks_see_the_fields_of_the_message(tmp_path: Path) -> None:
    arrived = arrives(MIXED, smtp_header_checks=table(tmp_path, "/^(Subject|X-Mine|Content-Type):/ IGNORE"))
    assert b"outer" not in arrived
    assert b"X-Mine" not in arrived
    assert b"inner" in arrived
    assert b"multipart/mixed" in arrived


@pytest.mark.parameter("smtp_mime_header_checks")
def test_mime_header_checks_see_mime_fields(tmp_path: Path) -> None:
    arrived = arrives(MIXED, smtp_mime_header_checks=table(tmp_path, "/^(Subject|MIME-Version):/ IGNORE"))
    assert b"MIME-Version" not in arrived
    assert b"outer" in arrived


@pytest.mark.parameter("smtp_nested_header_checks")
def test_nested_header_checks_see_attached_messages(tmp_path: Path) -> None:
    arrived = arrives(MIXED, smtp_nested_header_checks=table(tmp_path, "/^Subject:/ REPLACE Subject: changed"))
    assert b"Subject: outer" in arrived
    assert b"Subject: changed" in arrived
    assert b"Subject: inner" not in arrived


@pytest.mark.parameter("smtp_body_checks")
def test_body_checks_see_the_lines_of_the_body(tmp_path: Path) -> None:
    content = b"Subject: text\r\n\r\ntext\r\nother\r\n"
    arrived = arrives(content, smtp_body_checks=table(tmp_path, "/text/ REPLACE changed"))
    assert arrived == b"Subject: text\r\n\r\nchanged\r\nother\r\n"


@pytest.mark.parameter("smtp_generic_maps")
def test_generic_maps_rewrite_envelope_and_header() -> None:
    maps = inline("a@example.test = A@public.test", "b@example.test = B@public.test")
    said = talk("b", content=b"From: a@example.test\r\n\r\n", smtp_generic_maps=maps)
    assert said.commands[1].startswith("MAIL FROM:<A@public.test>")
    assert said.commands[2].startswith("RCPT TO:<B@public.test>")
    assert said.contents == [b"From: A@public.test\r\n\r\n"]


def rewritten(address: str, *pairs: str, **settings: object) -> str:
    """The recipient as it goes out."""
    (command,) = [
        command
        for command in talk(Recipient(address), smtp_generic_maps=inline(*pairs), **settings).commands
        if command.startswith("RCPT")
    ]
    return command.partition("<")[2].partition(">")[0]


@pytest.mark.parameter("recipient_delimiter")
def test_an_address_is_also_looked_up_without_its_extension() -> None:
    assert rewritten("b+x@example.test", "b@example.test = B@public.test") == "b+x@example.test"
    assert rewritten("b+x@example.test", "b@example.test = B@public.test", recipient_delimiter="+") == "B@public.test"


@pytest.mark.parameter("propagate_unmatched_extensions")
def test_an_extension_may_be_carried_over() -> None:
    settings = {"recipient_delimiter": "+", "propagate_unmatched_extensions": "generic"}
    assert rewritten("b+x@example.test", "b@example.test = B@public.test", **settings) == "B+x@public.test"


@pytest.mark.parameter("myorigin")
def test_results_without_a_domain_get_ours() -> None:
    assert rewritten("b@example.test", "b@example.test = B", myorigin="origin.test") == "B@origin.test"
    assert rewritten("b@origin.test", "b = B@public.test", myorigin="origin.test") == "B@public.test"


@pytest.mark.parameter("mydomain")
def test_results_with_half_a_domain_get_the_rest() -> None:
    assert rewritten("b@example.test", "b@example.test = B@host", mydomain="domain.test") == "B@host.domain.test"


@pytest.mark.parameter("append_dot_mydomain")
@pytest.mark.parametrize(("settings", "address"), [
    ({}, "B@host.domain.test"),
    ({"append_dot_mydomain": "no"}, "B@host"),
    ({"compatibility_level": "3.6"}, "B@host"),
    ({"compatibility_level": "3.6", "append_dot_mydomain": "yes"}, "B@host.domain.test"),
])  # fmt: skip
def test_half_a_domain_may_be_a_whole_one(settings: dict[str, object], address: str) -> None:
    assert rewritten("b@example.test", "b@example.test = B@host", mydomain="domain.test", **settings) == address


@pytest.mark.parameter("append_at_myorigin")
def test_results_may_stay_without_a_domain() -> None:
    settings = {"myorigin": "origin.test", "append_at_myorigin": "no"}
    assert rewritten("b@example.test", "b@example.test = B", **settings) == "B"


@pytest.mark.parameter("swap_bangpath")
def test_the_path_of_a_result_may_be_taken_for_a_domain() -> None:
    assert rewritten("b@example.test", "b@example.test = site.test!B") == "B@site.test"
    settings = {"myorigin": "origin.test", "swap_bangpath": "no"}
    assert rewritten("b@example.test", "b@example.test = site.test!B", **settings) == "site.test!B@origin.test"


@pytest.mark.parameter("allow_percent_hack")
def test_a_percent_sign_in_a_result_may_be_taken_for_an_at_sign() -> None:
    assert rewritten("b@example.test", "b@example.test = B%site.test") == "B@site.test"
    settings = {"myorigin": "origin.test", "allow_percent_hack": "no"}
    assert rewritten("b@example.test", "b@example.test = B%site.test", **settings) == "B%site.test@origin.test"


def test_an_address_may_become_the_null_address() -> None:
    assert rewritten("b@example.test", 'b@example.test = ""') == ""


@pytest.mark.parametrize(("domain", "ours"), [
    ("[127.0.0.1]", True), ("[192.0.2.9]", True), ("[192.0.2.8]", False), ("192.0.2.9", False),
    ("[IPv6:2001:db8:0::9]", True), ("[2001:db8::9]", False), ("[IPv6:2001:db8::8]", False),
    ("[IPv6:192.0.2.9]", False), ("[]", False), ("[IPv6:]", False),
])  # fmt: skip
def test_users_at_our_addresses_may_be_looked_up_without_one(domain: str, ours: bool) -> None:
    settings = {"inet_interfaces": "127.0.0.1", "proxy_interfaces": "192.0.2.9, 2001:db8::9"}
    address = f"b@{domain}"
    assert rewritten(address, "b = B@public.test", **settings) == ("B@public.test" if ours else address)


@pytest.mark.parameter("mydestination")
def test_users_of_our_domains_may_be_looked_up_without_one() -> None:
    assert rewritten("b@here.test", "b = B@public.test") == "b@here.test"
    assert rewritten("b@here.test", "b = B@public.test", mydestination="here.test") == "B@public.test"


@pytest.mark.parameter("parent_domain_matches_subdomains")
def test_our_domains_may_stand_for_those_below() -> None:
    settings = {"mydestination": "here.test"}
    assert rewritten("b@sub.here.test", "b = B@public.test", **settings) == "b@sub.here.test"
    parents = {**settings, "parent_domain_matches_subdomains": "mydestination"}
    assert rewritten("b@sub.here.test", "b = B@public.test", **parents) == "B@public.test"


@pytest.mark.parameter("header_size_limit")
def test_a_header_beyond_the_limit_is_not_looked_at(tmp_path: Path) -> None:
    content = b"Subject: " + b"x" * 900 + b"\r\n end\r\n\r\n"
    checks = table(tmp_path, "/end/ IGNORE")
    assert b"Subject" not in arrives(content, smtp_header_checks=checks)
    assert b"Subject" in arrives(content, smtp_header_checks=checks, header_size_limit=500)


@pytest.mark.parameter("smtputf8_enable")
def test_other_scripts_need_an_understanding_client() -> None:
    settings_on = settings_of(compatibility_level="1")
    assert settings_on.smtputf8_enable
    assert not settings_of().smtputf8_enable
    options = {"smtputf8": True, "body": BodyType.EIGHT_BIT}
    utf8 = ("8BITMIME", "SMTPUTF8")
    said = talk(Recipient("\u00fc@example.test"), keywords=utf8, options=options, smtputf8_enable=True)
    assert "SMTPUTF8" in said.commands[1]
    refused = talk(Recipient("\u00fc@example.test"), keywords=("8BITMIME",), options=options, smtputf8_enable=True)
    assert refused.statuses == ["bounced 5.6.7"]


@pytest.mark.parameter("enable_idna2003_compatibility")
def test_domains_may_be_converted_by_the_older_rules() -> None:
    from .scenes import find_way

    records = ("xn--fu-hia.test A 192.0.2.1", "fuss.test A 192.0.2.2")
    new = find_way("[fu\u00df.test]", *records)
    old = find_way("[fu\u00df.test]", *records, enable_idna2003_compatibility=True)
    assert [relay.partition("[")[2] for relay in new.relays] == ["192.0.2.1]:25"]
    assert [relay.partition("[")[2] for relay in old.relays] == ["192.0.2.2]:25"]


