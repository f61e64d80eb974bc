from __future__ import annotations

import pytest

from mailrider.content.prepend import make_delivery_fields


def make(flags: str, sender: str = "s@a.b", original: str = "o@a.b", recipient: str = "r@a.b") -> tuple[bytes, ...]:
    return make_delivery_fields(flags, sender=sender, original=original, recipient=recipient)


@pytest.mark.parametrize("flags", ["ROD", "DOR", "DORX", "XODR"])
def test_the_order_is_always_the_same(flags: str) -> None:
    assert make(flags) == (b"Return-Path: <s@a.b>", b"X-Original-To: o@a.b", b"Delivered-To: r@a.b")


def test_only_what_is_asked_for() -> None:
    assert make("") == make("X") == ()
    assert make("D") == (b"Delivered-To: r@a.b",)


def test_the_null_sender() -> None:
    assert make("R", sender="") == (b"Return-Path: <>",)


def test_addresses_are_quoted() -> None:
    assert make("RD", sender="s t@a.b", recipient="x@y@a.b") == (b'Return-Path: <"s t"@a.b>', b'Delivered-To: "x@y"@a.b')


def test_addresses_are_rewritten() -> None:
    fields = make_delivery_fields(
        "ROD", sender="s@a.b", original="o@a.b", recipient="r@a.b", rewrite=lambda a: "new@c.d" if a != "r@a.b" else None
    )
    assert fields == (b"Return-Path: <new@c.d>", b"X-Original-To: new@c.d", b"Delivered-To: r@a.b")


def test_the_null_sender_is_not_rewritten() -> None:
    assert make_delivery_fields("R", sender="", original="", recipient="", rewrite=lambda a: "x@y") == (b"Return-Path: <>",)


def test_an_address_cannot_end_its_line() -> None:
    for field in make("ROD", "a\r\nX: y@b", "a\nb@c", "a\0b@c"):
        assert not set(field) & set(b"\r\n\0")
