"""`flags=DORX` of a service in master.cf (smtp(8))."""

from __future__ import annotations

import pytest

from mailrider.delivery.service_flags import read_delivered_to
from mailrider.errors import ContentUnreadable
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import Recipient
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import ScriptedServer
from virtual_time import run

from .scene import NOWHERE, Pieces, Scene, at, brief, statuses

ALIASED = Recipient("b c@example.test", original="Old@example.test")


def deliver(flags: str, *recipients: str | Recipient, text: bytes = b"Subject: x\r\n\r\ntext\r\n", **settings: object) -> bytes:
    """The content as it arrives."""
    received: list[bytes] = []

    async def main() -> None:
        async with ScriptedServer() as peer, Scene(flags=flags, **settings) as scene:
            report = await scene.deliver(at(peer), *recipients, content=MemoryMessage(text))
            assert statuses(report) == ["sent 2.0.0"] * len(recipients)
            received.append(peer.messages[0].content)

    run(main())
    return received[0]


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        ("", b""),
        ("X", b""),
        ("R", b"Return-Path: <a@example.test>\r\n"),
        ("O", b"X-Original-To: Old@example.test\r\n"),
        ("D", b'Delivered-To: "b c"@example.test\r\n'),
        (
            "DORX",
            b'Return-Path: <a@example.test>\r\nX-Original-To: Old@example.test\r\nDelivered-To: "b c"@example.test\r\n',
        ),
    ],
)
def test_fields_are_added_in_one_order(flags: str, fields: bytes) -> None:
    assert deliver(flags, ALIASED) == fields + b"Subject: x\r\n\r\ntext\r\n"


def test_without_an_original_the_recipient_stands_for_it() -> None:
    assert deliver("O", "b").startswith(b"X-Original-To: b@example.test\r\n")


def test_addresses_pass_the_generic_maps() -> None:
    rewritten = deliver(
        "RD", "b", smtp_generic_maps="inline:{ {a@example.test=A@public.test}, {b@example.test=B@public.test} }"
    )
    assert rewritten.startswith(b"Return-Path: <A@public.test>\r\nDelivered-To: B@public.test\r\n")


def test_r_needs_no_single_recipient() -> None:
    assert deliver("R", "b", "c").startswith(b"Return-Path: <a@example.test>\r\nSubject")


def refused(flags: str, *recipients: str, content: object, **settings: object) -> tuple[DeliveryReport, list[str]]:
    answer: list[DeliveryReport] = []
    warnings: list[str] = []

    async def main() -> None:
        async with Scene(flags=flags, **settings) as scene:
            answer.append(await scene.deliver(NOWHERE, *recipients, content=content))
            warnings.extend(scene.warnings)

    run(main())
    return answer[0], warnings


@pytest.mark.parametrize(("flags", "named"), [("D", "D"), ("OR", "O"), ("DO", "D")])
def test_two_recipients_are_a_fault_of_the_configuration(flags: str, named: str) -> None:
    report, warnings = refused(flags, "b", "c", content=None)
    assert brief(report) == ["deferred 4.3.5 mail system configuration error"] * 2
    assert warnings == [f"flag `{named}' requires smtp_destination_recipient_limit = 1"]
    assert report.destination_trouble is None


@pytest.mark.parametrize(
    "header",
    [
        b"Delivered-To: b@example.test\r\n",
        b"Subject: x\r\n  folded\r\ndelivered-to:   B@Example.Test\r\n",
        b"Delivered-To: c@example.test\r\nDelivered-To: b@example.test\r\n",
    ],
)
def test_a_message_that_was_here_before_bounces(header: bytes) -> None:
    content = MemoryMessage(header + b"\r\ntext\r\n")
    report, _ = refused("D", "b", content=content)
    assert brief(report) == ["bounced 5.4.6 mail forwarding loop for b@example.test"]
    report, _ = refused("D", "b", content=content, soft_bounce=True)
    assert brief(report) == ["deferred 4.4.6 mail forwarding loop for b@example.test"]


@pytest.mark.parametrize(
    "text",
    [
        b"Delivered-To: c@example.test\r\n\r\ntext\r\n",
        b"Subject: x\r\n\r\nDelivered-To: b@example.test\r\n",
        b"Subject: x\r\n Delivered-To: b@example.test\r\n\r\n",
        b"no header\r\nDelivered-To: b@example.test\r\n\r\n",
    ],
)
def test_another_message_goes_through(text: bytes) -> None:
    assert deliver("D", "b", text=text) == b"Delivered-To: b@example.test\r\n" + text


def test_the_loop_is_looked_for_after_the_generic_maps() -> None:
    content = MemoryMessage(b"Delivered-To: B@public.test\r\n\r\n")
    maps = "inline:{ {b@example.test=B@public.test} }"
    report, _ = refused("D", "b", content=content, smtp_generic_maps=maps)
    assert brief(report) == ["bounced 5.4.6 mail forwarding loop for b@example.test"]


def test_without_d_nobody_looks() -> None:
    report, _ = refused("R", "b", content=MemoryMessage(b"Delivered-To: b@example.test\r\n\r\n"))
    assert statuses(report) == ["deferred 4.4.1"]


def test_a_message_that_cannot_be_read_is_the_deliverys_trouble() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene(flags="D") as scene:
            report = await scene.deliver(at(peer), "b", content=Pieces(ContentUnreadable("gone")))
            assert statuses(report) == ["deferred 4.3.0"]

    run(main())


def test_the_search_ends_with_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = Pieces(b"Delivered-To: a@x.test\r\n", b"Delivered-", b"To: b@x.test\r\n\r\n", AssertionError("read too far"))
    assert read_delivered_to(pieces) == {"a@x.test", "b@x.test"}
    monkeypatch.setattr("mailrider.delivery.service_flags.HEADER_LIMIT_OCTETS", 30)
    assert read_delivered_to(MemoryMessage(b"Delivered-To: a@x.test\r\n" * 2 + b"Delivered-To: b@x.test\r\n\r\n")) == {
        "a@x.test"
    }
