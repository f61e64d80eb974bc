"""Mailrider for programs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import pytest

import mailrider
from mailrider.api import make_content
from mailrider.errors import MissingInput, WrongConfiguration, WrongUsage
from mailrider.events import Event, RecipientSettled
from mailrider.settings import HostFacts
from mailrider.settings.loading import load_settings
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import ZoneServer

T = TypeVar("T")

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
ENVELOPE: dict[str, Any] = {"sender": "a@example.test", "recipients": ["b@example.test"]}
NOWHERE = "[127.0.0.1]:1"
PATIENCE_SECONDS = 90.0  # no test comes near it; it ends one that hangs


def run(main: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await main

    return asyncio.run(bounded())


def at(peer: ScriptedServer) -> str:
    return f"[127.0.0.1]:{peer.port}"


def test_one_message() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            (result,) = await mailrider.deliver(MESSAGE, nexthop=at(peer), **ENVELOPE)
            assert (result.recipient, result.status, result.status_code) == ("b@example.test", "sent", "2.0.0")
            assert result.text == "250 2.0.0 Ok: queued as T1.1"
            assert result.relay == f"127.0.0.1[127.0.0.1]:{peer.port}"
            assert result.outcome.reply == result.text
            assert peer.messages[0].content == MESSAGE
            await peer.wait_until_alone()

    run(main())


def test_results_come_in_the_order_of_the_recipients() -> None:
    async def main() -> None:
        rules = (Rule(match="<r3@", reply="550 5.1.1 no"), Rule(match="<r5@", reply="450 4.2.1 later"))
        async with ScriptedServer(*rules) as peer:
            recipients = [f"r{number}@example.test" for number in range(8)]
            settings = {"smtp_destination_recipient_limit": "3"}
            results = await mailrider.deliver(MESSAGE, sender="", recipients=recipients, nexthop=at(peer), settings=settings)
            assert [result.recipient for result in results] == recipients
            assert [result.status for result in results] == [
                "sent", "sent", "sent", "bounced", "sent", "deferred", "sent", "sent",
            ]  # fmt: skip
            assert sorted(len(message.recipients) for message in peer.messages) == [1, 2, 3]

    run(main())


def test_without_a_next_hop_mail_goes_to_the_domains() -> None:
    async def main() -> None:
        async with ScriptedServer() as one, ScriptedServer(host="127.0.0.2") as two:
            records = [
                "one.test MX 10 mx.one.test", "mx.one.test A 127.0.0.1",
                "two.test A 127.0.0.2", "null.test MX 0 .",
            ]  # fmt: skip
            async with ZoneServer(records) as names:
                settings = {
                    "dns_nameservers": f"127.0.0.1:{names.port}", "inet_protocols": "ipv4", "smtp_tcp_port": str(one.port),
                }  # fmt: skip
                recipients = ["a@one.test", "b@two.test", "c@ONE.test", "d@null.test"]
                results = await mailrider.deliver(MESSAGE, sender="", recipients=recipients, settings=settings)
            assert [result.status for result in results][::2] == ["sent", "sent"]
            assert [message.recipients for message in one.messages] == [("a@one.test", "c@ONE.test")]
            assert (results[3].status, results[3].status_code) == ("bounced", "5.1.0")
            # The second server listens at another port than the setting says.
            assert (results[1].status, results[1].status_code) == ("deferred", "4.4.1")
            assert two.port != one.port

    run(main())


def test_an_agent_keeps_its_connections_between_deliveries() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            async with mailrider.Agent() as agent:
                results = [await agent.deliver(MESSAGE, nexthop=at(peer), **ENVELOPE) for _ in range(4)]
                assert [result.outcome.connection_use for (result,) in results] == [1, 1, 2, 3]
            await peer.wait_until_alone()
            assert len(peer.sessions) == 2

    run(main())


def test_any_number_of_deliveries_at_once() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, mailrider.Agent({"smtp_helo_name": "me.test"}) as agent:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        agent.deliver(MESSAGE, sender="", recipients=[f"r{number}@example.test"], nexthop=at(peer))
                    )
                    for number in range(50)
                ]
            assert all(task.result()[0].status == "sent" for task in tasks)
            assert {session.commands[0] for session in peer.sessions} == {"EHLO me.test"}

    run(main())


def test_an_observer_sees_every_event() -> None:
    async def main() -> list[Event]:
        events: list[Event] = []
        async with ScriptedServer() as peer:
            await mailrider.deliver(MESSAGE, nexthop=at(peer), observer=events.append, queue_id="Q1", **ENVELOPE)
        return events

    events = run(main())
    assert [type(event).__name__ for event in events] == ["ConnectionOpened", "ConnectionClosed", "RecipientSettled"] or [
        type(event).__name__ for event in events
    ] == ["ConnectionOpened", "RecipientSettled", "ConnectionClosed"]
    (settled,) = [event for event in events if isinstance(event, RecipientSettled)]
    assert settled.request.queue_id == "Q1"


def test_lmtp_over_a_unix_domain_socket(tmp_path: Path) -> None:
    async def main() -> None:
        async with ScriptedServer(lmtp=True, path=tmp_path / "lmtp"):
            (result,) = await mailrider.deliver(MESSAGE, transport="lmtp", nexthop=f"unix:{tmp_path}/lmtp", **ENVELOPE)
            assert result.status == "sent"

    run(main())


def test_what_was_asked_for_reaches_the_server() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=("DSN", "SMTPUTF8", "8BITMIME")) as peer:
            await mailrider.deliver(
                b"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n",
                sender="jürgen@example.test", recipients=["b@example.test"], nexthop=at(peer),
                envid="an id", ret="hdrs", smtputf8=True,
            )  # fmt: skip
            assert (
                peer.sessions[0].commands[1] == "MAIL FROM:<jürgen@example.test> BODY=8BITMIME ENVID=an+20id RET=HDRS SMTPUTF8"
            )

    run(main())


# Messages


def octets_of(message: Any) -> bytes:
    return b"".join(make_content(message).chunks())


def test_a_message_may_come_in_many_forms(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    assert octets_of(MESSAGE) == octets_of(bytearray(MESSAGE)) == octets_of(memoryview(MESSAGE)) == MESSAGE
    assert octets_of(str(path)) == octets_of(path) == MESSAGE
    assert octets_of(io.BytesIO(MESSAGE)) == MESSAGE
    with path.open("rb") as file:
        assert octets_of(file) == MESSAGE


def test_an_email_message_goes_as_it_is() -> None:
    message = EmailMessage()
    message["Subject"] = "grün"
    message.set_content("Grüße\n")
    octets = octets_of(message)
    assert octets.startswith(b"Subject: =?utf-8?")
    assert octets.endswith(b"\r\n")
    assert b"\n" not in octets.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (None, "not NoneType"),
        (5, "not int"),
        (["x"], "not list"),
        (io.StringIO("text"), "not open in binary mode"),
        ("Subject: x\n\ntext", "a text is the path of a message, .* encode a message"),
    ],
)
def test_what_is_no_message(message: Any, words: str) -> None:
    with pytest.raises(WrongUsage, match=words):
        make_content(message)


def test_a_file_that_is_closed() -> None:
    file = io.BytesIO(MESSAGE)
    file.close()
    with pytest.raises(WrongUsage, match="closed file"):
        make_content(file)


@pytest.mark.parametrize("path", ["/nowhere", "/", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read(path: str) -> None:
    with pytest.raises(MissingInput, match="cannot"):
        make_content(path)


def test_a_reader_that_fails() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(MissingInput, match="Input/output error"):
        make_content(Broken())


def test_an_email_message_that_cannot_be_written() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_payload("\ud800", charset=None)
    with pytest.raises(WrongUsage, match="cannot be written as octets"):
        make_content(message)


# What the caller can do wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"recipients": []}, "no recipient is given"),
        ({"recipients": "b@example.test"}, "recipients is 'b@example.test', expected a list"),
        ({"recipients": None}, "recipients is None, expected a list"),
        ({"recipients": b"b@example.test"}, "recipients is b'b@example.test', expected a list"),
        ({"recipients": [None]}, "recipient is None, expected a text"),
        ({"recipients": [b"b@example.test"]}, "recipient is b'b@example.test', expected a text"),
        ({"recipients": [""]}, "empty"),
        ({"recipients": ["Joe <joe@example.test>"]}, "recipient 'Joe <joe@example.test>': give the address alone"),
        ({"recipients": ["b"], "nexthop": None}, "recipient 'b' has no domain, and no next hop is given"),
        ({"recipients": ["b\r\n@example.test"]}, "control character"),
        ({"recipients": ["b\ud800@example.test"]}, "half a character"),
        ({"recipients": ['"b@example.test']}, "closing quote"),
        ({"sender": None}, "sender is None, expected a text"),
        ({"sender": "a\n@example.test"}, "control character"),
        ({"transport": "uucp"}, "transport is 'uucp', expected smtp or lmtp"),
        ({"nexthop": "[x"}, "in server description"),
        ({"nexthop": ""}, "null destination"),
        ({"nexthop": 5}, "nexthop is 5, expected a text"),
        ({"ret": "full\r\nRCPT TO:<x@y>"}, "ret is"),
        ({"ret": "half"}, "ret is 'half', expected full or hdrs"),
        ({"envid": "a\nb"}, "envid 'a\\\\nb' contains a control character"),
        ({"envid": "a\ud800"}, "half a character"),
        ({"queue_id": "a\x1b"}, "queue_id 'a\\\\x1b' contains a control character"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused_before_anything_is_sent(arguments: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            given = {"nexthop": at(peer), **ENVELOPE} | arguments
            with pytest.raises(WrongUsage, match=words):
                await mailrider.deliver(MESSAGE, **given)
            assert not peer.sessions

    run(main())


def test_an_agent_delivers_while_it_is_open() -> None:
    async def main() -> None:
        agent = mailrider.Agent()
        for _ in range(2):
            with pytest.raises(WrongUsage, match="between `async with` and its end"):
                await agent.deliver(MESSAGE, nexthop=NOWHERE, **ENVELOPE)
            async with agent:
                (result,) = await agent.deliver(MESSAGE, nexthop=NOWHERE, **ENVELOPE)
                assert result.status == "deferred"

    run(main())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"soft_bounce": "perhaps"}, "soft_bounce=perhaps"),
        ({"smtp_fallback_relay": "[x"}, "smtp_fallback_relay"),
        ({"smtp_helo_name": "a\x01"}, "control character"),
        ("/nowhere", "cannot read /nowhere/main.cf"),
    ],
)
def test_settings_that_make_no_sense_are_found_on_entry(settings: Any, words: str) -> None:
    async def main() -> None:
        with pytest.raises(WrongConfiguration, match=words):
            async with mailrider.Agent(settings):
                pass

    run(main())


def test_settings_may_come_in_many_forms(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtp_helo_name = me.test\n")
    ready = load_settings(None, ["smtp_helo_name=me.test"], host=HostFacts("h"))
    forms: list[Any] = [str(tmp_path), tmp_path, {"smtp_helo_name": "me.test", "smtp_always_send_ehlo": True}, ready]

    async def main() -> None:
        async with ScriptedServer() as peer:
            for settings in forms:
                await mailrider.deliver(MESSAGE, nexthop=at(peer), settings=settings, **ENVELOPE)
            assert [session.commands[0] for session in peer.sessions] == ["EHLO me.test"] * len(forms)

    run(main())


# Odd ends


def test_mail_that_loops_back_is_a_result_and_not_an_exception() -> None:
    """The other recipients' results are not lost over it."""

    async def main() -> None:
        records = ["loop.test MX 10 me.test", "me.test A 127.0.0.1", "mx.good.test A 127.0.0.2", "good.test MX 5 mx.good.test"]
        async with ZoneServer(records) as names:
            settings = {
                "dns_nameservers": f"127.0.0.1:{names.port}", "inet_protocols": "ipv4", "best_mx_transport": "local",
                "inet_interfaces": "127.0.0.1",
            }  # fmt: skip
            results = await mailrider.deliver(MESSAGE, sender="", recipients=["a@loop.test", "b@good.test"], settings=settings)
        assert [result.recipient for result in results] == ["a@loop.test", "b@good.test"]
        assert (results[0].status, results[0].status_code) == ("deferred", "4.3.0")
        assert "transport local" in results[0].text

    run(main())


def test_a_delivery_may_be_cancelled_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="greeting", then="silence")) as peer:
            async with mailrider.Agent() as agent:
                delivery = asyncio.create_task(agent.deliver(MESSAGE, nexthop=at(peer), **ENVELOPE))
                while not peer.sessions:
                    await asyncio.sleep(0)
                delivery.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await delivery
            await peer.wait_until_alone()

    run(main())


def test_code_without_an_event_loop() -> None:
    (result,) = mailrider.deliver_sync(MESSAGE, nexthop=NOWHERE, **ENVELOPE)
    assert (result.status, result.status_code, result.relay) == ("deferred", "4.4.1", "none")


def test_code_with_an_event_loop_is_told_so() -> None:
    async def main() -> None:
        with pytest.raises(WrongUsage, match="deliver_sync"):
            mailrider.deliver_sync(MESSAGE, nexthop=NOWHERE, **ENVELOPE)

    run(main())


def test_the_package_offers_what_it_says() -> None:
    assert set(mailrider.__all__) <= set(dir(mailrider)) | set(mailrider.__all__)
    for name in mailrider.__all__:
        assert getattr(mailrider, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mailrider.nonsense
