from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import BrokenPromise
from mailrider.model.address import to_octets
from mailrider.model.request import BodyType, Envelope, Notify, Recipient
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.commands import encode_uxtext, encode_xtext, greet, mail_from, rcpt_to

NOTHING = Capabilities()
EVERYTHING = Capabilities(size=True, eight_bit_mime=True, dsn=True, smtputf8=True)
DSN = Capabilities(dsn=True)

CONTROLS = [chr(code) for code in (*range(0x20), 0x7F)]
# Any text that an address may be: no controls; octets that are no UTF-8 as lone surrogates.
ADDRESS_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
ADDRESSES = st.text(ADDRESS_LETTERS, max_size=40) | st.text(st.sampled_from("a@.<>\" \\\\()é,;:[]+="), max_size=20)
CAPABILITIES = st.builds(
    Capabilities, size=st.booleans(), eight_bit_mime=st.booleans(), dsn=st.booleans(), smtputf8=st.booleans()
)


def mail(sender: str = "a@example.test", offered: Capabilities = EVERYTHING, size: int = 1000, **options: object) -> str:
    converting, quote = bool(options.pop("converting", False)), bool(options.pop("quote", True))
    envelope = Envelope(sender, ())._replace(**options)
    return mail_from(envelope, offered, size, converting=converting, quote=quote).decode("utf-8", "surrogateescape")


def rcpt(address: str, offered: Capabilities = DSN, **options: object) -> str:
    quote = bool(options.pop("quote", True))
    return rcpt_to(Recipient(address)._replace(**options), offered, quote=quote).decode("utf-8", "surrogateescape")


def is_one_line(line: bytes) -> bool:
    return line.endswith(b"\r\n") and not re.search(rb"[\x00-\x1f\x7f]", line[:-2])


# -- MAIL ------------------------------------------------------------------------------------------------------------------


def test_mail_to_a_server_that_knows_nothing() -> None:
    line = mail(offered=NOTHING, body=BodyType.EIGHT_BIT, envid="x", ret="full", smtputf8=True)
    assert line == "MAIL FROM:<a@example.test>\r\n"
    assert mail("", offered=NOTHING) == "MAIL FROM:<>\r\n"


def test_mail_to_a_server_that_knows_everything() -> None:
    line = mail("john doe@example.test", body=BodyType.EIGHT_BIT, envid="a+b=c d", ret="hdrs", smtputf8=True)
    assert line == (
        'MAIL FROM:<"john doe"@example.test> SIZE=1000 BODY=8BITMIME ENVID=a+2Bb+3Dc+20d RET=HDRS SMTPUTF8\r\n'
    )


def test_only_what_was_asked_for_is_said() -> None:
    assert mail() == "MAIL FROM:<a@example.test> SIZE=1000\r\n"
    assert mail(body=BodyType.SEVEN_BIT) == "MAIL FROM:<a@example.test> SIZE=1000 BODY=7BIT\r\n"
    assert mail(converting=True) == "MAIL FROM:<a@example.test>\r\n"
    assert mail("john doe@example.test", quote=False) == "MAIL FROM:<john doe@example.test> SIZE=1000\r\n"
    assert mail("jörg@example.test", smtputf8=True) == "MAIL FROM:<jörg@example.test> SIZE=1000 SMTPUTF8\r\n"


# -- RCPT ------------------------------------------------------------------------------------------------------------------


def test_rcpt_to_a_server_that_knows_no_dsn() -> None:
    assert rcpt("b@example.test", NOTHING, orcpt="rfc822;x", notify=Notify.NEVER) == "RCPT TO:<b@example.test>\r\n"


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, " ORCPT=rfc822;b@example.test"),
        ({"notify": Notify.NEVER}, " ORCPT=rfc822;b@example.test NOTIFY=NEVER"),
        (
            {"notify": Notify.DELAY | Notify.SUCCESS | Notify.FAILURE},
            " ORCPT=rfc822;b@example.test NOTIFY=SUCCESS,FAILURE,DELAY",
        ),
        ({"original": "jane roe@x+y.test"}, ' ORCPT=rfc822;"jane+20roe"@x+2By.test'),
        ({"original": "jörg@x.test"}, " ORCPT=rfc822;j+C3+B6rg@x.test"),
        ({"orcpt": "rfc822;c=d@x.test", "original": "e@x.test"}, " ORCPT=rfc822;c+3Dd@x.test"),
        ({"orcpt": "utf-8;jö+rg\\@x.test"}, " ORCPT=utf-8;j\\x{F6}\\x{2B}rg\\x{5C}@x.test"),
        ({"orcpt": "UTF-8;😀 @x.test"}, " ORCPT=UTF-8;\\x{1F600}\\x{20}@x.test"),
        ({"orcpt": "x"}, " ORCPT=x"),
        # What is no UTF-8 cannot be said in this form, and smtp(8) leaves it out too.
        ({"orcpt": "utf-8;j\udcff@x.test"}, ""),
    ],
)
def test_rcpt_to_a_server_that_knows_dsn(options: dict[str, object], parameters: str) -> None:
    assert rcpt("b@example.test", **options) == f"RCPT TO:<b@example.test>{parameters}\r\n"


def test_a_recipient_without_an_address() -> None:
    assert rcpt("") == "RCPT TO:<>\r\n"


# -- no line within a line -------------------------------------------------------------------------------------------------


@given(ADDRESSES, CAPABILITIES, st.booleans(), st.booleans(), ADDRESSES, st.sampled_from(BodyType))
def test_mail_is_one_line(
    sender: str, offered: Capabilities, quote: bool, converting: bool, envid: str, body: BodyType
) -> None:
    envelope = Envelope(sender, (), envid, "full", body, smtputf8=True)
    line = mail_from(envelope, offered, 17, converting=converting, quote=quote)
    assert is_one_line(line)
    assert line.startswith(b"MAIL FROM:<")


@given(ADDRESSES, CAPABILITIES, st.booleans(), ADDRESSES, ADDRESSES | ADDRESSES.map(lambda text: "utf-8;" + text))
def test_rcpt_is_one_line(address: str, offered: Capabilities, quote: bool, original: str, orcpt: str) -> None:
    line = rcpt_to(Recipient(address, original, orcpt, Notify.SUCCESS), offered, quote=quote)
    assert is_one_line(line)
    assert line.startswith(b"RCPT TO:<")


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("quote", [True, False])
def test_a_control_character_breaks_a_promise(control: str, quote: bool) -> None:
    for address in (control, f"a{control}b@example.test", f"a@b{control}", f"é{control}@b"):
        with pytest.raises(BrokenPromise):
            mail(address, quote=quote)
        with pytest.raises(BrokenPromise):
            rcpt(address, quote=quote)
    with pytest.raises(BrokenPromise):
        greet(b"EHLO", f"host{control}name")
    with pytest.raises(BrokenPromise):
        mail(ret=f"full{control}")
    assert is_one_line(mail(envid=f"a{control}b").encode())
    assert is_one_line(rcpt("b@example.test", orcpt=f"rfc822;a{control}b").encode())
    assert is_one_line(rcpt("b@example.test", original=f"a{control}b").encode())


@pytest.mark.parametrize("code", [0xD800, 0xDC00, 0xDC7F, 0xDD00, 0xDFFF])
def test_half_a_character_breaks_a_promise(code: int) -> None:
    half = chr(code)
    for quote in (True, False):
        with pytest.raises(BrokenPromise):
            mail(f"a{half}@example.test", quote=quote)
        with pytest.raises(BrokenPromise):
            rcpt(f"a@b{half}", quote=quote)


@given(ADDRESSES)
def test_quoted_addresses_do_not_end_early(address: str) -> None:
    line = rcpt_to(Recipient(address), NOTHING)
    local = address.rpartition("@")[0] if "@" in address else address
    domain_octets = len(to_octets(address)) - len(to_octets(local)) if "@" in address else 0
    said = line[len(b"RCPT TO:<") : len(line) - 3 - domain_octets]
    if address:
        assert re.fullmatch(rb'"(?:[^"\\]|\\.)*"|[^"<>\s\\]+', said)


# -- greetings -------------------------------------------------------------------------------------------------------------


def test_greetings() -> None:
    assert greet(b"EHLO", "client.example.test") == b"EHLO client.example.test\r\n"
    assert greet(b"LHLO", "[IPv6:::1]") == b"LHLO [IPv6:::1]\r\n"
    assert greet(b"HELO", "é\udcff") == b"HELO \xc3\xa9\xff\r\n"


# -- xtext -----------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=50))
def test_xtext_can_be_read_back(octets: bytes) -> None:
    encoded = encode_xtext(octets)
    assert re.fullmatch(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", encoded)
    assert re.sub(rb"\+(..)", lambda match: bytes.fromhex(match[1].decode()), encoded, flags=re.DOTALL) == octets


@given(st.text(max_size=50))
def test_uxtext_can_be_read_back(text: str) -> None:
    encoded = encode_uxtext(text)
    assert re.fullmatch(rb"(?:[!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\})*", encoded)
    assert re.sub(r"\\x\{(\w+)\}", lambda match: chr(int(match[1], 16)), encoded.decode()) == text
