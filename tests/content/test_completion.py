"""What a message that begins its way here gets: missing fields, whole addresses, nothing private."""

from __future__ import annotations

import base64
import re
from email import message_from_bytes
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.completion import (
    Origin,
    complete_header,
    find_recipients,
    is_all_header,
    read_addresses,
    split_fields,
    write_phrase,
)
from mailrider.content.whole_address import Completion

ORIGIN = Origin("4jXby03yT2z10pr", "host.example", "Sun, 22 Nov 2026 17:42:48 +0000 (UTC)", "joe@host.example", "Joe Doe")


def complete(header: bytes, origin: Origin = ORIGIN) -> bytes:
    fields, rest = split_fields(header)
    assert rest == b""
    return b"".join(complete_header(fields, origin, Completion("example.com")))


def test_what_is_missing_stands_behind_the_rest() -> None:
    assert complete(b"Subject: x\r\n") == (
        b"Subject: x\r\n"
        b"Message-Id: <4jXby03yT2z10pr@host.example>\r\n"
        b"Date: Sun, 22 Nov 2026 17:42:48 +0000 (UTC)\r\n"
        b"From: Joe Doe <joe@host.example>\r\n"
    )


def test_what_is_there_stays_as_it_is() -> None:
    header = b"DATE: once\r\nmessage-id:<x@y>\r\nFrom:  a@b.example\r\nTo: c@d.example,\r\n\te@f.example\r\n"
    assert complete(header) == header


def test_blanks_before_a_colon_are_taken_out() -> None:
    assert split_fields(b"Subject \t: a : b\r\nX:y\r\n") == ([b"Subject: a : b\r\n", b"X:y\r\n"], b"")


def test_a_message_that_is_resent() -> None:
    header = b"From: a@b.example\r\nResent-To: c@d.example\r\n"
    assert complete(header) == (
        header + b"Resent-Message-Id: <4jXby03yT2z10pr@host.example>\r\n"
        b"Resent-Date: Sun, 22 Nov 2026 17:42:48 +0000 (UTC)\r\n"
        b"Resent-From: Joe Doe <joe@host.example>\r\n"
    )


@pytest.mark.parametrize("name", ["Bcc", "Cc", "Date", "From", "Message-Id", "Reply-To", "Sender", "To"])
def test_what_tells_that_a_message_is_resent(name: str) -> None:
    assert b"\r\nResent-Message-Id: " in complete(f"X: y\r\nResent-{name}: b@c.example\r\n".encode()) or name == "Message-Id"
    assert b"\r\nDate: " not in complete(f"X: y\r\nResent-{name}: b@c.example\r\n".encode())


def test_other_fields_with_such_a_name_do_not_tell() -> None:
    added = complete(b"Resent-Count: 2\r\n")
    assert b"\r\nMessage-Id: " in added
    assert b"\r\nDate: " in added
    assert b"\r\nFrom: " in added


@pytest.mark.parametrize(
    ("beginning", "goes_on"),
    [
        (b"A: b\r\n", True),
        (b"A: b\r\n more\r\nC: d", True),
        (b"A: b\r\nhalf a na", True),
        (b"A: b\r\nno field\r\n", False),
        (b"A: b\r\nno field\r\nB", False),
        (b"no field", False),
        (b"", False),
    ],
)
def test_whether_a_header_goes_on(beginning: bytes, goes_on: bool) -> None:
    assert is_all_header(beginning) is goes_on


def test_the_null_sender_is_mailer_daemon() -> None:
    assert complete(b"", ORIGIN._replace(sender="")).endswith(b"From: MAILER-DAEMON@example.com\r\n")
    assert complete(b"", ORIGIN._replace(full_name="")).endswith(b"From: joe@host.example\r\n")


@pytest.mark.parametrize("name", [b"Bcc", b"Resent-Bcc", b"Content-Length", b"Return-Path", b"BCC "])
def test_private_fields_are_taken_out(name: bytes) -> None:
    assert name.strip().lower() not in complete(name + b": x@y.example,\r\n z@y.example\r\nSubject: s\r\n").lower()


def test_addresses_become_whole() -> None:
    written = complete(b'To: joe, "Mary Jane" <mary>, <@r.example:b@c.example.>\r\nCc: d@e.example\r\nX-To: joe\r\n')
    assert read_addresses(written.split(b"\r\n")[0][3:]) == ["joe@example.com", "mary@example.com", "b@c.example"]
    assert b"Cc: d@e.example\r\nX-To: joe\r\n" in written


def test_one_address_with_a_dot_at_its_end() -> None:
    assert complete(b"To: Joe <joe@c.example.>\r\n").startswith(b"To: Joe <joe@c.example>\r\n")


@pytest.mark.parametrize(
    ("header", "fields", "rest"),
    [
        (b"", [], b""),
        (b"A: b\r\n c\r\nD: e\r\n\r\nbody\r\n", [b"A: b\r\n c\r\n", b"D: e\r\n"], b"\r\nbody\r\n"),
        (b"no header\r\nA: b\r\n", [], b"no header\r\nA: b\r\n"),
        (b" A: b\r\n", [], b" A: b\r\n"),
        (b"A: b\r\nno header\r\n", [b"A: b\r\n"], b"no header\r\n"),
        (b"A: b\r\n \t\r\n", [b"A: b\r\n \t\r\n"], b""),
        (b"A: b\r\n \r\nBcc: c\r\n\r\n", [b"A: b\r\n \r\n", b"Bcc: c\r\n"], b"\r\n"),
        (b": x\r\n", [], b": x\r\n"),
    ],
)
def test_where_a_header_ends(header: bytes, fields: list[bytes], rest: bytes) -> None:
    assert split_fields(header) == (fields, rest)


@given(st.lists(st.sampled_from([b"A: b", b" c", b"", b"To: x@y", b"\xff", b"text", b"\t"]), max_size=8))
def test_nothing_is_lost_between_header_and_body(lines: list[bytes]) -> None:
    text = b"".join(line + b"\r\n" for line in lines)
    fields, rest = split_fields(text)
    assert b"".join(fields) + rest == text


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"To: a@b, Joe <c@d>\r\nCc: e@f\r\nBcc: (hi) g\r\n", ["a@b", "c@d", "e@f", "g"]),
        (b"To: a@b\r\nResent-To: r@s\r\nCc: c@d\r\nResent-Bcc: t@u\r\n", ["r@s", "t@u"]),
        (b"From: a@b\r\nReply-To: c@d\r\nApparently-To: e@f\r\n", []),
        (b'To: "a b"@c, undisclosed:;, group: x@y, z@y;\r\n', ["a b@c", "x@y", "z@y"]),
    ],
)
def test_recipients_of_the_header(header: bytes, found: list[str]) -> None:
    assert find_recipients(split_fields(header)[0]) == found


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Joe Doe", b"Joe Doe"),
        ("", b""),
        ("Joe (the man), \"J\" \\", b'"Joe (the man), \\"J\\" \\\\"'),
        ("Joe\r\nBcc: x@y", b'"Joe Bcc: x@y"'),
        ("\x00", b""),
    ],
)
def test_a_name_in_front_of_an_address(name: str, written: bytes) -> None:
    assert write_phrase(name) == written


@given(st.text(min_size=1, max_size=200))
def test_a_name_cannot_break_out_of_its_field(name: str) -> None:
    header = complete(b"", ORIGIN._replace(full_name=name))
    message = message_from_bytes(header + b"\r\n")
    assert len(message.keys()) == 3
    assert all(len(line) <= 998 for line in header.split(b"\r\n"))
    for word in re.findall(rb"=\?utf-8\?B\?(.*?)\?=", header) if not name.isascii() else ():
        base64.b64decode(word).decode("utf-8")


def test_a_long_name_that_is_not_ascii() -> None:
    name = "Räksmörgås " * 20
    written = write_phrase(name)
    assert all(len(word) <= 75 for word in written.split(b"\r\n "))
    assert str(make_header(decode_header(written.decode()))) == name.strip()
