from __future__ import annotations

import pytest

from mailrider.model.request import BodyType, DeliveryRequest, Envelope, Notify, Recipient, Transport
from mailrider.spool.message import MemoryMessage


def test_what_is_not_said_is_not_known() -> None:
    request = DeliveryRequest(Envelope("a@example.test", (Recipient("b@example.test"),)), MemoryMessage(b""), "example.test")
    assert (request.transport, request.service, request.queue_id) == (Transport.SMTP, "smtp", "NOQUEUE")
    assert (request.cache_load, request.cache_store) == (None, None)
    assert dict(request.client) == {}
    envelope = request.envelope
    assert (envelope.body, envelope.envid, envelope.ret, envelope.smtputf8, envelope.requiretls) == (
        BodyType.UNKNOWN, "", "", False, False
    )  # fmt: skip
    [recipient] = envelope.recipients
    assert (recipient.original, recipient.orcpt, recipient.notify, recipient.token) == ("", "", Notify.UNSET, None)


def test_what_is_shared_by_all_requests_cannot_be_changed() -> None:
    request = DeliveryRequest(Envelope("", ()), MemoryMessage(b""), "example.test")
    with pytest.raises(TypeError):
        request.client["name"] = "x"  # type: ignore[index]
    with pytest.raises(AttributeError):
        request.nexthop = "other.test"  # type: ignore[misc]


def test_notices_can_be_asked_for_together() -> None:
    wanted = Notify.SUCCESS | Notify.DELAY
    assert Notify.SUCCESS in wanted
    assert Notify.FAILURE not in wanted
    assert not Notify.UNSET
    assert not (Notify.NEVER & wanted)


def test_words() -> None:
    assert [transport.value for transport in Transport] == ["smtp", "lmtp"]
    assert [body.value for body in BodyType] == ["", "7bit", "8bitmime"]
