from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.content.walking import FieldLog, lines, walk
from tests.differential_mime.messages import MessageMaker

from mailrider.content.fields import Place
from mailrider.content.mime import Limits, passes_unchanged
from mailrider.errors import UnsuitableContent

EIGHT_BIT = b"Content-Transfer-Encoding: 8bit"
QUOTED = b"Content-Transfer-Encoding: quoted-printable"
SEVEN_BIT = b"Content-Transfer-Encoding: 7bit"
MULTIPART = b"Content-Type: multipart/mixed; boundary=b"

MESSAGES = st.integers(0, 100_000).map(lambda seed: MessageMaker(seed, 64).make())
SMALL = Limits(3, 20, 300, 64)


# -- conversion ----------------------------------------------------------------------------------------------------


def test_a_leaf_becomes_quoted_printable_and_its_new_label_comes_last() -> None:
    message = lines(b"A: b", EIGHT_BIT, b"C: d", b"", b"gr\xfcn", b"a=b ")
    assert walk(message) == lines(b"A: b", b"C: d", QUOTED, b"", b"gr=FCn", b"a=3Db=20")


@pytest.mark.parametrize("label", [b"Content-Transfer-Encoding: BINARY", b"content-transfer-encoding:\r\n (c) 8bit", EIGHT_BIT])
def test_labels_that_mean_more_than_7bit(label: bytes) -> None:
    assert walk(lines(label, b"", b"\xfc")) == lines(QUOTED, b"", b"=FC")


@pytest.mark.parametrize(
    "label", [b"A: b", SEVEN_BIT, b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x-none"]
)
def test_other_text_stays_whatever_is_in_it(label: bytes) -> None:
    message = lines(label, b"", b"\xfc\0\x7f=")
    assert walk(message) == message


def test_nothing_is_converted_unless_it_is_asked_for() -> None:
    message = lines(EIGHT_BIT, b"", b"\xfc")
    assert walk(message, converts=False) == message


def test_the_last_label_counts() -> None:
    assert walk(lines(EIGHT_BIT, SEVEN_BIT, b"", b"\xfc")) == lines(SEVEN_BIT, b"", b"\xfc")
    assert walk(lines(SEVEN_BIT, EIGHT_BIT, b"", b"\xfc")) == lines(SEVEN_BIT, QUOTED, b"", b"=FC")


def test_a_multipart_is_relabelled_and_its_parts_are_converted() -> None:
    message = lines(
        MULTIPART, EIGHT_BIT, b"", b"pr\xe4", b"--b", EIGHT_BIT, b"", b"\xfc", b"--b", b"", b"\xfc", b"--b--", b"epil\xf6g"
    )  # fmt: skip
    assert walk(message) == lines(
        MULTIPART, SEVEN_BIT, b"", b"pr\xe4", b"--b", QUOTED, b"", b"=FC", b"--b", b"", b"\xfc", b"--b--", b"epil\xf6g"
    )  # fmt: skip


def test_an_attached_message_is_walked_through() -> None:
    message = lines(b"Content-Type: message/rfc822", EIGHT_BIT, b"", b"Subject: x", EIGHT_BIT, b"", b"\xfc")
    assert walk(message) == lines(b"Content-Type: message/rfc822", SEVEN_BIT, b"", b"Subject: x", QUOTED, b"", b"=FC")


def test_a_digest_has_messages_for_parts() -> None:
    message = lines(
        b"Content-Type: multipart/digest; boundary=b", b"", b"--b", b"", b"Subject: x", EIGHT_BIT, b"", b"\xfc", b"--b--"
    )
    assert QUOTED in walk(message)


def test_a_global_message_is_a_leaf_where_it_is_converted() -> None:
    message = lines(b"Content-Type: message/global", EIGHT_BIT, b"", b"Subject: \xfc", b"", b"\xfc")
    assert walk(message) == lines(b"Content-Type: message/global", QUOTED, b"", b"Subject: =FC", b"", b"=FC")
    inside = lines(b"Content-Type: message/global", b"", b"Subject: x", EIGHT_BIT, b"", b"\xfc")
    assert walk(inside) == lines(b"Content-Type: message/global", b"", b"Subject: x", QUOTED, b"", b"=FC")


def test_a_missing_end_is_found_at_the_outer_boundary() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=i"
    message = lines(
        MULTIPART, b"", b"--b", inner, b"", b"--i", EIGHT_BIT, b"", b"\xfc", b"--b", b"", b"\xfc=", b"--i", EIGHT_BIT
    )
    assert walk(message) == message.replace(EIGHT_BIT, QUOTED, 1).replace(b"\xfc\r\n--b", b"=FC\r\n--b")


def test_the_label_is_written_even_where_the_message_ends_in_the_header() -> None:
    assert walk(lines(b"A: b", EIGHT_BIT)) == lines(b"A: b", QUOTED)


@pytest.mark.parametrize("empty", [b"", b"\r\n", b"\r\n\r\n"])
def test_almost_nothing(empty: bytes) -> None:
    assert walk(empty) == empty


def test_too_deep() -> None:
    deep = lines(*[b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d" % (level, level) for level in range(6)])
    assert walk(deep, limits=Limits(mime_nesting_limit=5)) == deep
    with pytest.raises(UnsuitableContent, match=r"^MIME nesting exceeds safety limit$"):
        walk(deep, limits=Limits(mime_nesting_limit=3))
    assert walk(deep, limits=Limits(mime_nesting_limit=3), converts=False) == deep


# -- headers -------------------------------------------------------------------------------------------------------


def test_which_place_a_field_has() -> None:
    log = FieldLog()
    walk(
        lines(
            b"P: 1", MULTIPART, b"", b"X: no field", b"--b", b"Q: 2", b"Content-Type: message/rfc822", b"", b"N: 3", b"",
            b"Y: no", b"--b", b"R: 4", EIGHT_BIT, b"",
        ),
        editor=log,
    )  # fmt: skip
    assert log.fields == [
        (Place.PRIMARY, b"p", b"P: 1"),
        (Place.PRIMARY, b"content-type", MULTIPART),
        (Place.PART, b"q", b"Q: 2"),
        (Place.PART, b"content-type", b"Content-Type: message/rfc822"),
        (Place.NESTED, b"n", b"N: 3"),
        (Place.PART, b"r", b"R: 4"),
        (Place.PART, b"", QUOTED),
    ]


def test_a_field_comes_whole() -> None:
    log = FieldLog()
    assert walk(lines(b"A: b", b" c", b"\td", b"E:", b""), editor=log) == lines(b"A: b", b" c", b"\td", b"E:", b"")
    assert [field for _, _, field in log.fields] == [b"A: b\n c\n\td", b"E:"]


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        (lines(b"A \t: b", b""), lines(b"A: b", b"")),
        (lines(b"A: b\0c", b" d\0e", b""), lines(b"A: b", b" d", b"")),
        (lines(b"A: b", b"garbage", b"C: d"), lines(b"A: b", b"", b"garbage", b"C: d")),
        (lines(b" garbage", b"C : d"), lines(b"", b" garbage", b"C : d")),
        (lines(b"A: b", b":"), lines(b"A: b", b"", b":")),
        (lines(b"A: b"), lines(b"A: b")),
        (b"A: b", b"A: b\r\n"),
        (b"A: b\r\n\r\nc", b"A: b\r\n\r\nc\r\n"),
    ],
)
def test_headers_that_are_not_as_they_should_be(header: bytes, sent: bytes) -> None:
    assert walk(header) == sent
    assert walk(header, editor=FieldLog()) == sent
    assert walk(header, parses_mime=False, converts=False) == sent


def test_garbage_in_the_header_of_a_part_gets_no_empty_line() -> None:
    message = lines(MULTIPART, b"", b"--b", b"A: b", b"garbage", EIGHT_BIT, b"", b"\xfc")
    assert walk(message) == message


def test_a_field_has_a_largest_size() -> None:
    limits = Limits(header_size_limit_octets=20)
    message = lines(b"A: " + b"b" * 10, b" " + b"c" * 10, b" d", b" e", b"F: g", b"")
    assert walk(message, limits=limits) == lines(b"A: " + b"b" * 10, b" " + b"c" * 10, b"F: g", b"")
    assert walk(message, limits=limits, editor=FieldLog()) == walk(message, limits=limits)


def test_without_mime_there_is_one_header() -> None:
    message = lines(MULTIPART, b"", b"--b", b"A : b", b"", b"--b", EIGHT_BIT, b"", b"\xfc")
    assert walk(message, parses_mime=False, converts=False) == message


# -- long lines ----------------------------------------------------------------------------------------------------

RECORD = 64


def test_a_long_line_is_one_field() -> None:
    message = lines(b"A: " + b"b" * 200, b"C : d", b"")
    assert walk(message, limits=SMALL) == lines(b"A: " + b"b" * 200, b"C: d", b"")


def test_a_boundary_is_looked_for_in_the_first_record_only() -> None:
    boundary = b"x" * (RECORD - 2)
    message = lines(
        b'Content-Type: multipart/mixed; boundary="' + boundary + b'"', b"", b"--" + boundary + b"y", EIGHT_BIT, b"", b"\xfc"
    )
    limits = Limits(record_limit_octets=RECORD)
    # What follows the first record is taken for the first line of the part, and it is no field.
    assert walk(message, limits=limits) == message
    assert QUOTED in walk(message.replace(b"y\r\n", b"\r\n" * 0 + b"A: b\r\n"), limits=limits)
    assert QUOTED not in walk(message.replace(boundary, boundary + b"z"), limits=limits)


def test_a_long_line_is_quoted_as_one() -> None:
    message = lines(EIGHT_BIT, b"", b"\xfc" * 200 + b" ")
    assert walk(message, limits=SMALL) == walk(message)


# -- messages that need nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        lines(b""),
        lines(b"A: b", b" c", b"D:e", b""),
        lines(b"Content-Type: text/plain; charset=x", b""),
        lines(b"content-TYPE:image/png;", b" name=multipart/mixed", b"Content-Transfer-Encoding: base64", b""),
        lines(b"Content-Transfer-Encoding: 7BIT ", b"Content-Disposition: inline", b""),
    ],
)
def test_headers_that_need_no_walk(header: bytes) -> None:
    message = header + lines(b"\xfc=\0", b"--b", EIGHT_BIT, b"")
    assert passes_unchanged(message, Limits())
    assert walk(message) == message


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"A: b\r\n",
        lines(b"A : b", b""),
        lines(b"A: b\0", b""),
        lines(b"garbage", b""),
        lines(b" A: b", b""),
        lines(MULTIPART, b""),
        lines(b"Content-Type: message/rfc822", b""),
        lines(b"Content-Type:", b" text/plain", b""),
        lines(b"Content-Type: (x) text/plain", b""),
        lines(EIGHT_BIT, b""),
        lines(b"Content-Transfer-Encoding: 7bit", b" 8bit", b""),
        lines(b"Content-Transfer-Encoding: 7bit (x)", b""),
        lines(b"Content-Transfer-Encoding: x-8bit", b""),
        lines(b"Content-Type : message/rfc822", b""),
    ],
)
def test_headers_that_may_need_a_walk(header: bytes) -> None:
    assert not passes_unchanged(header + lines(b"body"), Limits())


def test_long_headers_may_need_a_walk() -> None:
    header = lines(b"A: " + b"b" * 100, b"C: " + b"d" * 100, b"")
    assert passes_unchanged(header, Limits())
    assert not passes_unchanged(header, Limits(record_limit_octets=100))
    assert not passes_unchanged(header, Limits(header_size_limit_octets=100))


@given(MESSAGES)
def test_what_needs_no_walk_comes_out_as_it_went_in(message: bytes) -> None:
    if passes_unchanged(message, SMALL):
        assert walk(message, limits=SMALL) == message


# -- the whole -----------------------------------------------------------------------------------------------------


@given(MESSAGES, st.integers(1, 300), st.booleans())
def test_it_does_not_matter_where_a_message_is_cut(message: bytes, piece_octets: int, converts: bool) -> None:
    assert _outcome(message, converts, piece_octets) == _outcome(message, converts, 1 << 30)


@given(MESSAGES, st.booleans())
def test_it_does_not_matter_whether_fields_are_looked_at(message: bytes, converts: bool) -> None:
    assert _outcome(message, converts, 1 << 30, FieldLog()) == _outcome(message, converts, 1 << 30)
    assert _outcome(message, converts, 50, FieldLog()) == _outcome(message, converts, 1 << 30)


def _outcome(message: bytes, converts: bool, piece_octets: int, editor: FieldLog | None = None) -> bytes:
    try:
        return walk(message, converts=converts, piece_octets=piece_octets, limits=SMALL, editor=editor)
    except UnsuitableContent:
        return b"too deep"


@given(MESSAGES.filter(lambda message: b"global" not in message))
def test_what_is_converted_needs_no_conversion(message: bytes) -> None:
    # A message/global that has been converted is walked through the next time, as if it had not been encoded.
    try:
        once = walk(message)
        assert walk(once) == once
    except UnsuitableContent:
        pass


@given(
    st.one_of(st.binary(max_size=400), st.text('ab:- \t\r\n=;"\0\xfc', max_size=400).map(lambda text: text.encode("latin-1"))),
    st.integers(1, 50),
)
def test_any_octets(message: bytes, piece_octets: int) -> None:
    header = lines(MULTIPART, EIGHT_BIT, b"", b"--b", EIGHT_BIT, b"")
    for start in (b"", header):
        out = walk(start + message, piece_octets=piece_octets, limits=SMALL)
        # A bare LF at the end, which no canonical text has, is left as it is.
        assert out.endswith(b"\n") or not (start + message)
