from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.testkit.authority import make_root
from mailrider.testkit.sink import CountingSink

PATIENCE_SECONDS = 90.0  # no test comes near it; it ends one that hangs

ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nrcpt to:<e@f>\r\n"
QUIT = b"QUIT\r\n"


def say(sink: CountingSink, *pieces: bytes, loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> bytes:
    """Say the pieces to the sink, which must end the connection; all that it answered."""

    async def work() -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS), sink:
            if sink.path is not None:
                reader, writer = await asyncio.open_unix_connection(sink.path)
            else:
                reader, writer = await asyncio.open_connection(sink.address, sink.port)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            heard = await reader.read()
            writer.close()
            return heard

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work())


def codes(heard: bytes) -> list[str]:
    return [line[:4].decode() for line in heard.splitlines()]


def test_a_sink_counts_what_it_takes() -> None:
    sink = CountingSink(keywords=("SIZE", "DSN"))
    said = b"EHLO c\r\n" + ENVELOPE + b"DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n" + b"RSET\r\n" + QUIT
    heard = say(sink, said)
    assert codes(heard) == ["220 ", "250-", "250-", "250 ", "250 ", "250 ", "250 ", "354 ", "250 ", "250 ", "221 "]
    assert (sink.connections, sink.messages, sink.recipients, sink.octets) == (1, 1, 2, len(said))


def test_a_sink_runs_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop", reason="the package uvloop is not installed")
    sink = CountingSink()
    say(sink, ENVELOPE + b"DATA\r\ntext\r\n.\r\n" + QUIT, loop=uvloop.new_event_loop)
    assert (sink.messages, sink.recipients) == (1, 2)


def test_an_lmtp_sink_answers_for_each_recipient(tmp_path: Path) -> None:
    sink = CountingSink(lmtp=True, path=tmp_path / "sink")
    heard = say(sink, b"LHLO c\r\n", ENVELOPE, b"DATA\r\n.\r\n", QUIT)
    assert heard.startswith(b"220 sink.example.test LMTP\r\n")
    assert codes(heard)[-7:] == ["250 ", "250 ", "250 ", "354 ", "250 ", "250 ", "221 "]
    assert not (tmp_path / "sink").exists()


def test_chunks_are_counted_as_one_message() -> None:
    sink = CountingSink(keywords=("CHUNKING",))
    heard = say(sink, ENVELOPE + b"BDAT 5\r\n\r\n.\r\nBDAT 0\r\nBDAT 3 LAST\r\nabcBDAT 0 LAST\r\n" + QUIT)
    assert codes(heard) == ["220 "] + ["250 "] * 7 + ["221 "]
    assert (sink.messages, sink.recipients) == (2, 2)


def test_a_client_that_stays_is_left_behind() -> None:
    async def work() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with CountingSink() as sink:
                reader, writer = await asyncio.open_connection(sink.address, sink.port)
                await reader.readline()
            assert await reader.read() == b""
            assert not sink.open_transports
            writer.close()

    asyncio.run(work())


def test_a_line_without_end_ends_the_connection() -> None:
    assert say(CountingSink(), b"x" * 70_000).startswith(b"220 ")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from([b"..", b"", b"text", b"DATA", b"\r", b"x."])), max_size=3), st.data())
def test_no_cut_makes_a_sink_lose_count(contents: list[list[bytes]], data: st.DataObject) -> None:
    said = b"".join(ENVELOPE + b"DATA\r\n" + b"".join(line + b"\r\n" for line in lines) + b".\r\n" for lines in contents)
    said += QUIT
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    sink = CountingSink()
    heard = say(sink, *[said[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(said)], strict=True)])
    assert codes(heard) == ["220 ", *["250 ", "250 ", "250 ", "354 ", "250 "] * len(contents), "221 "]
    assert (sink.messages, sink.recipients) == (len(contents), 2 * len(contents))


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_a_sink_speaks_tls_and_counts_sessions_that_were_resumed(tmp_path: Path, loop_name: str) -> None:
    loop = None
    if loop_name == "uvloop":
        loop = pytest.importorskip("uvloop", reason="the package uvloop is not installed").new_event_loop
    root = make_root()
    context = root.issue("sink", ["sink.example.test"]).server_context(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which gives its session to the client within the handshake
    sink = CountingSink(tls=context)
    client = ssl.create_default_context(cadata=root.pem.decode())

    def send(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bytes]:
        with socket.create_connection((sink.address, sink.port), timeout=PATIENCE_SECONDS) as raw:
            file = raw.makefile("rb")
            raw.sendall(b"EHLO c\r\n")
            heard = b"".join(iter(file.readline, b"250 STARTTLS\r\n"))
            raw.sendall(b"STARTTLS\r\n")
            assert heard.startswith(b"220 ")
            assert file.readline().startswith(b"220 ")
            with client.wrap_socket(raw, server_hostname="sink.example.test", session=session) as secured:
                secured.sendall(b"EHLO c\r\n" + ENVELOPE + b"DATA\r\ntext\r\n.\r\n" + QUIT)
                return secured.session, secured.makefile("rb").read()

    async def work() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), sink:
            session, heard = await asyncio.to_thread(send, None)
            assert b"STARTTLS" not in heard
            assert heard.endswith(b"354 Go ahead\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n")
            await asyncio.to_thread(send, session)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())
    assert (sink.connections, sink.messages, sink.handshakes, sink.resumed) == (2, 2, 2, 1)
