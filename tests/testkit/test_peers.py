from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.testkit import peers
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

PATIENCE_SECONDS = 90.0  # no test comes near it; it ends one that hangs

Talk = Callable[["Client"], Coroutine[None, None, None]]


class Client:
    """The simplest client there is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> str:
        """The next reply, its lines joined by |; empty at the end of the connection."""
        lines = []
        while line := (await self.reader.readline()).decode():
            lines.append(line.removesuffix("\r\n"))
            if line[3:4] != "-":
                break
        return "|".join(lines)

    def say(self, *lines: str) -> None:
        self.writer.write("".join(line + "\r\n" for line in lines).encode())

    async def ask(self, line: str) -> str:
        self.say(line)
        return await self.hear()

    async def begin(self) -> None:
        assert (await self.hear()).startswith("220")
        assert (await self.ask("EHLO client")).startswith("250")

    async def begin_content(self, *recipients: str, hello: str = "EHLO client") -> None:
        assert (await self.hear()).startswith("220")
        for line in (hello, "MAIL FROM:<a@b>", *[f"RCPT TO:<{recipient}>" for recipient in recipients]):
            assert (await self.ask(line)).startswith("250")
        assert (await self.ask("DATA")).startswith("354")


async def dial(server: ScriptedServer) -> Client:
    if server.path is not None:
        return Client(*await asyncio.open_unix_connection(server.path))
    return Client(*await asyncio.open_connection(server.address, server.port))


def converse(server: ScriptedServer, *talks: Talk) -> None:
    """Let each talk have a connection, one after the other, and wait for the server to see its end."""

    async def work() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), server:
            for talk in talks:
                client = await dial(server)
                await talk(client)
                client.writer.close()
                await server.wait_until_alone()

    asyncio.run(work())


async def send_message(client: Client) -> None:
    await client.begin_content("x@y", "z@y")
    client.say("Subject: dots", "", "..", "..two", "text", ".")
    assert await client.hear() == "250 2.0.0 Ok: queued as T1.1"
    assert await client.ask("QUIT") == "221 2.0.0 Bye"
    assert await client.hear() == ""


def test_a_friendly_server_takes_a_message_and_remembers_it() -> None:
    server = ScriptedServer()
    converse(server, send_message)
    (session,) = server.sessions
    assert session.commands == ["EHLO client", "MAIL FROM:<a@b>", "RCPT TO:<x@y>", "RCPT TO:<z@y>", "DATA", "QUIT"]
    assert session.ended == "server"
    (message,) = server.messages
    assert message.content == b"Subject: dots\r\n\r\n.\r\n.two\r\ntext\r\n"
    assert (message.sender, message.recipients) == ("a@b", ("x@y", "z@y"))
    assert message.replies == ("250 2.0.0 Ok: queued as T1.1",)
    assert message.size_octets == len(message.content)
    assert session.octets_received == sum(map(len, session.reads))


def test_sizes_are_remembered_where_contents_are_not() -> None:
    server = ScriptedServer(keep_content=False)
    converse(server, send_message)
    assert [(message.content, message.size_octets) for message in server.messages] == [(b"", 32)]


def test_the_announcement_is_as_wanted() -> None:
    async def talk(client: Client) -> None:
        assert await client.hear() == "220 mx1.test ESMTP"
        assert await client.ask("EHLO c") == "250-mx1.test|250-SMTPUTF8|250 SIZE 5"
        assert await client.ask("helo c") == "250 mx1.test"

    converse(ScriptedServer(name="mx1.test", keywords=("SMTPUTF8", "SIZE 5")), talk)


def test_the_order_of_commands_is_known() -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        assert await client.ask("RCPT TO:<a@b>") == "503 5.5.1 Error: need MAIL command"
        assert await client.ask("MAIL FROM:<>") == "250 2.1.0 Ok"
        assert await client.ask("MAIL FROM:<>") == "503 5.5.1 Error: nested MAIL command"
        assert await client.ask("DATA") == "554 5.5.1 Error: no valid recipients"
        assert await client.ask("RSET") == "250 2.0.0 Ok"
        assert await client.ask("MAIL FROM:<> SIZE=1") == "250 2.1.0 Ok"
        assert await client.ask("NOOP") == "250 2.0.0 Ok"
        assert await client.ask("VRFY me") == "252 2.0.0 me"
        assert await client.ask("LHLO c") == "502 5.5.2 Error: command not recognized"

    server = ScriptedServer()
    converse(server, talk)
    assert server.sessions[0].ended == "client"


def test_lmtp_answers_for_each_recipient(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        assert await client.hear() == "220 mx.example.test LMTP"
        assert await client.ask("EHLO c") == "502 5.5.2 Error: command not recognized"
        assert (await client.ask("LHLO c")).startswith("250-")
        client.say("MAIL FROM:<>", "RCPT TO:<a@b>", "RCPT TO:<no@b>", "RCPT TO:<c@b>", "DATA")
        replies = [await client.hear() for _ in range(5)]
        assert [reply[:3] for reply in replies] == ["250", "250", "550", "250", "354"]
        client.say(".")
        assert [await client.hear(), await client.hear()] == ["250 2.0.0 Ok: queued as T1.1", "450 4.2.2 full"]

    path = tmp_path / "lmtp"
    server = ScriptedServer(
        Rule(match="^RCPT TO:<no@", reply="550 5.1.1 no"),
        Rule(on="dot", replies=(None, "450 4.2.2 full")),
        lmtp=True,
        path=path,
    )
    converse(server, talk)
    assert server.messages[0].recipients == ("a@b", "c@b")
    assert server.messages[0].content == b""
    assert not path.exists()


def test_an_lmtp_server_may_keep_replies_back() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b", "c@b", hello="LHLO c")
        client.say(".")
        assert await client.hear() == "250 first"
        assert await client.hear() == ""

    converse(ScriptedServer(Rule(on="dot", replies=("250 first",), short=True, then="close"), lmtp=True), talk)


def test_replies_to_what_came_together_go_together() -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        client.say("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")
        octets = await client.reader.read(65536)
        assert octets.count(b"\r\n") == 3

    server = ScriptedServer()
    converse(server, talk)
    assert server.sessions[0].reads[-1] == b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


def test_the_envelope_of_the_next_message_may_ride_with_the_content() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.say("one", ".", "MAIL FROM:<>", "RCPT TO:<c@d>", "DATA")
        assert [(await client.hear())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        client.say("two", ".", "QUIT")
        assert [(await client.hear())[:3] for _ in range(2)] == ["250", "221"]

    server = ScriptedServer()
    converse(server, talk)
    assert [message.content for message in server.messages] == [b"one\r\n", b"two\r\n"]


def test_chunks_make_a_content_as_it_is() -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        client.say("MAIL FROM:<a@b>", "RCPT TO:<c@d>")
        client.writer.write(b"BDAT 6\r\n.x\r\n.\nBDAT 2 LAST\r\n\r\n")
        assert [await client.hear() for _ in range(4)] == [
            "250 2.1.0 Ok",
            "250 2.1.5 Ok",
            "250 2.0.0 6 octets",
            "250 2.0.0 Ok: queued as T1.1",
        ]
        assert await client.ask("BDAT 0 LAST") == "554 5.5.1 Error: no valid recipients"
        assert await client.ask("BDAT x") == "501 5.5.4 Syntax: BDAT count [LAST]"
        assert await client.hear() == ""

    server = ScriptedServer(keywords=("CHUNKING",))
    converse(server, talk)
    (message,) = server.messages
    assert (message.content, message.chunked) == (b".x\r\n.\n\r\n", True)


def test_chunks_are_unknown_where_they_were_not_announced() -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        assert (await client.ask("BDAT 0 LAST")).startswith("502")

    converse(ScriptedServer(), talk)


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        (Rule(match="^MAIL", reply="450 4.3.0 later"), ["450 4.3.0 later", "250 2.0.0 Ok"]),
        (Rule(match="^MAIL", reply=("250-one", "250 two")), ["250-one|250 two", "250 2.0.0 Ok"]),
        (Rule(match="^MAIL", raw=b"250 Ok\n"), ["250 Ok\n", "250 2.0.0 Ok"]),
        (Rule(match="^MAIL", reply="421 4.3.2 bye", then="close"), ["421 4.3.2 bye", ""]),
        (Rule(match="^MAIL", then="close"), ["", ""]),
        (Rule(match="^MAIL", raw=b"25", then="close"), ["25", ""]),
        (Rule(match="^MAIL", nth=2, reply="450 no"), ["250 2.1.0 Ok", "250 2.0.0 Ok"]),
    ],
)
def test_rules_on_commands(rule: Rule, heard: list[str]) -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        client.say("MAIL FROM:<>", "NOOP")
        assert [await client.hear(), await client.hear()] == heard

    converse(ScriptedServer(rule), talk)


def test_a_refused_sender_opens_no_transaction() -> None:
    async def talk(client: Client) -> None:
        await client.begin()
        assert await client.ask("MAIL FROM:<>") == "550 no"
        assert (await client.ask("RCPT TO:<a@b>")).startswith("503")

    converse(ScriptedServer(Rule(match="^MAIL", reply="550 no")), talk)


@pytest.mark.parametrize("then", ["silence", "stall"])
def test_a_server_that_never_answers_is_ended_with_the_program(then: str) -> None:
    server = ScriptedServer(Rule(match="^MAIL", then=then))  # type: ignore[arg-type]

    async def work() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with server:
                client = await dial(server)
                await client.begin()
                client.say("MAIL FROM:<>", "NOOP")
                hearing = asyncio.ensure_future(client.hear())
                while len(server.sessions[0].commands) < 2:
                    await asyncio.sleep(0)
                assert not hearing.done()
            assert await hearing == ""
            client.writer.close()

    asyncio.run(work())
    assert server.sessions[0].ended == "shutdown"


def test_silence_goes_on_reading_until_the_client_leaves() -> None:
    async def talk(client: Client) -> None:
        client.say("EHLO x" * 1000)
        client.writer.write_eof()
        assert await client.hear() == ""

    server = ScriptedServer(Rule(on="greeting", then="silence"))
    converse(server, talk)
    assert (server.sessions[0].ended, server.sessions[0].octets_received) == ("client", 6002)


def test_a_reset_is_a_reset() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.writer.write(b"x" * 600)
        with pytest.raises(ConnectionResetError):
            await client.hear()

    server = ScriptedServer(Rule(on="data", after_octets=500, then="reset"))
    converse(server, talk)
    assert (server.sessions[0].ended, server.messages) == ("server", [])


def test_a_reply_in_the_middle_of_a_content() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.writer.write(b"x" * 500)
        assert await client.hear() == "552 5.3.4 too big"
        client.say("", ".")
        assert await client.hear() == ""

    server = ScriptedServer(Rule(on="data", after_octets=500, reply="552 5.3.4 too big", then="close"))
    converse(server, talk)


def test_a_refused_content_is_remembered_with_its_reply() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.say(".")
        assert await client.hear() == "554 5.6.0 no"

    server = ScriptedServer(Rule(on="dot", reply="554 5.6.0 no"))
    converse(server, talk)
    assert server.messages[0].replies == ("554 5.6.0 no",)


def test_a_content_that_was_never_answered_has_no_replies() -> None:
    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.say("lost?", ".")
        assert await client.hear() == ""

    server = ScriptedServer(Rule(on="dot", then="close"))
    converse(server, talk)
    assert [(message.content, message.replies) for message in server.messages] == [(b"lost?\r\n", ())]


def test_rules_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    async def talk(client: Client) -> None:
        await client.begin()

    server = ScriptedServer(Rule(match="^EHLO", delay_seconds=3600.0))
    monkeypatch.setattr(peers.asyncio, "sleep", wait)
    converse(server, talk)
    assert waited == [3600.0]


def test_each_connection_has_a_session_of_its_own() -> None:
    async def is_turned_away(client: Client) -> None:
        assert await client.hear() == "554 no"

    async def is_welcome(client: Client) -> None:
        await client.begin()

    server = ScriptedServer(Rule(on="greeting", connection=1, reply="554 no", then="close"))
    converse(server, is_turned_away, is_welcome)
    assert [(session.number, session.commands) for session in server.sessions] == [(1, []), (2, ["EHLO client"])]


def test_a_line_without_end_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "COMMAND_LIMIT_OCTETS", 100)

    async def talk(client: Client) -> None:
        await client.hear()
        client.writer.write(b"x" * 200)
        assert await client.hear() == "500 5.5.2 Error: line too long"
        assert await client.hear() == ""

    converse(ScriptedServer(), talk)


def test_a_content_without_end_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "CONTENT_LIMIT_OCTETS", 100)

    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        client.writer.write(b"x" * 200)
        assert await client.hear() == "552 5.3.4 Error: message too big"
        assert await client.hear() == ""

    server = ScriptedServer()
    converse(server, talk)
    assert server.messages == []


def test_closing_twice_does_no_harm() -> None:
    async def work() -> None:
        server = ScriptedServer()
        async with server:
            await server.close()

    asyncio.run(work())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([b".", b"..", b"", b"text", b".\r", b"\r", b"a." * 3])), st.data())
def test_any_content_arrives_however_it_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\nQUIT\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stuffed)), max_size=4)))

    async def talk(client: Client) -> None:
        await client.begin_content("a@b")
        for begin, end in zip([0, *cuts], [*cuts, len(stuffed)], strict=True):
            client.writer.write(stuffed[begin:end])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.hear()).startswith("250")
        assert (await client.hear()).startswith("221")

    server = ScriptedServer()
    converse(server, talk)
    assert [message.content for message in server.messages] == [content]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"DATA\r\n", b"BDAT 9\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<>\r\n"])))
def test_no_nonsense_disturbs_the_server(pieces: list[bytes]) -> None:
    async def talk(client: Client) -> None:
        client.writer.write(b"".join(pieces))
        client.writer.write_eof()
        while await client.reader.read(65536):
            pass

    server = ScriptedServer(keywords=("CHUNKING",))
    converse(server, talk)
    assert server.sessions[0].ended in ("client", "server")
