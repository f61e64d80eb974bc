"""The message on standard input of sendmail."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.cli.sendmail_input import HEADER_LIMIT_OCTETS, LINE_OCTETS, SubmittedText, TooLarge


def read(octets: bytes, *, dot_ends: bool = True, limit_octets: int = 0) -> tuple[list[bytes], bytes]:
    text = SubmittedText(io.BytesIO(octets), dot_ends=dot_ends, limit_octets=limit_octets)
    return text.fields, b"".join(text.body())


@pytest.mark.parametrize(
    ("given_text", "fields", "body"),
    [
        (b"", [], b"\r\n"),
        (b"A: b\n\nbody\n", [b"A: b\r\n"], b"\r\nbody\r\n"),
        (b"A: b\r\n\r\nbody", [b"A: b\r\n"], b"\r\nbody\r\n"),
        (b"A: b\n", [b"A: b\r\n"], b"\r\n"),
        (b"A: b", [b"A: b\r\n"], b"\r\n"),
        (b"body only\nmore\n", [], b"\r\nbody only\r\nmore\r\n"),
        (b"A: b\nbody\n\nmore\n", [b"A: b\r\n"], b"\r\nbody\r\n\r\nmore\r\n"),
        (b"From joe Sun\n>From mary Mon\nA: b\n\nFrom here\n", [b"A: b\r\n"], b"\r\nFrom here\r\n"),
        (b"A: b\n\none\n.\ntwo\n", [b"A: b\r\n"], b"\r\none\r\n"),
        (b"A: b\n\none\n..\ntwo\n", [b"A: b\r\n"], b"\r\none\r\n..\r\ntwo\r\n"),
        (b"A: b\r\n.\r\nC: d\n", [b"A: b\r\n"], b"\r\n"),
        (b"A: b\n\n\rstray\n", [b"A: b\r\n"], b"\r\n stray\r\n"),
    ],
)
def test_texts(given_text: bytes, fields: list[bytes], body: bytes) -> None:
    assert read(given_text) == (fields, body)


def test_a_dot_ends_nothing_where_that_was_said() -> None:
    assert read(b"A: b\n\none\n.\ntwo\n", dot_ends=False)[1] == b"\r\none\r\n.\r\ntwo\r\n"


def test_a_dot_in_a_long_line_ends_nothing() -> None:
    line = b"x" * LINE_OCTETS + b".\n"
    assert read(b"A: b\n\n" + line + b"y\n")[1] == b"\r\n" + line[:-1] + b"\r\ny\r\n"


def test_a_long_mailbox_line_is_left_out_wholly() -> None:
    assert read(b"From " + b"x" * (2 * LINE_OCTETS) + b"\nA: b\n")[0] == [b"A: b\r\n"]


@pytest.mark.parametrize("where", [b"A: b\n\n", b""])
def test_a_message_over_the_limit(where: bytes) -> None:
    octets = where + b"0123456789\n" * 100
    assert read(octets, limit_octets=len(octets))
    with pytest.raises(TooLarge):
        read(octets, limit_octets=len(octets) - 1)


@given(st.binary(max_size=300))
def test_every_line_of_any_text_is_ended(octets: bytes) -> None:
    fields, body = read(octets)
    assert all(field.endswith(b"\r\n") for field in fields)
    assert body.startswith(b"\r\n")
    assert body.endswith(b"\r\n")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert b"\n" not in body.replace(b"\r\n", b"")


def test_a_header_that_does_not_end_is_refused() -> None:
    fields = (b"A: " + b"b" * 900 + b"\n") * (HEADER_LIMIT_OCTETS // 900)
    with pytest.raises(TooLarge, match="header"):
        read(fields + b"Bcc: secret\n\nbody\n")
    with pytest.raises(TooLarge, match="header"):
        read(b"A: " + b"b" * HEADER_LIMIT_OCTETS + b"\nBcc: secret\n\nbody\n")
    found, body = read(b"A: b\n" + b"text without an empty line\n" * (HEADER_LIMIT_OCTETS // 20) + b"Bcc: text\n")
    assert found == [b"A: b\r\n"]
    assert body.endswith(b"Bcc: text\r\n")
