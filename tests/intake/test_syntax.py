"""Commands as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.intake.syntax import (
    ADDRESS_LIMIT_CHARACTERS,
    MailFrom,
    Offer,
    RcptTo,
    Wrong,
    decode_xtext,
    parse_mail,
    parse_path,
    parse_rcpt,
    show,
)
from mailrider.model.address import quote_local_part


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("<>", "", ""),
        (" <>", "", ""),
        ("<a@b>", "a@b", ""),
        ("<a@b> SIZE=1", "a@b", " SIZE=1"),
        ("a@b SIZE=1", "a@b", " SIZE=1"),
        ("<root>", "root", ""),
        ("<@x.example,@y.example:a@b>", "a@b", ""),
        ('<"john doe"@b>', "john doe@b", ""),
        (r'<"a\"b"@b>', 'a"b@b', ""),
        ('<"a>b"@c> RET=FULL', "a>b@c", " RET=FULL"),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
        ("<a@1.example>", "a@1.example", ""),
        ("<a@b.>", "a@b", ""),
        ("<a..b@c>", "a..b@c", ""),
        ("<ä@ö.example>", "ä@ö.example", ""),
    ],
)
def test_addresses(text: str, address: str, rest: str) -> None:
    assert parse_path(text) == (address, rest)


@pytest.mark.parametrize(
    "text",
    [
        "", "<", ">", "<a@b", "a@b>", "<a b@c>", "<a@b c>", "<a@b@c>", "<@b>", "<a@>", "<a@.b>", "<a@b..c>", '<"a@b>', '<""@b>',
        "<a@b>x", "<a@b\x07>", "<a@" + 64 * "x" + ">", "<a@[b>", "<a@b,c@d>", "<" + 2000 * "a" + "@b>",
        "<(x)a@b>", "<a\udc80@b>", "<a@192.0.2.1>", "<a@1.2.3>", "<a@[bogus]>", "<a@[]>", "<a@[IPv6:x]>",
        "<a@" + "x." * 128 + "example>",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    assert parse_path(text) is None


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    for candidate in (text, f"<{text}>", f"<{text}@b.example>"):
        found = parse_path(candidate)
        if found is not None:
            assert len(found[0]) <= ADDRESS_LIMIT_CHARACTERS
            assert found[0].isprintable() or not found[0].isascii()
            assert candidate.endswith(found[1])


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_what_we_would_write_is_what_we_read(local: str) -> None:
    address = f"{local}@d.example"
    assert parse_path(f"<{quote_local_part(address)}>") == (address, "")


@given(st.text())
def test_parsers_answer_whatever_comes(text: str) -> None:
    for line in (text, f" FROM:{text}", f" FROM:<a@b> {text}", f" FROM:<a@b> ENVID={text}"):
        assert isinstance(parse_mail(line, Offer(True, True, True)), MailFrom | Wrong)
    for line in (text, f" TO:{text}", f" TO:<a@b> {text}", f" TO:<a@b> ORCPT=utf-8;{text}"):
        found = parse_rcpt(line, smtputf8=True)
        assert isinstance(found, RcptTo | Wrong)
        if isinstance(found, Wrong):
            assert found.reply.isprintable()
            assert found.reply.isascii()


def test_parameters_may_be_said_once_and_where_they_are_offered() -> None:
    assert parse_mail(" FROM:<a@b> RET=FULL RET=HDRS", Offer()) == Wrong("501 5.5.4 Bad RET parameter syntax")
    assert parse_mail(" FROM:<a@b> AUTH=<>", Offer(auth=True)) == MailFrom("a@b")
    assert isinstance(parse_mail(" FROM:<a@b> AUTH=<>", Offer()), Wrong)
    assert parse_mail(" FROM:<ä@b> SMTPUTF8", Offer()) == MailFrom("ä@b", smtputf8=True)
    assert isinstance(parse_mail(" FROM:<ä@b> SMTPUTF8", Offer(smtputf8=False)), Wrong)
    assert parse_mail(" FROM:<a@b> REQUIRETLS", Offer(requiretls=True)) == MailFrom("a@b", requiretls=True)


@pytest.mark.parametrize(
    ("value", "orcpt"),
    [
        ("rfc822;a+2Bb@c", "rfc822;a+b@c"),
        ("RFC822;a@b", "RFC822;a@b"),
        ("utf-8;a\\x{E4}@b", "utf-8;aä@b"),
        ("utf-8;ä@b", "utf-8;ä@b"),
        ("utf-8;a\\x{0D}@b", None),
        ("utf-8;a\\x{110000}@b", None),
        ("rfc822;ä@b", None),
        ("rfc822;a+2b@c", None),
        ("rfc822;", None),
        (";a@b", None),
        ("rfc822;" + 600 * "a", None),
    ],
)
def test_original_recipients(value: str, orcpt: str | None) -> None:
    found = parse_rcpt(f" TO:<a@b> ORCPT={value}", smtputf8=True)
    assert (found.orcpt if isinstance(found, RcptTo) else None) == orcpt


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_xtext_comes_back(text: str) -> None:
    encoded = "".join(one if one not in " +=" else f"+{ord(one):02X}" for one in text)
    assert decode_xtext(encoded) == text


@given(st.text())
def test_what_is_shown_is_harmless(text: str) -> None:
    assert show(text).isascii()
    assert show(text).isprintable()
    assert len(show(text)) <= 103
