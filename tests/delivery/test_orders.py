"""The same request in the words of servers that understand more or less."""

from __future__ import annotations

from typing import Any

import pytest

from mailrider.model.request import BodyType, Notify, Recipient, Transport
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import MESSAGE, Pieces, Scene, at

ALL = ("PIPELINING", "SIZE 1000", "8BITMIME", "DSN", "SMTPUTF8", "XFORWARD NAME")


def said(
    *recipients: str | Recipient,
    keywords: tuple[str, ...] = ALL,
    rules: tuple[Rule, ...] = (),
    request: dict[str, Any] | None = None,
    transport: Transport = Transport.SMTP,
    **settings: object,
) -> list[str]:
    """What a server hears between EHLO and QUIT."""

    async def main() -> list[str]:
        peer = ScriptedServer(*rules, keywords=keywords, lmtp=transport is Transport.LMTP)
        async with peer, Scene(transport, **settings) as scene:
            await scene.deliver(at(peer), *recipients, **(request or {}))
            return [line for line in peer.sessions[0].commands[1:] if line not in ("DATA", "QUIT")]

    return run(main())


def test_an_ordinary_message() -> None:
    assert said("b", "c") == [
        f"MAIL FROM:<a@example.test> SIZE={len(MESSAGE)}",
        "RCPT TO:<b@example.test> ORCPT=rfc822;b@example.test",
        "RCPT TO:<c@example.test> ORCPT=rfc822;c@example.test",
    ]


def test_a_server_that_offers_nothing_is_told_nothing() -> None:
    given = {"envid": "id", "ret": "full", "body": BodyType.EIGHT_BIT}
    recipient = Recipient("b@example.test", orcpt="rfc822;o@example.test", notify=Notify.FAILURE)
    assert said(recipient, keywords=(), request=given) == ["MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>"]


def test_everything_that_was_asked_for_is_passed_on() -> None:
    given = {"envid": "an id", "ret": "hdrs", "body": BodyType.EIGHT_BIT, "smtputf8": True}
    recipient = Recipient("b@example.test", orcpt="rfc822;o@example.test", notify=Notify.SUCCESS | Notify.DELAY)
    assert said(recipient, request=given) == [
        f"MAIL FROM:<a@example.test> SIZE={len(MESSAGE)} BODY=8BITMIME ENVID=an+20id RET=HDRS SMTPUTF8",
        "RCPT TO:<b@example.test> ORCPT=rfc822;o@example.test NOTIFY=SUCCESS,DELAY",
    ]


def test_the_null_sender_and_odd_local_parts() -> None:
    assert said(Recipient("john doe@example.test"), keywords=(), request={"sender": ""}) == [
        "MAIL FROM:<>",
        'RCPT TO:<"john doe"@example.test>',
    ]
    bare = said(Recipient("john doe@example.test"), keywords=(), smtp_quote_rfc821_envelope=False)
    assert bare[1] == "RCPT TO:<john doe@example.test>"


def test_domains_go_in_ascii_to_a_server_without_smtputf8() -> None:
    given = {"sender": "a@grün.example", "smtputf8": True}
    recipient = Recipient("b@müller.example")
    assert said(recipient, keywords=("DSN",), request=given) == [
        "MAIL FROM:<a@xn--grn-ioa.example>",
        "RCPT TO:<b@xn--mller-kva.example> ORCPT=rfc822;b@m+C3+BCller.example",
    ]
    assert said(recipient, keywords=("SMTPUTF8",), request=given) == [
        "MAIL FROM:<a@grün.example> SMTPUTF8",
        "RCPT TO:<b@müller.example>",
    ]


@pytest.mark.parametrize(("enabled", "forwarded"), [(True, ["XFORWARD NAME=client.test"]), (False, [])])
def test_the_client_is_told_of_where_that_is_wanted(enabled: bool, forwarded: list[str]) -> None:
    request = {"client": {"name": "client.test"}}
    assert said(request=request, smtp_send_xforward_command=enabled)[: len(forwarded)] == forwarded


@pytest.mark.parametrize(
    ("offered", "settings", "request_", "chunked"),
    [
        (True, {}, {}, True),
        (True, {"smtp_chunking": False}, {}, False),
        (False, {}, {}, False),
    ],
)
def test_content_goes_in_chunks_where_both_sides_can(
    offered: bool, settings: dict[str, Any], request_: dict[str, Any], chunked: bool
) -> None:
    async def main() -> None:
        keywords = ("CHUNKING",) if offered else ()
        async with ScriptedServer(keywords=keywords) as peer, Scene(**settings) as scene:
            content = Pieces(b"Subject: x\r\n\r\n.dot\r\n" + b"x" * 1500 + b"\r\n")
            await scene.deliver(at(peer), content=content, **request_)
            (message,) = peer.messages
            assert message.chunked == chunked
            # Lines are folded either way, dots are doubled only in front of a dot.
            folded = b"x" * 998 + b"\r\n " + b"x" * 502 + b"\r\n"
            assert message.content == b"Subject: x\r\n\r\n.dot\r\n" + folded

    run(main())


def test_a_probe_is_never_chunked() -> None:
    lines = said(keywords=("CHUNKING",), request={"probe": True}, smtp_address_verify_target="data")
    assert not any(line.startswith("BDAT") for line in lines)


def test_the_length_of_lines_may_be_unlimited() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=()) as peer, Scene(smtp_line_length_limit=0) as scene:
            text = b"Subject: x\r\n\r\n" + b"x" * 5000 + b"\r\n"
            await scene.deliver(at(peer), content=Pieces(text))
            assert peer.messages[0].content == text

    run(main())
