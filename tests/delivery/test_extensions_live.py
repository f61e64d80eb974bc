"""Extensions, filters and work-arounds end to end: an agent, real sockets, scripted servers, a clock that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mailrider
from mailrider.events import ConnectionOpened, Event, Noted, ReplyReplaced
from mailrider.model.outcome import Status
from mailrider.model.request import Transport
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import ZoneServer
from virtual_time import run

from .scene import MESSAGE, Pieces, Scene, at, brief, server_of, statuses

CHUNKING = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING")
UTF8 = ("PIPELINING", "8BITMIME", "SMTPUTF8")
KEEP: dict[str, Any] = {"cache_load": True, "cache_store": True}
CLOSE: dict[str, Any] = {"cache_load": False, "cache_store": False}
PEER = "127.0.0.1[127.0.0.1]"
LARGE = b"Subject: large\r\n\r\n" + (b"0123456789" * 6 + b"\r\n") * 40_000
NO_BDAT = f"host {PEER} announces CHUNKING and does not understand BDAT"


def does_not_know_bdat(*rules: Rule, pipelining: bool = True) -> ScriptedServer:
    """Announces CHUNKING and takes BDAT for an unknown command, so that content behind it would be commands."""
    keywords = ("8BITMIME", "CHUNKING nonsense")
    return ScriptedServer(*rules, keywords=("PIPELINING", *keywords) if pipelining else keywords)


def verbs(peer: ScriptedServer, session: int = -1) -> list[str]:
    return [command.split(" ")[0] for command in peer.sessions[session].commands]


def table(tmp_path: Path, text: str, name: str = "table") -> str:
    (tmp_path / name).write_text(text)
    return f"regexp:{tmp_path}/{name}"


# -- BDAT ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [CHUNKING, ("8BITMIME", "CHUNKING")])
@pytest.mark.parametrize("message", [MESSAGE, b"", b"\r\n", b".\r\n..\r\n.\r\n", b"x", LARGE])
def test_a_message_arrives_by_bdat(keywords: tuple[str, ...], message: bytes) -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=keywords) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), "b", "c", content=MemoryMessage(message))
            assert statuses(report) == ["sent 2.0.0"] * 2
            (received,) = peer.messages
            assert received.chunked
            assert received.content == MemoryMessage(message).octets
            assert received.recipients == ("b@example.test", "c@example.test")
            await peer.wait_until_alone()
            assert "DATA" not in verbs(peer)
            assert verbs(peer)[-1] == "QUIT"

    run(main())


def test_a_new_connection_costs_no_more_round_trips_than_data() -> None:
    async def main() -> None:
        for keywords in (CHUNKING, CHUNKING[:-1]):
            async with ScriptedServer(keywords=keywords) as peer, Scene() as scene:
                await scene.deliver(at(peer))
                assert len(peer.sessions[0].reads) == 3  # EHLO; the envelope; the content

    run(main())


def test_a_large_message_goes_in_chunks() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=CHUNKING) as peer, Scene() as scene:
            await scene.deliver(at(peer), content=MemoryMessage(LARGE))
            await peer.wait_until_alone()
            chunks = [int(command.split()[1]) for command in peer.sessions[0].commands if command.startswith("BDAT")]
            assert chunks[0] == len("Subject: large")
            assert chunks[1:-1] == [512 * 1024] * 4
            assert sum(chunks) == len(LARGE)

    run(main())


def test_a_kept_connection_takes_the_next_message_whole() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=CHUNKING) as peer, Scene() as scene:
            for number in range(3):
                report = await scene.deliver(at(peer), **KEEP)
                assert report.outcomes[0] is not None
                assert report.outcomes[0].connection_use == number + 1
            (session,) = peer.sessions
            transaction = ["MAIL", "RCPT", "BDAT"]
            assert verbs(peer) == ["EHLO", *transaction, "BDAT", "RSET", *transaction, "RSET", *transaction]
            assert [message.content for message in peer.messages] == [MESSAGE] * 3
            assert len(session.reads) == 3 + 2

    run(main())


def test_a_refused_recipient_on_a_kept_connection_does_not_harm_the_next_message() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="RCPT TO:<no@", reply="550 5.1.1 no"), keywords=CHUNKING) as peer:
            async with Scene() as scene:
                reports = [await scene.deliver(at(peer), name, **KEEP) for name in ("b", "no", "b", "no", "c")]
            assert [statuses(report)[0] for report in reports] == [
                "sent 2.0.0", "bounced 5.1.1", "sent 2.0.0", "bounced 5.1.1", "sent 2.0.0",
            ]  # fmt: skip
            assert len(peer.sessions) == 1
            assert [message.recipients for message in peer.messages] == [
                ("b@example.test",), ("b@example.test",), ("c@example.test",),
            ]  # fmt: skip

    run(main())


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_does_not_know_bdat_gets_data_now_and_later(pipelining: bool) -> None:
    async def main() -> None:
        enemy = b"RCPT TO:<victim@example.test>\r\nDATA\r\nevil\r\n.\r\n"
        async with does_not_know_bdat(pipelining=pipelining) as peer, Scene() as scene:
            reports = [await scene.deliver(at(peer), content=MemoryMessage(enemy), **CLOSE) for _ in range(2)]
            assert [statuses(report) for report in reports] == [["sent 2.0.0"]] * 2
            await peer.wait_until_alone()
            assert [verbs(peer, number) for number in range(len(peer.sessions))] == [
                ["EHLO", "MAIL", "RCPT", "BDAT"],
                ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"],
                ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"],
            ]
            for message in peer.messages:
                assert message.recipients == ("b@example.test",)
                assert message.content == enemy
            assert scene.warnings == [NO_BDAT]

    run(main())


@pytest.mark.parametrize("then", ["close", "reset", "silence"])
def test_a_server_that_is_gone_over_the_first_chunk_gets_data(then: Any) -> None:
    async def main() -> None:
        async with does_not_know_bdat(Rule(match="^BDAT", then=then)) as peer, Scene() as scene:
            assert statuses(await scene.deliver(at(peer))) == ["sent 2.0.0"]
            assert [verbs(peer, number)[3] for number in range(2)] == ["BDAT", "DATA"]
            assert scene.warnings == [NO_BDAT]

    run(main())


def test_a_server_that_forgets_bdat_on_a_kept_connection_gets_data_on_a_new_one() -> None:
    async def main() -> None:
        rule = Rule(match="^BDAT", nth=4, reply="502 5.5.1 what", then="close")
        async with ScriptedServer(rule, Rule(on="dot", nth=2, reply="502 5.5.1 what"), keywords=CHUNKING) as peer:
            async with Scene() as scene:
                reports = [await scene.deliver(at(peer), **KEEP) for _ in range(2)]
            assert [statuses(report) for report in reports] == [["sent 2.0.0"]] * 2
            assert [message.chunked for message in peer.messages if message.replies[0].startswith("250")] == [True, False]
            assert scene.warnings == [NO_BDAT]

    run(main())


def test_when_the_only_session_does_not_know_bdat_the_limit_of_sessions_still_holds() -> None:
    async def main() -> None:
        rule = Rule(match="^RCPT", reply="450 4.2.0 no", nth_total=2)
        async with does_not_know_bdat(rule) as peer:
            routes = {"example.test": [server_of(peer), server_of(peer)]}
            async with Scene(routes=routes, smtp_mx_session_limit=1) as scene:
                assert statuses(await scene.deliver("example.test")) == ["deferred 4.2.0"]
            assert len(peer.sessions) == 2

    run(main())


@pytest.mark.parametrize(("reply", "status"), [("452 4.3.1 full", "deferred 4.3.1"), ("552 5.3.4 too large", "bounced 5.3.4")])
@pytest.mark.parametrize("keywords", [CHUNKING, ("CHUNKING",)])
def test_a_chunk_is_refused_in_the_middle(reply: str, status: str, keywords: tuple[str, ...]) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^BDAT 524288$", nth=2, reply=reply), keywords=keywords) as peer:
            async with Scene() as scene:
                report = await scene.deliver(at(peer), "b", "c", content=MemoryMessage(LARGE))
            assert brief(report) == [f"{status} host {PEER} said: {reply} (in reply to BDAT command)"] * 2
            await peer.wait_until_alone()
            assert verbs(peer)[-1] == "QUIT"

    run(main())


def test_after_a_refused_chunk_the_connection_serves_on() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^BDAT 524288$", nth=1, reply="452 4.3.1 full"), keywords=("CHUNKING",)) as peer:
            async with Scene() as scene:
                reports = [await scene.deliver(at(peer), content=MemoryMessage(LARGE), **KEEP) for _ in range(2)]
                assert [statuses(report)[0] for report in reports] == ["deferred 4.3.1", "sent 2.0.0"]
            assert len(peer.sessions) == 1
            assert [message.content for message in peer.messages] == [LARGE]

    run(main())


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("close", "lost connection with {} while sending message body"),
        ("reset", "lost connection with {} while sending message body"),
        ("silence", "conversation with {} timed out while sending message body"),
    ],
)
def test_the_connection_is_lost_in_the_middle(then: Any, text: str) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^BDAT 524288$", nth=1, then=then), keywords=("CHUNKING",)) as peer:
            async with Scene() as scene:
                report = await scene.deliver(at(peer), content=MemoryMessage(LARGE))
            assert brief(report) == [f"deferred 4.4.2 {text.format(PEER)}"]
            assert report.outcomes[0] is not None
            assert not report.outcomes[0].in_doubt
            assert len(peer.sessions) == 1

    run(main())


def test_the_last_words_before_the_connection_is_lost_count() -> None:
    async def main() -> None:
        rule = Rule(match="^BDAT 524288$", nth=1, reply="554 5.7.1 spam", then="close")
        async with ScriptedServer(rule, keywords=CHUNKING) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), content=MemoryMessage(LARGE))
            assert brief(report) == [f"bounced 5.7.1 host {PEER} said: 554 5.7.1 spam (in reply to BDAT command)"]

    run(main())


def test_a_lost_end_leaves_the_message_in_doubt() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="dot", then="close"), keywords=CHUNKING) as peer, Scene() as scene:
            report = await scene.deliver(at(peer))
            text = f"lost connection with {PEER} while sending end of data -- message may be sent more than once"
            assert brief(report) == [f"deferred 4.4.2 {text}"]
            assert report.outcomes[0] is not None
            assert report.outcomes[0].in_doubt

    run(main())


def test_a_content_that_breaks_off_is_not_delivered() -> None:
    async def main() -> None:
        content = Pieces(b"Subject: x\r\n", mailrider.errors.ContentUnreadable("gone"))
        async with ScriptedServer(keywords=CHUNKING) as peer, Scene() as scene:
            report = await scene.deliver(at(peer), content=content)
            assert brief(report) == ["deferred 4.3.0 message content could not be read: gone"]
            await peer.wait_until_alone()
            assert peer.messages == []

    run(main())


@pytest.mark.parametrize("message", [MESSAGE, LARGE])
def test_lmtp_with_chunking(tmp_path: Path, message: bytes) -> None:
    async def main() -> None:
        rules = (
            Rule(match="^RCPT TO:<no@", reply="550 5.1.1 no such user"),
            Rule(on="dot", replies=(None, "452 4.2.2 full")),
        )
        async with ScriptedServer(*rules, lmtp=True, keywords=CHUNKING, path=tmp_path / "lmtp") as peer:
            async with Scene(Transport.LMTP) as scene:
                content = MemoryMessage(message)
                report = await scene.deliver(f"unix:{peer.path}", "b", "no", "c", "d", content=content)
            assert statuses(report) == ["sent 2.0.0", "bounced 5.1.1", "deferred 4.2.2", "sent 2.0.0"]
            (received,) = peer.messages
            assert received.chunked
            assert received.content == message

    run(main())


def test_lmtp_when_the_connection_is_lost_between_the_replies() -> None:
    """Who was accepted must not get the message again."""

    async def main() -> None:
        rule = Rule(on="dot", replies=(None,), short=True, then="close")
        async with ScriptedServer(rule, lmtp=True, keywords=CHUNKING) as peer, Scene(Transport.LMTP) as scene:
            report = await scene.deliver(at(peer), "b", "c")
            assert statuses(report) == ["sent 2.0.0", "deferred 4.4.2"]
            assert report.outcomes[1] is not None
            assert report.outcomes[1].in_doubt

    run(main())


def test_chunking_can_be_switched_off_and_discarded() -> None:
    async def main() -> None:
        for settings in ({"smtp_chunking": False}, {"smtp_discard_ehlo_keywords": "chunking"}):
            async with ScriptedServer(keywords=CHUNKING) as peer, Scene(**settings) as scene:
                await scene.deliver(at(peer))
                assert [message.chunked for message in peer.messages] == [False]

    run(main())


# -- XFORWARD ------------------------------------------------------------------------------------------------------------

CLIENT = {"name": "client.test", "addr": "192.0.2.7", "helo": "helo.test", "source": "REMOTE"}
XFORWARD = ("PIPELINING", "XFORWARD NAME ADDR PROTO HELO SOURCE")


def test_the_client_is_told_before_the_envelope() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^XFORWARD", reply="250 ok"), keywords=XFORWARD) as peer:
            async with Scene(smtp_send_xforward_command=True) as scene:
                assert statuses(await scene.deliver(at(peer), client=CLIENT)) == ["sent 2.0.0"]
            assert peer.sessions[0].commands[1:4] == [
                "XFORWARD NAME=client.test ADDR=192.0.2.7",
                "XFORWARD HELO=helo.test SOURCE=REMOTE",
                "MAIL FROM:<a@example.test>",
            ]
            assert scene.warnings == []

    run(main())


def test_a_refused_xforward_only_warns() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^XFORWARD", reply="550 5.7.0 not you"), keywords=XFORWARD) as peer:
            async with Scene(smtp_send_xforward_command=True) as scene:
                assert statuses(await scene.deliver(at(peer), client=CLIENT)) == ["sent 2.0.0"]
            said = f"host {PEER}:{peer.port} said: 550 5.7.0 not you (in reply to XFORWARD"
            assert scene.warnings == [f"{said} name/address command)", f"{said} helo/protocol command)"]

    run(main())


def test_a_server_that_is_silent_to_xforward_times_out() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^XFORWARD", then="silence"), keywords=XFORWARD) as peer:
            async with Scene(smtp_send_xforward_command=True) as scene:
                report = await scene.deliver(at(peer), client=CLIENT)
            text = f"conversation with {PEER} timed out while sending XFORWARD name/address"
            assert brief(report) == [f"deferred 4.4.2 {text}"]

    run(main())


# -- hidden greetings ----------------------------------------------------------------------------------------------------

HIDDEN = Rule(on="greeting", reply="220 ****2****0***")


def test_new_mail_to_a_hidden_server_goes_by_helo_without_delay() -> None:
    async def main() -> None:
        async with ScriptedServer(HIDDEN, keywords=CHUNKING) as peer, Scene() as scene:
            begin = scene.clock.wall_seconds()
            assert statuses(await scene.deliver(at(peer))) == ["sent 2.0.0"]
            assert scene.clock.wall_seconds() - begin < 5
            assert verbs(peer)[:4] == ["HELO", "MAIL", "RCPT", "DATA"]
            text = f"enabling PIX workarounds: disable_esmtp for {PEER}:{peer.port}"
            assert scene.told(Noted) == [Noted(text, "QID")]

    run(main())


def test_old_mail_has_its_dot_delayed_in_a_packet_of_its_own() -> None:
    async def main() -> None:
        async with ScriptedServer(HIDDEN, keywords=CHUNKING) as peer:
            async with Scene(smtp_pix_workarounds="delay_dotcrlf") as scene:
                begin = scene.clock.wall_seconds()
                assert statuses(await scene.deliver(at(peer), arrival_seconds=begin - 600)) == ["sent 2.0.0"]
                assert 10 <= scene.clock.wall_seconds() - begin < 15
            assert verbs(peer)[:4] == ["EHLO", "MAIL", "RCPT", "DATA"]
            assert any(read.startswith(b".\r\n") for read in peer.sessions[0].reads)

    run(main())


# -- keywords ------------------------------------------------------------------------------------------------------------


def test_keywords_are_discarded_by_address() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            maps = "inline:{{127.0.0.1 = pipelining, size}}"
            async with Scene(smtp_discard_ehlo_keyword_address_maps=maps, smtp_discard_ehlo_keywords="dsn") as scene:
                await scene.deliver(at(peer))
            assert scene.told(Noted) == [Noted("discarding EHLO keywords: PIPELINING SIZE")]
            assert scene.told(ConnectionOpened)[0].features == ("8BITMIME", "DSN")
            assert peer.sessions[0].commands[1] == "MAIL FROM:<a@example.test>"

    run(main())


@pytest.mark.parametrize("transport", Transport)
def test_a_map_of_keywords_that_cannot_answer_defers_and_says_quit(transport: Transport) -> None:
    async def main() -> None:
        lmtp = transport is Transport.LMTP
        name = "lmtp_discard_lhlo_keyword_address_maps" if lmtp else "smtp_discard_ehlo_keyword_address_maps"
        async with ScriptedServer(lmtp=lmtp) as peer, Scene(transport, **{name: "static:{}"}) as scene:
            report = await scene.deliver(at(peer))
            assert brief(report) == [f"deferred 4.3.0 local data error while talking to {PEER}"]
            await peer.wait_until_alone()
            assert verbs(peer) == ["LHLO" if lmtp else "EHLO", "QUIT"]
            assert scene.warnings[-1] == f"{name} map lookup error for 127.0.0.1"

    run(main())


# -- smtp_reply_filter ---------------------------------------------------------------------------------------------------


def test_a_reply_filter_changes_a_verdict(tmp_path: Path) -> None:
    async def main() -> None:
        filter_table = table(tmp_path, r"/^550 5\.1\.1 (.*)/ 450 4.1.1 $1" + "\n")
        async with ScriptedServer(Rule(match="^RCPT", reply="550 5.1.1 who")) as peer:
            async with Scene(smtp_reply_filter=filter_table) as scene:
                report = await scene.deliver(at(peer))
            assert brief(report) == [f"deferred 4.1.1 host {PEER} said: 450 4.1.1 who (in reply to RCPT TO command)"]
            (replaced,) = scene.told(ReplyReplaced)
            assert (replaced.original, replaced.replacement) == ("550 5.1.1 who", "450 4.1.1 who")

    run(main())


def test_a_reply_filter_takes_keywords_away_and_ends_a_reply(tmp_path: Path) -> None:
    async def main() -> None:
        filter_table = table(tmp_path, "/^250-PIPELINING/ 250-X\n/^250 DSN/ 250-Y\n/^250-HELP/ 250 Z\n")
        rule = Rule(match="^EHLO", raw=b"250-mx\r\n250-PIPELINING\r\n250-SIZE 99999\r\n250 DSN\r\n250-HELP\r\n")
        async with ScriptedServer(rule) as peer, Scene(smtp_reply_filter=filter_table) as scene:
            assert statuses(await scene.deliver(at(peer))) == ["sent 2.0.0"]
            assert scene.told(ConnectionOpened)[0].features == ("SIZE",)
            assert len(scene.told(ReplyReplaced)) == 3

    run(main())


def test_a_reply_filter_that_cannot_answer_defers() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene(smtp_reply_filter="static:{}") as scene:
            report = await scene.deliver(at(peer))
            assert brief(report) == [f"deferred 4.3.0 local data error while talking to {PEER}"]
            assert scene.warnings[-1].startswith("table static:{} lookup error for 220 ")
            await peer.wait_until_alone()
            assert peer.sessions[0].commands == ["QUIT"]

    run(main())


@pytest.mark.parametrize("line", ["250 2.1.0", "250 2.1.5", "354"])
def test_in_the_middle_of_a_transaction_that_ends_the_conversation(tmp_path: Path, line: str) -> None:
    async def main() -> None:
        tables = f"pipemap:{{{table(tmp_path, f'/^{line} / found')},fail:x}}"
        async with ScriptedServer(keywords=("PIPELINING",)) as peer, Scene(smtp_reply_filter=tables) as scene:
            report = await scene.deliver(at(peer))
            assert brief(report) == [f"deferred 4.3.0 local data error while talking to {PEER}"]
            await peer.wait_until_alone()
            assert peer.sessions[0].commands[1:] == ["MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA"]

    run(main())


def test_what_a_server_has_taken_stays_taken_when_a_later_reply_cannot_be_judged(tmp_path: Path) -> None:
    async def main() -> None:
        tables = f"pipemap:{{{table(tmp_path, '/^221/ found')},fail:x}}"
        rule = Rule(on="dot", raw=b"250 2.0.0 taken\r\n221 2.0.0 bye\r\n")
        scene = Scene(smtp_reply_filter=tables, smtp_skip_quit_response="no")
        async with ScriptedServer(rule, keywords=("PIPELINING",)) as peer, scene:
            assert brief(await scene.deliver(at(peer))) == ["sent 2.0.0 250 2.0.0 taken"]

    run(main())


def test_recipients_whose_replies_came_before_it_are_settled(tmp_path: Path) -> None:
    async def main() -> None:
        tables = f"pipemap:{{{table(tmp_path, '/^250 2.0.0 second/ found')},fail:x}}"
        rule = Rule(on="dot", raw=b"250 2.0.0 first\r\n250 2.0.0 second\r\n250 2.0.0 third\r\n")
        async with ScriptedServer(rule, lmtp=True) as peer, Scene(Transport.LMTP, lmtp_reply_filter=tables) as scene:
            report = await scene.deliver(at(peer), "a", "b", "c")
            lost = f"deferred 4.3.0 local data error while talking to {PEER}"
            assert brief(report) == ["sent 2.0.0 250 2.0.0 first", lost, lost]

    run(main())


# -- smtp_delivery_status_filter -----------------------------------------------------------------------------------------


def filtered(
    tmp_path: Path, text: str, *rules: Rule, nexthop: str = "", scene_settings: dict[str, object] | None = None, **options: Any
) -> tuple[list[str], list[Any], Scene]:
    """What became of one message whose final status goes through this table."""

    async def main() -> tuple[list[str], list[Any], Scene]:
        async with ScriptedServer(*rules) as peer:
            settings = {"smtp_delivery_status_filter": table(tmp_path, text)} | (scene_settings or {})
            async with Scene(**settings) as scene:
                report = await scene.deliver(nexthop or at(peer), **options)
            return brief(report), list(report.outcomes), scene

    return run(main())


NO = Rule(match="^RCPT", reply="550 5.1.1 no")
LATER = Rule(match="^RCPT", reply="450 4.2.0 later")


def test_a_bounce_may_become_a_deferral(tmp_path: Path) -> None:
    told, (outcome,), _ = filtered(tmp_path, r"/^5\.1\.1 (.*)/ 4.1.1 softly: $1" + "\n", NO)
    assert told == [f"deferred 4.1.1 softly: host {PEER} said: 550 5.1.1 no (in reply to RCPT TO command)"]
    assert not outcome.soft_bounced
    assert outcome.reply == "550 5.1.1 no"
    assert outcome.remote_mta == "127.0.0.1"


def test_a_deferral_may_become_a_bounce(tmp_path: Path) -> None:
    told, _, _ = filtered(tmp_path, "/^4.2.0 / 5.2.0 hard\n", LATER)
    assert told == ["bounced 5.2.0 hard"]


def test_a_deferral_that_becomes_a_bounce_is_softened_by_soft_bounce(tmp_path: Path) -> None:
    settings: dict[str, object] = {"soft_bounce": True}
    told, (outcome,), _ = filtered(tmp_path, "/^4.2.0 / 5.2.0 hard\n", LATER, scene_settings=settings)
    assert told == ["deferred 4.2.0 hard"]
    assert outcome.soft_bounced


def test_the_filter_sees_the_hard_status_under_soft_bounce(tmp_path: Path) -> None:
    settings: dict[str, object] = {"soft_bounce": True}
    told, (outcome,), _ = filtered(tmp_path, "/^5.1.1 / 5.9.9 seen\n/^4/ 4.8.8 wrong\n", NO, scene_settings=settings)
    assert told == ["deferred 4.9.9 seen"]
    assert outcome.soft_bounced
    told, (outcome,), _ = filtered(tmp_path, "/^5.1.1 / 4.7.7 soft\n", NO, scene_settings=settings)
    assert told == ["deferred 4.7.7 soft"]
    assert not outcome.soft_bounced


def test_a_success_stays_a_success(tmp_path: Path) -> None:
    told, _, scene = filtered(tmp_path, "/^2/ 5.0.0 no\n")
    assert told == ["sent 2.0.0 250 2.0.0 Ok: queued as T1.1"]
    assert scene.warnings == ["smtp_delivery_status_filter: bad status code: 5.0.0 no"]
    told, _, scene = filtered(tmp_path, "/^2/ 2.1.5 fine\n")
    assert told == ["sent 2.1.5 fine"]
    told, _, scene = filtered(tmp_path, "/^5/ 2.0.0 yes\n", NO)
    assert told[0].startswith("bounced 5.1.1 host")


def test_the_filter_is_asked_at_the_end_only_and_for_what_never_reached_a_server(tmp_path: Path) -> None:
    told, _, _ = filtered(tmp_path, "/^4.4.1 / 5.4.1 gave up\n", nexthop="[127.0.0.1]:1, [127.0.0.1]:1")
    assert told == ["bounced 5.4.1 gave up"]


def test_a_filter_that_cannot_answer_changes_nothing(tmp_path: Path) -> None:
    settings: dict[str, object] = {"smtp_delivery_status_filter": "static:{}"}
    told, _, scene = filtered(tmp_path, "", NO, scene_settings=settings)
    assert told[0].startswith("bounced 5.1.1 host")
    assert len(scene.warnings) == 1


def test_probes_go_through_the_filter_too(tmp_path: Path) -> None:
    told, (outcome,), _ = filtered(tmp_path, "/^5.1.1 / 4.1.1 who knows\n", NO, probe=True)
    assert told == ["undeliverable 4.1.1 who knows"]
    assert outcome.status is Status.UNDELIVERABLE
    told, _, _ = filtered(tmp_path, "/^2/ 2.1.5 there\n", probe=True)
    assert told == ["deliverable 2.1.5 there"]


# -- smtp_dns_reply_filter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "text"),
    [
        ("IGNORE", "sent", "250 2.0.0 Ok: queued as T1.1"),
        ("DROP", "deferred", "Error looking up name=example.test type=MX: Invalid DNS reply filter syntax"),
    ],
)
def test_the_dns_reply_filter_drops_servers(tmp_path: Path, action: str, status: str, text: str) -> None:
    events: list[Event] = []

    async def main() -> None:
        records = [f"example.test MX {number} mx{number}.test" for number in (1, 2)]
        records += [f"mx{number}.test A 127.0.0.{3 - number}" for number in (1, 2)]
        async with ScriptedServer() as peer, ZoneServer(records) as zone:
            settings = {
                "dns_nameservers": f"{zone.address}:{zone.port}",
                "smtp_tcp_port": str(peer.port),
                "smtp_dns_reply_filter": table(tmp_path, rf"/ MX 1 mx1\.test\.$/ {action}" + "\n"),
                "inet_protocols": "ipv4",
                "myhostname": "me.example.test",
            }
            async with mailrider.Agent(settings, observer=events.append) as agent:
                (result,) = await agent.deliver(MESSAGE, sender="a@example.test", recipients=["b@example.test"])
            assert (result.status, result.text) == (status, text)

    run(main())
    if action == "IGNORE":
        assert [event.text for event in events if isinstance(event, Noted)] == [
            "ignoring DNS RR: example.test. 60 IN MX 1 mx1.test."
        ]


# -- SMTPUTF8 ------------------------------------------------------------------------------------------------------------

UTF8_MESSAGE = "Subject: é\r\n\r\ntext\r\n".encode()
UTF8_BODY = "Subject: e\r\n\r\né\r\n".encode()


def international(*peers: ScriptedServer, message: bytes = MESSAGE, **options: Any) -> tuple[list[str], Scene]:
    """What became of a message that asks for SMTPUTF8."""

    async def main() -> tuple[list[str], Scene]:
        for peer in peers:
            await peer.__aenter__()
        try:
            routes = {"example.test": [server_of(peer, f"mx{number}.test", number) for number, peer in enumerate(peers)]}
            async with Scene(routes=routes) as scene:
                report = await scene.deliver("example.test", content=MemoryMessage(message), smtputf8=True, **options)
            for peer in peers:
                await peer.wait_until_alone()
        finally:
            for peer in peers:
                await peer.close()
        return brief(report), scene

    return run(main())


def recipient(address: str) -> Any:
    return mailrider.model.request.Recipient(address)


def required(number: int) -> str:
    return f"SMTPUTF8 is required, but was not offered by host mx{number}.test[127.0.0.1]"


def test_a_request_in_ascii_goes_to_any_server() -> None:
    peer = ScriptedServer()
    assert international(peer)[0] == ["sent 2.0.0 250 2.0.0 Ok: queued as T1.1"]
    assert "SMTPUTF8" not in peer.messages[0].parameters
    peer = ScriptedServer()
    assert international(peer, message=UTF8_BODY)[0][0].startswith("sent")


def test_a_server_that_has_it_is_asked_for_it() -> None:
    peer = ScriptedServer(keywords=UTF8)
    assert international(peer, sender="é@example.test")[0][0].startswith("sent")
    assert (peer.messages[0].sender, peer.messages[0].parameters) == ("é@example.test", "SMTPUTF8")


@pytest.mark.parametrize("options", [{"sender": "é@example.test"}, {"message": UTF8_MESSAGE}])
def test_a_message_that_needs_it_bounces_where_no_server_has_it(options: dict[str, Any]) -> None:
    peers = [ScriptedServer(), ScriptedServer()]
    told, scene = international(*peers, **options)
    assert told == [f"bounced 5.6.7 {required(1)}"]
    assert scene.soft_failures == [required(0)]
    assert [verbs(peer) for peer in peers] == [["EHLO", "QUIT"]] * 2


def test_the_next_server_may_have_it() -> None:
    peers = [ScriptedServer(), ScriptedServer(keywords=UTF8)]
    assert international(*peers, sender="é@example.test")[0][0].startswith("sent")
    assert len(peers[1].messages) == 1


def test_a_domain_alone_goes_as_its_a_label_where_a_server_lacks_it() -> None:
    plain, capable = ScriptedServer(), ScriptedServer(keywords=UTF8)
    for peer, address in ((plain, "b@xn--exmple-cua.test"), (capable, "b@exämple.test")):

        async def main(peer: ScriptedServer = peer) -> None:
            async with peer, Scene() as scene:
                report = await scene.deliver(at(peer), recipient("b@exämple.test"), smtputf8=True)
                assert statuses(report) == ["sent 2.0.0"]
                assert scene.settled == ["b@exämple.test"]

        run(main())
        assert peer.messages[0].recipients == (address,)


# -- probes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [CHUNKING, ("CHUNKING",)])
def test_a_probe_of_rcpt_sends_no_content(keywords: tuple[str, ...]) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^RCPT TO:<no@", reply="550 5.1.1 no"), keywords=keywords) as peer:
            async with Scene() as scene:
                report = await scene.deliver(at(peer), "b", "no", probe=True)
            assert statuses(report) == ["deliverable 2.1.5", "undeliverable 5.1.1"]
            await peer.wait_until_alone()
            assert verbs(peer) == ["EHLO", "MAIL", "RCPT", "RCPT", "RSET", "QUIT"]

    run(main())


def test_a_probe_of_data_hangs_up_before_the_content() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=CHUNKING) as peer, Scene(smtp_address_verify_target="data") as scene:
            report = await scene.deliver(at(peer), probe=True)
            assert statuses(report) == ["deliverable 2.0.0"]
            await peer.wait_until_alone()
            assert verbs(peer) == ["EHLO", "MAIL", "RCPT", "DATA"]
            assert peer.messages == []

    run(main())


def test_a_probe_of_data_that_is_refused() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^DATA", reply="451 4.7.1 greylisted")) as peer:
            async with Scene(smtp_address_verify_target="data") as scene:
                report = await scene.deliver(at(peer), probe=True)
            assert brief(report) == [f"undeliverable 4.7.1 host {PEER} said: 451 4.7.1 greylisted (in reply to DATA command)"]

    run(main())
