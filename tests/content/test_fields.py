from __future__ import annotations

import pytest

from mailrider.content.fields import ADDRESS_FIELDS, FIELD_BEGINNING, MIME_FIELDS, name_of


@pytest.mark.parametrize("line", [b"Subject: x", b"Subject:", b"Subject \t : x", b"!#~: x", b"A:b:c"])
def test_the_beginning_of_a_field(line: bytes) -> None:
    assert FIELD_BEGINNING.match(line)


@pytest.mark.parametrize("line", [b"", b":", b": x", b" Subject: x", b"Sub ject: x", b"Sub\0ject: x", b"S\xfc: x", b"Subject"])
def test_what_is_no_field(line: bytes) -> None:
    assert not FIELD_BEGINNING.match(line)


def test_the_name_of_a_field() -> None:
    assert name_of(b"Content-TYPE: text/plain: x") == b"content-type"
    assert name_of(b"Subject : x") == b"subject"


def test_names_are_in_lower_case_and_of_one_class_only() -> None:
    for name in MIME_FIELDS | ADDRESS_FIELDS:
        assert name == name.lower()
    assert not MIME_FIELDS & ADDRESS_FIELDS
