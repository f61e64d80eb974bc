from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.content.walking import Content, lines
from tests.differential_mime.messages import MessageMaker

from mailrider.content.checks import Lookup
from mailrider.content.fit import Fitting, fit_content
from mailrider.content.mime import Limits
from mailrider.errors import ContentUnreadable, LocalDataError, TableTrouble, UnsuitableContent

EIGHT_BIT = lines(b"From: a@b", b"Content-Transfer-Encoding: 8bit", b"", b"gr\xfcn", b".")


def fit(message: bytes, fitting: Fitting, piece_octets: int = 1 << 30, *, stuff: bool = True) -> bytes:
    return b"".join(fit_content(Content(message, piece_octets), fitting, stuff=stuff))


def answer_nothing(key: str) -> str | None:
    return None


def fail(key: str) -> str | None:
    raise TableTrouble("regexp:/no/file: gone")


# -- nothing to do -------------------------------------------------------------------------------------------------


def test_a_message_that_needs_nothing_is_not_looked_at() -> None:
    message = lines(b"A : b", b"", b"\xfc\0")
    content = Content(message)
    pieces = list(fit_content(content, Fitting()))
    assert len(pieces) == 1
    assert pieces[0] is content._octets


def test_dots_are_stuffed_and_lines_folded() -> None:
    assert fit(lines(b".", b"", b"abcdef"), Fitting(line_limit_octets=4)) == lines(b"..", b"", b"abcd", b" ef")


def test_dots_are_not_stuffed_for_bdat() -> None:
    assert fit(lines(b"."), Fitting(), stuff=False) == lines(b".")
    assert fit(EIGHT_BIT, Fitting(downgrade=True), stuff=False).endswith(lines(b"gr=FCn", b"."))


def test_folding_is_told_once() -> None:
    told: list[str] = []
    message = lines(b"abcdef", b"abcdef", b"abc")
    assert fit(message, Fitting(line_limit_octets=4, report=told.append), 5) == lines(b"abcd", b" ef", b"abcd", b" ef", b"abc")
    assert told == ["breaking line > 4 bytes with <CR><LF>SPACE"]
    told.clear()
    fit(lines(b"abcd"), Fitting(line_limit_octets=4, report=told.append))
    assert told == []


def test_fields_in_front() -> None:
    fitting = Fitting(prepend=(b"Return-Path: <>", b"X: y"))
    assert fit(lines(b"A: b"), fitting) == lines(b"Return-Path: <>", b"X: y", b"A: b")
    assert fit(b"", fitting) == lines(b"Return-Path: <>", b"X: y")


# -- something to do -----------------------------------------------------------------------------------------------


def test_conversion() -> None:
    encoded = lines(b"From: a@b", b"Content-Transfer-Encoding: quoted-printable", b"", b"gr=FCn", b"..")
    assert fit(EIGHT_BIT, Fitting(downgrade=True)) == encoded
    assert fit(EIGHT_BIT, Fitting(downgrade=True), 1) == encoded


def test_fields_in_front_are_checked_and_rewritten_like_others() -> None:
    asked: list[str] = []
    fitting = Fitting(
        prepend=(b"Return-Path: <a@b>",),
        header_checks=lambda key: asked.append(key),  # type: ignore[func-returns-value]
        generic=lambda address: "x@y.z",
    )
    assert fit(lines(b"Subject: s", b""), fitting) == lines(b"Return-Path: <x@y.z>", b"Subject: s", b"")
    assert asked == ["Return-Path: <a@b>", "Subject: s"]


def test_every_table_is_used() -> None:
    message = lines(
        b"Subject: s", b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"Part: p", b"Content-Type: message/rfc822",
        b"", b"Nested: n", b"", b"body", b"--b--",
    )  # fmt: skip

    def answer(word: str) -> Lookup:
        return lambda key: f"REPLACE {key} {word}" if key[0].isalpha() else None

    out = fit(
        message,
        Fitting(
            header_checks=answer("1"), mime_header_checks=answer("2"), nested_header_checks=answer("3"), body_checks=answer("4")
        ),
    )
    assert out == lines(
        b"Subject: s 1", b"Content-Type: multipart/mixed; boundary=b 2", b"", b"--b", b"Part: p 2",
        b"Content-Type: message/rfc822 2", b"", b"Nested: n 3", b"", b"body 4", b"--b--",
    )  # fmt: skip


def test_generic_addresses_alone_need_no_mime() -> None:
    message = lines(b"To: a@b", b"Content-Type: message/rfc822", b"", b"To : a@b")
    assert fit(message, Fitting(generic=lambda address: "x@y.z")) == message.replace(b"To: a@b", b"To: x@y.z")


def test_parameters_have_the_name_of_the_transport() -> None:
    warnings: list[str] = []
    fit(lines(b"A: b"), Fitting(header_checks=lambda key: "REJECT", prefix="lmtp", warn=warnings.append))
    assert warnings == ["unsupported command in lmtp_header_checks map: REJECT"]


def test_a_message_ends_with_a_line_end_whatever_a_check_takes_away() -> None:
    fitting = Fitting(body_checks=lambda key: "IGNORE" if key == "y" else None, limits=Limits(record_limit_octets=8))
    message = lines(b"A: b", b"", b"x" * 8 + b"y")
    assert fit(message, fitting) == lines(b"A: b", b"", b"x" * 8)
    assert fit(lines(b"A: b", b"", b"y"), fitting) == lines(b"A: b", b"")


# -- trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["header_checks", "body_checks", "generic"])
def test_a_table_that_does_not_answer(table: str) -> None:
    warnings: list[str] = []
    with pytest.raises(LocalDataError):
        fit(lines(b"To: a@b", b"", b"x"), replace(Fitting(warn=warnings.append), **{table: fail}))
    assert warnings == ["regexp:/no/file: gone"]


def test_content_that_cannot_be_read() -> None:
    class Unreadable(Content):
        def chunks(self):  # type: ignore[no-untyped-def]
            yield lines(b"A: b", b"")
            raise ContentUnreadable("Input/output error")

    for fitting in (Fitting(), Fitting(downgrade=True)):
        pieces = fit_content(Unreadable(b""), fitting)
        assert next(pieces) == lines(b"A: b", b"")
        with pytest.raises(ContentUnreadable):
            next(pieces)


def test_a_message_nested_too_deep() -> None:
    message = lines(*[b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d" % (level, level) for level in range(5)])
    with pytest.raises(UnsuitableContent):
        fit(message, Fitting(downgrade=True, limits=Limits(mime_nesting_limit=1)))


# -- properties ----------------------------------------------------------------------------------------------------

CHECKED = Fitting(
    downgrade=True,
    line_limit_octets=40,
    header_checks=lambda key: "PREPEND X: y" if "a" in key else None,
    mime_header_checks=lambda key: "IGNORE" if "X" in key else None,
    nested_header_checks=lambda key: "REPLACE Y: z" if "S" in key else None,
    body_checks=lambda key: {"p": "IGNORE", "r": "REPLACE .x", "g": "PREPEND .y"}.get(key[0]),
    generic=lambda address: "x@y.z" if address.startswith("u1") else None,
    prepend=(b"Return-Path: <u1@example.test>",),
    limits=Limits(100, 20, 300, 64),
)
FITTINGS = st.sampled_from([
    Fitting(), Fitting(downgrade=True), CHECKED, replace(CHECKED, downgrade=False), replace(CHECKED, line_limit_octets=0),
    Fitting(generic=CHECKED.generic), Fitting(downgrade=True, body_checks=CHECKED.body_checks),
])  # fmt: skip


@given(st.integers(0, 10_000), FITTINGS, st.integers(1, 200))
def test_it_does_not_matter_where_a_message_is_cut(seed: int, fitting: Fitting, piece_octets: int) -> None:
    message = MessageMaker(seed, 64).make()
    assert fit(message, fitting, piece_octets) == fit(message, fitting)


@given(st.integers(0, 10_000), FITTINGS)
def test_what_comes_out_is_fit_for_the_wire(seed: int, fitting: Fitting) -> None:
    out = fit(MessageMaker(seed, 64).make(), fitting)
    assert out.endswith(b"\r\n")
    assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
    assert b"\n.\r\n" not in out
    limit = fitting.line_limit_octets
    assert not limit or max(map(len, out.split(b"\r\n"))) <= limit + 1  # and the dot that was stuffed


@given(st.binary(max_size=300), FITTINGS, st.integers(1, 100))
def test_any_octets(octets: bytes, fitting: Fitting, piece_octets: int) -> None:
    fit(octets, fitting, piece_octets)


def test_a_large_piece_is_cut() -> None:
    message = EIGHT_BIT + lines(b"\xfc" * 60) * 2_000
    assert fit(message, Fitting(downgrade=True)) == fit(message, Fitting(downgrade=True), 1000)


def test_a_large_message_is_taken_piece_by_piece() -> None:
    content = Content(EIGHT_BIT + lines(b"\xfc" * 60) * 10_000, 10_000)
    pieces = fit_content(content, Fitting(downgrade=True))
    next(pieces)
    assert content.asked == 1
    assert max(map(len, pieces)) < 100_000
