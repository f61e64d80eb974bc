from __future__ import annotations

from collections.abc import Callable

import pytest

from mailrider.content.checks import NO_CHECKS, Check, Checks
from mailrider.content.editing import MessageEditor
from mailrider.content.fields import Place


def make_editor(
    header: dict[str, str] | None = None,
    body: dict[str, str] | None = None,
    rewrite: Callable[[str], str | None] | None = None,
) -> MessageEditor:
    headers = {Place.PRIMARY: Check(header.get, "smtp_header_checks")} if header is not None else {}
    checks = Checks(headers, Check(body.get, "smtp_body_checks") if body is not None else None, [].append, [].append)
    return MessageEditor(checks, rewrite, [].append, 16)


def test_fields_are_written_with_their_line_ends() -> None:
    editor = make_editor()
    editor.write_field(Place.PRIMARY, b"a", b"A: b\n c")
    editor.write_record(b"x", ended=False)
    editor.write_record(b"y", ended=True)
    editor.write_lines(b"z\r\n")
    editor.pass_lines(b"p\r\n")
    assert editor.take() == b"A: b\r\n c\r\nxy\r\nz\r\np\r\n"
    assert editor.take() == b""


def test_fields_may_pass_unseen_only_where_nobody_wants_to_look() -> None:
    assert MessageEditor(NO_CHECKS, None, [].append).takes_fields_as_they_are
    assert make_editor(body={}).takes_fields_as_they_are
    assert not make_editor(header={}).takes_fields_as_they_are
    assert not make_editor(rewrite=lambda address: None).takes_fields_as_they_are


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ("IGNORE", b""),
        ("REPLACE B: c", b"B: c\r\n"),
        ("PREPEND B: c", b"B: c\r\nA: b\r\n"),
        ("REPLACE B: c\n d", b"B: c\r\n d\r\n"),
        ("DUNNO", b"A: b\r\n"),
    ],
)
def test_checks_of_fields(action: str, sent: bytes) -> None:
    editor = make_editor(header={"A: b": action})
    editor.write_field(Place.PRIMARY, b"a", b"A: b")
    assert editor.take() == sent


@pytest.mark.parametrize(
    ("action", "sent"),
    [("IGNORE", b"y\r\n"), ("REPLACE z", b"z\r\ny\r\n"), ("PREPEND z\nz", b"z\r\nz\r\nx\r\ny\r\n"), ("OK", b"x\r\ny\r\n")],
)
def test_checks_of_lines(action: str, sent: bytes) -> None:
    editor = make_editor(body={"x": action})
    editor.write_lines(b"x\r\ny\r\n")
    assert editor.take() == sent


def test_long_lines_are_checked_in_pieces() -> None:
    editor = make_editor(body={"x" * 16: "REPLACE y", "z": "IGNORE"})
    editor.write_lines(b"x" * 16 + b"ab\r\n" + b"x" * 16 + b"\r\n" + b"x" * 17 + b"\r\nz\r\n")
    assert editor.take() == b"yab\r\ny\r\nyx\r\n"


def test_addresses_are_rewritten_in_the_primary_header_only() -> None:
    editor = make_editor(rewrite=lambda address: "x@y.z")
    editor.write_field(Place.PRIMARY, b"to", b"To: a@b")
    editor.write_field(Place.PRIMARY, b"subject", b"Subject: a@b")
    editor.write_field(Place.PART, b"to", b"To: a@b")
    editor.write_field(Place.NESTED, b"to", b"To: a@b")
    assert editor.take() == b"To: x@y.z\r\nSubject: a@b\r\nTo: a@b\r\nTo: a@b\r\n"


def test_addresses_are_rewritten_in_what_the_checks_leave() -> None:
    checks = {"To: a@b": "REPLACE Cc: c@d", "From: a@b": "PREPEND Cc: a@b", "Cc: e@f": "REPLACE X: a@b"}
    editor = make_editor(header=checks, rewrite=lambda address: "x@y.z")
    editor.write_field(Place.PRIMARY, b"to", b"To: a@b")
    editor.write_field(Place.PRIMARY, b"from", b"From: a@b")
    editor.write_field(Place.PRIMARY, b"cc", b"Cc: e@f")
    # The text in front is not looked at; what has taken the place of a field is read as if it had that field's name.
    assert editor.take() == b"Cc: x@y.z\r\nCc: a@b\r\nFrom: x@y.z\r\nX:: x@y.z\r\n"
