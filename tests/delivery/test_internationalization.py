from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.delivery.internationalization import needs_smtputf8, to_ascii_domains
from mailrider.errors import ContentUnreadable
from mailrider.model.request import DeliveryRequest, Envelope, Recipient

from .scene import Pieces

ASCII = b"Subject: x\r\n\r\ntext\r\n"


def needs(
    *pieces: bytes | Exception, sender: str = "a@example.test", recipient: str = "b@example.test", asked: bool = True
) -> bool:
    envelope = Envelope(sender, (Recipient("first@example.test"), Recipient(recipient)), smtputf8=asked)
    return needs_smtputf8(DeliveryRequest(envelope, Pieces(*pieces or (ASCII,)), "example.test"))


@pytest.mark.parametrize(
    ("address", "needed"),
    [
        ("b@example.test", False),
        ("", False),
        ("é@example.test", True),
        ("é", True),
        ("b@exämple.test", False),
        ("é@exämple.test", True),
        ("b@" + "ä" * 70 + ".test", True),  # a label that is too long has no A-label
        ("b@\udcff.test", True),
        ("é@b@example.test", True),
    ],
)
def test_it_depends_on_the_local_part(address: str, needed: bool) -> None:
    assert needs(recipient=address) is needed
    assert needs(sender=address) is needed


def test_who_did_not_ask_for_it_does_not_need_it() -> None:
    assert not needs("Subject: é\r\n\r\n".encode(), recipient="é@example.test", asked=False)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("Subject: é\r\n\r\ntext\r\n", True),
        ("Subject: e\r\n\r\né\r\n", False),
        ("Subject: e\r\nX: é\r\n", True),
        ("\r\né\r\n\r\n", False),
        ("\r\n\r\né", False),
        ("", False),
        ("é", True),
    ],
)
def test_it_depends_on_the_header_however_the_content_is_cut(text: str, needed: bool) -> None:
    octets = text.encode()
    assert needs(octets) is needed
    assert needs(*[octets[index : index + 1] for index in range(len(octets))], b"") is needed
    for cut in range(len(octets)):
        assert needs(octets[:cut], octets[cut:]) is needed


def test_no_more_is_read_than_the_header() -> None:
    assert not needs(ASCII, AssertionError("read on"))
    assert needs("Subject: é".encode(), AssertionError("read on"))


def test_a_content_that_cannot_be_read_says_so_later() -> None:
    assert not needs(b"Subject: x\r\n", ContentUnreadable("gone"))


# -- A-labels ------------------------------------------------------------------------------------------------------------


def test_ascii_envelopes_stay_the_same_object() -> None:
    envelope = Envelope("a@example.test", (Recipient("b@example.test"),))
    assert to_ascii_domains(envelope, idna2003=False) is envelope


def test_domains_become_a_labels_and_the_address_that_was_given_is_kept() -> None:
    envelope = Envelope(
        "a@exämple.test",
        (
            Recipient("b@bücher.test"),
            Recipient("c@example.test"),
            Recipient("é@bücher.test", original="list@example.test"),
            Recipient("d@" + "ä" * 70 + ".test"),
            Recipient("é"),
        ),
        envid="E",
    )
    converted = to_ascii_domains(envelope, idna2003=False)
    assert converted.sender == "a@xn--exmple-cua.test"
    assert [recipient.address for recipient in converted.recipients] == [
        "b@xn--bcher-kva.test", "c@example.test", "é@xn--bcher-kva.test", "d@" + "ä" * 70 + ".test", "é",
    ]  # fmt: skip
    assert [recipient.original for recipient in converted.recipients] == [
        "b@bücher.test", "c@example.test", "list@example.test", "d@" + "ä" * 70 + ".test", "é",
    ]  # fmt: skip
    assert converted.envid == "E"


@pytest.mark.parametrize(("idna2003", "domain"), [(False, "xn--strae-oqa.test"), (True, "strasse.test")])
def test_the_older_mapping_can_be_chosen(idna2003: bool, domain: str) -> None:
    envelope = Envelope("", (Recipient("b@straße.test"),))
    assert to_ascii_domains(envelope, idna2003=idna2003).recipients[0].address == f"b@{domain}"


@given(st.text(), st.text())
def test_local_parts_are_never_touched(local: str, domain: str) -> None:
    envelope = Envelope("", (Recipient(f"{local}@{domain}"),))
    (recipient,) = to_ascii_domains(envelope, idna2003=False).recipients
    assert recipient.address.rpartition("@")[0] == f"{local}@{domain}".rpartition("@")[0]
