from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.media_type import Domain, Kind, MediaType, read_domain, read_media_type

MIXED = MediaType(Kind.MULTIPART, Kind.LEAF, (b"x",))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b" text/plain", Kind.LEAF),
        (b" TEXT", Kind.LEAF),
        (b" message/rfc822", Kind.MESSAGE),
        (b" Message / RFC822; a=b", Kind.MESSAGE),
        (b" (a (b\\) c)) message(d)/(e)rfc822", Kind.MESSAGE),
        (b" message/\n\trfc822", Kind.MESSAGE),
        (b" message/global", Kind.GLOBAL_MESSAGE),
        (b" message/partial", Kind.OTHER_MESSAGE),
        (b" message/external-body", Kind.OTHER_MESSAGE),
        (b" message", Kind.OTHER_MESSAGE),
        (b' message/"rfc822"', Kind.OTHER_MESSAGE),
        (b' message"/"rfc822', Kind.OTHER_MESSAGE),
        (b"", Kind.LEAF),
        (b" ;", Kind.LEAF),
        (b" (only a comment)", Kind.LEAF),
    ],
)
def test_what_follows(value: bytes, kind: Kind) -> None:
    assert read_media_type(value).kind is kind


@pytest.mark.parametrize("value", [b" image/png", b" application/octet-stream", b' "text"/plain', b" /"])
def test_a_type_that_says_nothing(value: bytes) -> None:
    assert read_media_type(value).kind is None


@pytest.mark.parametrize(
    "value",
    [
        b" multipart/mixed; boundary=x",
        b' multipart/mixed; boundary="x"',
        b" MULTIPART/mixed;\n\tBOUNDARY = x",
        b" multipart;boundary=x",
        b" multipart/mixed; a=b; boundary=x; c",
        b" multipart/mixed;;; boundary(c)=(d)x y z",
        b' multipart/mixed; boundary="\\x"',
        b' multipart/mixed; boundary="x',
        b" multipart/mixed; boundary=x/y",
    ],
)
def test_one_boundary(value: bytes) -> None:
    assert read_media_type(value) == MIXED


@pytest.mark.parametrize(
    ("parameters", "boundaries"),
    [
        (b"", ()),
        (b"; boundary", ()),
        (b"; boundary*0=x", ()),
        (b" boundary=x", ()),
        (b'; "boundary"=x', ()),
        (b'; boundary"="x', ()),
        (b'; boundary=""', (b"",)),
        (b"; boundary==", (b"=",)),
        (b"; boundary=a; boundary=b", (b"a", b"b")),
        (b'; boundary="a;b"', (b"a;b",)),
        (b'; boundary="a \\"b\\\\"', (b'a "b\\',)),
        (b'; boundary="a \t\n b"', (b"a b",)),
        (b'; boundary="a\\\nb"', (b"a\nb",)),
        (b'; boundary="a\\', (b"a",)),
        (b'; x="; boundary=y', ()),
    ],
)
def test_boundaries(parameters: bytes, boundaries: tuple[bytes, ...]) -> None:
    assert read_media_type(b" multipart/mixed" + parameters).boundaries == boundaries


def test_parts_of_a_digest_are_messages() -> None:
    assert read_media_type(b" multipart/DIGEST; boundary=x").default is Kind.MESSAGE
    assert read_media_type(b" multipart/mixed; boundary=x").default is Kind.LEAF
    assert read_media_type(b' multipart/"digest"; boundary=x').default is Kind.LEAF


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b" 7bit", Domain.SEVEN_BIT),
        (b" 8BIT", Domain.EIGHT_BIT),
        (b"(c)\n 8bit more", Domain.EIGHT_BIT),
        (b" binary", Domain.BINARY),
        (b" base64", Domain.SEVEN_BIT),
        (b" Quoted-Printable", Domain.SEVEN_BIT),
        (b" x-unknown", None),
        (b' "8bit"', None),
        (b" [8bit]", None),
        (b" ;8bit", None),
        (b"", None),
        (b" (unclosed 8bit", None),
    ],
)
def test_domains(value: bytes, domain: Domain | None) -> None:
    assert read_domain(value) is domain


@given(st.binary(max_size=300))
def test_any_octets_are_read(value: bytes) -> None:
    media_type = read_media_type(value)
    assert len(media_type.boundaries) <= value.lower().count(b"boundary")
    read_domain(value)


@given(st.text('ab "\\;()=/\n\t', max_size=60))
def test_any_parameter_is_read(text: str) -> None:
    media_type = read_media_type(b"multipart/mixed; boundary=" + text.encode())
    assert media_type.kind is Kind.MULTIPART
    assert all(len(boundary) <= len(text) for boundary in media_type.boundaries)
