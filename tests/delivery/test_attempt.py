"""One message over one session: everybody is accounted for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.errors import ContentUnreadable
from mailrider.model.outcome import Action
from mailrider.model.request import Recipient, Transport
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import Pieces, Scene, at, brief, statuses

LINE = b"x" * 78 + b"\r\n"
CHUNKING = (*DEFAULT_KEYWORDS, "CHUNKING")


def test_a_refusal_of_the_message_is_told_to_all_and_one_of_a_recipient_to_him() -> None:
    rules = (Rule(match="<c@", reply="550 5.1.1 no"), Rule(on="dot", reply="554 5.6.0 bad"))

    async def main() -> None:
        async with ScriptedServer(*rules) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), "b", "c", "d")
            assert [text.partition(" said: ")[2] for text in brief(report)] == [
                "554 5.6.0 bad (in reply to end of DATA command)",
                "550 5.1.1 no (in reply to RCPT TO command)",
                "554 5.6.0 bad (in reply to end of DATA command)",
            ]
            assert [outcome and outcome.action for outcome in report.outcomes] == [Action.FAILED] * 3

    run(main())


def test_a_refusal_that_is_not_final_is_told_once_for_all_whom_it_concerns() -> None:
    rules = (Rule(match="^RCPT", reply="450 4.2.0 later"),)
    message = (Rule(on="dot", reply="451 4.3.0 not now"),)

    async def main() -> None:
        one, two, three = ScriptedServer(*rules), ScriptedServer(*message), ScriptedServer()
        async with one, two, three, Scene() as scene:
            report = await scene.deliver(at(one, two, three), "b", "c", "d")
            assert statuses(report) == ["sent 2.0.0"] * 3
            peer = "host 127.0.0.1[127.0.0.1] said:"
            assert scene.soft_failures == [
                *[f"{peer} 450 4.2.0 later (in reply to RCPT TO command)"] * 3,
                f"{peer} 451 4.3.0 not now (in reply to end of DATA command)",
            ]

    run(main())


def test_some_are_settled_and_the_others_share_the_trouble() -> None:
    rules = (Rule(match="<b@", reply="550 5.1.1 no"), Rule(on="dot", then="close"))

    async def main() -> None:
        async with ScriptedServer(*rules) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), "a", "b", "c")
            assert statuses(report) == ["deferred 4.4.2", "bounced 5.1.1", "deferred 4.4.2"]
            assert report.destination_trouble is not None

    run(main())


@pytest.mark.parametrize("limit", [100, 101])
def test_a_message_that_is_too_large_is_refused_without_a_word(limit: int) -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=(f"SIZE {limit}",)) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), "b", "c", content=Pieces(b"x" * 99 + b"\r\n"))
            await peer.wait_until_alone()
            if limit == 101:
                assert statuses(report) == ["sent 2.0.0"] * 2
                return
            text = "message size 101 exceeds size limit 100 of server 127.0.0.1[127.0.0.1]"
            assert brief(report) == [f"bounced 5.3.4 {text}"] * 2
            assert peer.sessions[0].commands == ["EHLO me.example.test"]  # neither MAIL nor QUIT
            outcome = report.outcomes[0]
            assert outcome is not None
            assert (outcome.remote_mta, outcome.reply) == (None, None)

    run(main())


# Content that fails


@pytest.mark.parametrize("keywords", [DEFAULT_KEYWORDS, CHUNKING])
@pytest.mark.parametrize("good_pieces", [0, 1, 3000])
def test_a_content_that_becomes_unreadable_is_deferred_and_no_part_of_it_is_delivered(
    good_pieces: int, keywords: tuple[str, ...]
) -> None:
    async def main() -> None:
        content = Pieces(*[LINE] * good_pieces, ContentUnreadable("Input/output error"))
        async with ScriptedServer(keywords=keywords) as first, ScriptedServer() as second, Scene() as scene:
            report = await scene.deliver(at(first, second), "b", "c", content=content)
            await first.wait_until_alone()
            text = "message content could not be read: Input/output error"
            assert brief(report) == [f"deferred 4.3.0 {text}"] * 2
            assert first.messages == []
            assert not second.sessions  # another server cannot read it either
            assert report.destination_trouble is None
            assert [outcome and outcome.in_doubt for outcome in report.outcomes] == [False, False]

    run(main())


def test_a_content_is_read_anew_for_every_server() -> None:
    async def main() -> None:
        content = Pieces(LINE, LINE)
        later = Rule(on="dot", reply="451 4.3.0 later")
        async with ScriptedServer(later) as first, ScriptedServer() as second, Scene() as scene:
            await scene.deliver(at(first, second), content=content)
            assert content.readings == 2
            assert second.messages[0].content == LINE * 2

    run(main())


def test_a_content_is_not_read_for_nobody() -> None:
    async def main() -> None:
        content = Pieces(LINE)
        async with ScriptedServer(Rule(match="^RCPT", reply="550 no")) as peer, Scene() as scene:
            await scene.deliver(at(peer), content=content)
            assert content.readings == 0

    run(main())


@pytest.mark.parametrize("keywords", [DEFAULT_KEYWORDS, CHUNKING])
def test_a_large_message_arrives_as_it_is(keywords: tuple[str, ...]) -> None:
    lines = [b"%d %s\r\n" % (number, b"." * (number % 70)) for number in range(20_000)]
    lines[5] = b".\r\n"
    lines[6] = b"..\r\n"

    async def main() -> None:
        async with ScriptedServer(keywords=keywords) as peer, Scene() as scene:
            assert statuses(await scene.deliver(at(peer), content=Pieces(*lines))) == ["sent 2.0.0"]
            assert peer.messages[0].content == b"".join(lines)
            assert peer.messages[0].chunked == ("CHUNKING" in keywords)

    run(main())


def test_a_server_that_closes_during_a_large_content_has_its_reason_read() -> None:
    async def main() -> None:
        rule = Rule(on="data", after_octets=100_000, reply="552 5.3.4 too large for me", then="close")
        async with ScriptedServer(rule, keywords=("PIPELINING",)) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), content=Pieces(*[LINE] * 200_000))
            assert brief(report) == [
                "bounced 5.3.4 host 127.0.0.1[127.0.0.1] said: 552 5.3.4 too large for me (in reply to end of DATA command)"
            ]

    run(main())


def test_a_server_that_resets_during_a_large_content_gives_no_reason() -> None:
    async def main() -> None:
        rule = Rule(on="data", after_octets=100_000, then="reset")
        async with ScriptedServer(rule, keywords=("PIPELINING",)) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), content=Pieces(*[LINE] * 200_000))
            assert brief(report) == ["deferred 4.4.2 lost connection with 127.0.0.1[127.0.0.1] while sending message body"]
            assert report.destination_trouble is not None

    run(main())


def test_a_server_that_stops_reading_a_large_content_is_given_up() -> None:
    async def main() -> None:
        rule = Rule(on="data", after_octets=100_000, then="stall")
        async with ScriptedServer(rule, keywords=("PIPELINING",)) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), content=Pieces(*[LINE] * 200_000))
            assert brief(report) == [
                "deferred 4.4.2 conversation with 127.0.0.1[127.0.0.1] timed out while sending message body"
            ]

    run(main())


# BDAT that fails


def test_a_server_that_announces_chunking_and_does_not_know_bdat_gets_data() -> None:
    async def main() -> None:
        rule = Rule(match="^BDAT", reply="502 5.5.2 what?")
        async with ScriptedServer(rule, keywords=CHUNKING) as peer, Scene() as scene:
            for _ in range(2):
                report = await scene.deliver(at(peer), "b", "c", content=Pieces(*[LINE] * 10))
                assert statuses(report) == ["sent 2.0.0"] * 2
            assert [message.content for message in peer.messages] == [LINE * 10] * 2
            assert scene.warnings == ["host 127.0.0.1[127.0.0.1] announces CHUNKING and does not understand BDAT"]

    run(main())


# Other things that are said


def test_refused_forwarding_only_warns() -> None:
    rules = (Rule(match="^XFORWARD NAME", reply="501 5.5.4 no"), Rule(match="^XFORWARD", reply="250 2.0.0 Ok"))

    async def main() -> None:
        peer = ScriptedServer(*rules, keywords=("XFORWARD NAME ADDR HELO",))
        async with peer, Scene(smtp_send_xforward_command=True) as scene:
            client = {"name": "client.test", "addr": "192.0.2.9", "helo": "hello.test"}
            assert statuses(await scene.deliver(at(peer), client=client)) == ["sent 2.0.0"]
            assert scene.warnings == [
                f"host 127.0.0.1[127.0.0.1]:{peer.port} said: 501 5.5.4 no (in reply to XFORWARD name/address command)"
            ]

    run(main())


@pytest.mark.parametrize(
    ("target", "rules", "result", "commands"),
    [
        ("rcpt", (), "deliverable 2.1.5 250 2.1.5 Ok", ["MAIL", "RCPT", "RSET", "QUIT"]),
        ("data", (), "deliverable 2.0.0 354 ", ["MAIL", "RCPT", "DATA"]),
        ("rcpt", (Rule(match="^RCPT", reply="550 5.1.1 no"),), "undeliverable 5.1.1 host ", ["MAIL", "RCPT", "RSET", "QUIT"]),
        ("rcpt", (Rule(match="^RCPT", reply="450 4.2.1 no"),), "undeliverable 4.2.1 host ", ["MAIL", "RCPT", "RSET", "QUIT"]),
    ],
)
def test_a_probe_sends_no_content(target: str, rules: tuple[Rule, ...], result: str, commands: list[str]) -> None:
    async def main() -> None:
        content = Pieces(LINE)
        async with ScriptedServer(*rules) as peer, Scene(smtp_address_verify_target=target) as scene:
            report = await scene.deliver(at(peer), probe=True, content=content)
            assert brief(report)[0].startswith(result)
            assert content.readings == 0
            await peer.wait_until_alone()
            assert [line.split()[0] for line in peer.sessions[0].commands[1:]] == commands

    run(main())


def test_a_hidden_greeting_makes_the_dot_wait() -> None:
    async def main() -> None:
        rule = Rule(on="greeting", reply="220 **************")
        async with ScriptedServer(rule) as peer, Scene() as scene:
            now = scene.clock.wall_seconds()
            begin = asyncio.get_running_loop().time()
            report = await scene.deliver(at(peer), arrival_seconds=now - 1000, active_seconds=now)
            assert statuses(report) == ["sent 2.0.0"]
            assert asyncio.get_running_loop().time() - begin >= 10
            assert peer.sessions[0].commands[0].startswith("HELO")

    run(main())


@pytest.mark.parametrize(
    ("keywords", "final", "action"),
    [((), True, Action.DELIVERED), (("DSN",), True, Action.RELAYED), ((), False, Action.RELAYED)],
)
def test_a_server_that_knows_dsn_only_relays(keywords: tuple[str, ...], final: bool, action: Action) -> None:
    async def main() -> None:
        peer = ScriptedServer(lmtp=True, keywords=("PIPELINING", *keywords))
        async with peer, Scene(Transport.LMTP, lmtp_assume_final=final) as scene:
            report = await scene.deliver(at(peer))
            outcome = report.outcomes[0]
            assert outcome is not None
            assert outcome.action is action
            assert outcome.passes_notice_on == ("DSN" in keywords)

    run(main())


@pytest.mark.parametrize(
    ("table", "results"),
    [
        ("/^5.1.1 / 4.1.1 not so hard", ["deferred 4.1.1 not so hard", "sent 2.0.0 250 2.0.0 Ok: queued as T1.1"]),
        ("/^2.0.0 / 2.0.0 gone", ["bounced 5.1.1 ", "sent 2.0.0 gone"]),
        ("/^2.0.0 / 5.0.0 gone", ["bounced 5.1.1 ", "sent 2.0.0 250 2.0.0 Ok: queued as T1.1"]),
    ],
)
def test_the_operator_has_the_last_word(table: str, results: list[str], tmp_path: Any) -> None:
    path = tmp_path / "filter"
    path.write_text(table + "\n")

    async def main() -> None:
        rule = Rule(match="<b@", reply="550 5.1.1 no")
        async with ScriptedServer(rule) as peer, Scene(smtp_delivery_status_filter=f"regexp:{path}") as scene:
            report = await scene.deliver(at(peer), Recipient("b@example.test"), "c")
            assert [text[: len(result)] for text, result in zip(brief(report), results, strict=True)] == results

    run(main())
