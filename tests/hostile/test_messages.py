"""Messages and envelopes that try to be more than one: whatever is in them, a server sees one transaction."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.scene import Scene, at, statuses
from mailrider.content.canonical import canonicalize
from mailrider.errors import BrokenPromise, WrongUsage
from mailrider.model.address import parse_address
from mailrider.model.request import Notify, Recipient
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from virtual_time import run

HEADER = b"Subject: x\n\n"
END = b".\nMAIL FROM:<evil@example.test>\nRCPT TO:<victim@example.test>\nDATA\nowned\n.\n"

SMUGGLERS = [
    b"\n" + END,
    b"\r\n" + END.replace(b"\n", b"\r\n"),
    b"\r" + END.replace(b"\n", b"\r"),
    b"\n.\r" + END,
    b"\r.\n" + END,
    b"\r\n.\r" + END,
    b"\r\n.\n" + END,
    b"\n.\r\n" + END,
    b"\r\r\n.\r\r\n" + END,
    b"\r\n.\0\r\n" + END,
    b"\0\n.\n" + END,
    b"x" * 997 + b"\n.\n" + END,
    b"x" * 998 + b".\n" + END,
    b"x" * 999 + b"\n.\n" + END,
    b"x" * 997 + b"." + b"\n" + END,
    b"." * 3000 + b"\n.\n" + END,
    b"\xe2\x80\xa8.\xe2\x80\xa8" + END,
    b"\x85.\x85" + END,
]


async def send(body: bytes, keywords: tuple[str, ...]) -> tuple[ScriptedServer, list[str]]:
    async with ScriptedServer(keywords=keywords) as peer, Scene() as scene:
        report = await scene.deliver(at(peer), content=MemoryMessage(HEADER + body))
        await peer.wait_until_alone()
        return peer, statuses(report)


KEYWORDS = [DEFAULT_KEYWORDS, (*DEFAULT_KEYWORDS, "CHUNKING"), ()]


def is_one_message(peer: ScriptedServer, body: bytes) -> None:
    """One transaction was seen, with all of the text in it, and every line end on the wire was CRLF."""
    (session,) = peer.sessions
    (message,) = session.messages
    assert [line.split()[0] for line in session.commands if not line.startswith("BDAT")] in (
        ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"],
        ["EHLO", "MAIL", "RCPT", "QUIT"],
    )
    assert message.recipients == ("b@example.test",)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message.content)
    unfolded = message.content.replace(b"\r\n ", b"")
    assert unfolded == canonicalize(HEADER + body).replace(b"\r\n ", b"")


@pytest.mark.parametrize("keywords", KEYWORDS)
@pytest.mark.parametrize("body", SMUGGLERS)
def test_an_end_of_data_cannot_be_smuggled_in(body: bytes, keywords: tuple[str, ...]) -> None:
    peer, results = run(send(body, keywords))
    assert results == ["sent 2.0.0"]
    is_one_message(peer, body)


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\0", b"x" * 500, b" ", b"QUIT", b"\xff"]), max_size=30),
    st.sampled_from(KEYWORDS),
)
@settings(max_examples=60)
def test_no_text_is_more_than_one_message(pieces: list[bytes], keywords: tuple[str, ...]) -> None:
    peer, results = run(send(b"".join(pieces), keywords))
    assert results == ["sent 2.0.0"]
    is_one_message(peer, b"".join(pieces))


@pytest.mark.parametrize("text", ["b\r\nDATA\r\n@example.test", "b\n@example.test", "b\r@x", "b\0@x", "b\x1a@x", "b\x7f@x"])
def test_an_address_cannot_hold_a_command(text: str) -> None:
    with pytest.raises(WrongUsage):
        parse_address(text)


@pytest.mark.parametrize("recipient", ["b\r\nDATA\r\n@example.test", "b@example.test\r\nDATA", "b\0@example.test"])
def test_a_door_that_lets_such_an_address_through_is_stopped_before_it_is_sent(recipient: str) -> None:
    """A fault of ours, and told as one; nothing has gone out, and no connection is left."""

    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            with pytest.raises(BrokenPromise):
                await scene.deliver(at(peer), Recipient(recipient))
            await peer.wait_until_alone()
            assert [line.split()[0] for line in peer.sessions[0].commands] == ["EHLO"]

    run(main())


@pytest.mark.parametrize(
    ("options", "recipient"),
    [
        ({"envid": "a\r\nRSET"}, Recipient("b@example.test")),
        ({"ret": "full"}, Recipient("b@example.test", orcpt="rfc822;a\r\nRSET", notify=Notify.DELAY)),
        ({"client": {"name": "a\r\nRSET", "helo": "x\n"}}, Recipient("b@example.test")),
        ({"queue_id": "a\r\nRSET", "client": {"name": "x"}}, Recipient("b@example.test")),
        ({}, Recipient("> RCPT TO:<c@example.test")),
        ({}, Recipient('b">\\ <@example.test')),
        ({}, Recipient("b @example.test")),
    ],
)
def test_what_is_passed_on_is_encoded_or_quoted(options: dict[str, object], recipient: Recipient) -> None:
    async def main() -> None:
        peer = ScriptedServer(keywords=("DSN", "XFORWARD NAME HELO IDENT"))
        async with peer, Scene(smtp_send_xforward_command=True) as scene:
            await scene.deliver(at(peer), recipient, **options)
            await peer.wait_until_alone()
            verbs = [line.split()[0] for line in peer.sessions[0].commands]
            assert [verb for verb in verbs if verb != "XFORWARD"] == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
            assert len(peer.messages) == 1

    run(main())
