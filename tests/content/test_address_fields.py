from __future__ import annotations

import pytest

from mailrider.content.address_fields import rewrite_field


def rewrite(address: str) -> str | None:
    return {
        "a@b.c": "x@y.z",
        "a b@c": "quote me@y.z",
        "gr\udcfcn@b.c": "gr\udcfcn@y.z",
        "same@b.c": "same@b.c",
        "gone@b.c": "",
        "odd@b.c": "o d@d o m",
    }.get(address)


def rewritten(field: bytes, name_octets: int = 2) -> list[bytes] | None:
    return rewrite_field(name_octets, field, rewrite, [].append)


@pytest.mark.parametrize(
    "field",
    [b"To: nobody@b.c", b"To:", b"To: ", b"To: <>", b"To:   A  B   <n@b.c>,\n  c@d", b"To: (a@b.c)", b'To: "a@b.c" <n@b.c>'],
)
def test_a_field_without_such_an_address_is_not_touched(field: bytes) -> None:
    assert rewritten(field) is None


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        (b"To: a@b.c", [b"To: x@y.z"]),
        (b"To:a@b.c", [b"To: x@y.z"]),
        (b"TO: A  B<a@b.c>,\n nobody@b.c", [b"TO: A B <x@y.z>, nobody@b.c"]),
        (b"To: a @ b.c (c)", [b"To: x@y.z (c)"]),
        (b'To: "a b"@c', [b'To: "quote me"@y.z']),
        (b"To: gr\xfcn@b.c", [b"To: gr\xfcn@y.z"]),
        (b"To: same@b.c,n@b.c", [b"To: same@b.c, n@b.c"]),
        (b"To: A <gone@b.c>", [b'To: A <"">']),
        (b"To: odd@b.c", [b'To: "o d"@d o m']),
        (b"To: a@b.c," + b"n" * 70 + b"@b.c", [b"To: x@y.z,", b"\t" + b"n" * 70 + b"@b.c"]),
        (b"To: group: a@b.c;", [b"To: group: x@y.z;"]),
    ],
)
def test_a_field_with_such_an_address_is_written_anew(field: bytes, lines: list[bytes]) -> None:
    assert rewritten(field) == lines


def test_a_field_shorter_than_the_name_it_replaces() -> None:
    assert rewritten(b"X: a@b.c", name_octets=11) is None


def test_too_many_comments_are_warned_of() -> None:
    warnings: list[str] = []
    assert rewrite_field(2, b"To: a@b.c (" + b"x" * 300 + b")", rewrite, warnings.append) == [b"To: <x@y.z>"]
    assert len(warnings) == 1
