"""A server that takes everything as fast as it can and counts: the other end of a benchmark.

It looks at no more of what it gets than it must to stay in step: the first letter of each command, the end of each content.
What it cannot follow it answers with 250.  Do not use it to see whether a client is correct; that is what `peers` is for.
With a `tls` context it offers STARTTLS; what the client sent behind that command is thrown away, as RFC 3207 §4.2 wants.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

SINK_KEYWORDS: Final = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8")
"""What a sink announces, without CHUNKING."""

BACKLOG: Final = 2048
"""Connections that may wait to be accepted.  One that is dropped here would wait for its greeting for a long time."""

LINE_LIMIT_OCTETS: Final = 64 * 1024
"""A command line longer than this ends the connection."""

_END: Final = b"\r\n.\r\n"
_OK: Final = b"250 2.0.0 Ok\r\n"
_GO_AHEAD: Final = b"354 Go ahead\r\n"
_START_TLS: Final = b"220 2.0.0 Ready to start TLS\r\n"
_BYE: Final = b"221 2.0.0 Bye\r\n"


class CountingSink:
    """A sink on TCP at `host` and `port` (0: any free one) or on a UNIX-domain socket; an asynchronous context manager.

    Counts, all from the start: `connections`, `messages` (contents that came to their end), `recipients` (of those),
    `octets` (all that came, within TLS where it was started), and of TLS `handshakes` and how many of them `resumed` a session.
    """

    def __init__(
        self,
        *,
        lmtp: bool = False,
        keywords: tuple[str, ...] = SINK_KEYWORDS,
        host: str = "127.0.0.1",
        port: int = 0,
        path: Path | str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.lmtp = lmtp
        self.tls = tls
        self.address = str(path) if path is not None else host
        self.port = port
        self.path = path
        self.connections = 0
        self.messages = 0
        self.recipients = 0
        self.octets = 0
        self.handshakes = 0
        self.resumed = 0
        self.open_transports: set[asyncio.Transport] = set()
        self.starting: set[asyncio.Task[None]] = set()
        self.hello = _hello(*keywords)
        self.clear_hello = _hello(*keywords, "STARTTLS") if tls else self.hello
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self.path is not None:
            self._server = await loop.create_unix_server(lambda: _SinkProtocol(self), str(self.path))
        else:
            self._server = await loop.create_server(lambda: _SinkProtocol(self), self.address, self.port, backlog=BACKLOG)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self.starting):
            task.cancel()
        await asyncio.gather(*self.starting, return_exceptions=True)
        for transport in list(self.open_transports):
            transport.abort()
        while self.open_transports:
            await asyncio.sleep(0)
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)


def _hello(*keywords: str) -> bytes:
    lines = ("sink.example.test", *keywords)
    return "".join(f"250-{line}\r\n" for line in lines[:-1]).encode() + f"250 {lines[-1]}\r\n".encode()


class _SinkProtocol(asyncio.Protocol):
    """One connection of a sink."""

    __slots__ = ("_chunk_octets", "_hello", "_is_last_chunk", "_reading", "_recipients", "_rest", "_sink", "_transport")

    def __init__(self, sink: CountingSink) -> None:
        self._sink = sink
        self._hello = sink.clear_hello
        self._rest = b""  # of a line, or of what may be the end of a content
        self._reading = False  # a content, up to its dot
        self._recipients = 0
        self._chunk_octets = 0
        self._is_last_chunk = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        # uvloop's transports have all that it takes, and are no instances.
        self._transport = cast(asyncio.Transport, transport)
        self._sink.connections += 1
        self._sink.open_transports.add(self._transport)
        self._transport.write(b"220 sink.example.test " + (b"LMTP\r\n" if self._sink.lmtp else b"ESMTP\r\n"))

    def connection_lost(self, trouble: Exception | None) -> None:
        """Forget the connection."""
        self._sink.open_transports.discard(self._transport)

    def pause_writing(self) -> None:
        """The client does not take its replies: take no more from it."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client takes its replies again."""
        self._transport.resume_reading()

    def data_received(self, octets: bytes) -> None:
        """Take in what came and answer all of it at once."""
        self._sink.octets += len(octets)
        octets = self._rest + octets if self._rest else octets
        self._rest = b""
        replies: list[bytes] = []
        position = 0
        while position < len(octets):
            if self._reading:
                position = self._take_content(octets, position, replies)
            elif self._chunk_octets:
                position = self._take_chunk(octets, position, replies)
            else:
                position = self._take_commands(octets, position, replies)
        if replies:
            self._transport.write(b"".join(replies))
        if self._rest and len(self._rest) > LINE_LIMIT_OCTETS:
            self._transport.abort()

    def _take_content(self, octets: bytes, position: int, replies: list[bytes]) -> int:
        end = octets.find(_END, position)
        if end < 0:
            # The end may have come in half, so keep its length less one; the line end before it is part of it.
            self._rest = octets[max(position, len(octets) - len(_END) + 1) :]
            return len(octets)
        self._reading = False
        self._end_content(replies)
        return end + len(_END)

    def _take_chunk(self, octets: bytes, position: int, replies: list[bytes]) -> int:
        taken = min(self._chunk_octets, len(octets) - position)
        self._chunk_octets -= taken
        if not self._chunk_octets:
            self._end_chunk(replies)
        return position + taken

    def _take_commands(self, octets: bytes, position: int, replies: list[bytes]) -> int:
        while (end := octets.find(b"\n", position)) >= 0:
            verb = octets[position : position + 1].upper()
            if verb == b"R" and octets[position : position + 2].upper() == b"RC":
                self._recipients += 1
                replies.append(_OK)
            elif verb == b"D":
                replies.append(_GO_AHEAD)
                self._reading = True
                # A content that is empty has its dot at once: begin with the line end of the command.
                return end - 1
            elif verb in (b"E", b"L"):
                replies.append(self._hello)
            elif verb == b"B":
                self._begin_chunk(octets[position:end], replies)
                return end + 1
            elif verb == b"S" and self._hello is not self._sink.hello:
                self._transport.write(b"".join([*replies, _START_TLS]))
                replies.clear()
                self._begin_tls()
                return len(octets)
            elif verb == b"Q":
                replies.append(_BYE)
                self._transport.write(b"".join(replies))
                replies.clear()
                self._transport.close()
                return len(octets)
            else:
                self._recipients = 0
                replies.append(_OK)
            position = end + 1
        self._rest = octets[position:]
        return len(octets)

    def _begin_tls(self) -> None:
        # Nothing may be read before TLS has taken over: it would go to this protocol.
        self._transport.pause_reading()
        self._hello = self._sink.hello
        task = asyncio.get_running_loop().create_task(self._start_tls())
        self._sink.starting.add(task)
        task.add_done_callback(self._sink.starting.discard)

    async def _start_tls(self) -> None:
        sink, clear = self._sink, self._transport
        assert sink.tls is not None
        try:
            secured = await asyncio.get_running_loop().start_tls(clear, self, sink.tls, server_side=True)
        except OSError:  # ssl.SSLError is one; the client does not like us, or has gone
            secured = None
        if secured is None:
            clear.abort()
            sink.open_transports.discard(clear)
            return
        self._transport = secured
        sink.open_transports.discard(clear)
        sink.open_transports.add(self._transport)
        sink.handshakes += 1
        sink.resumed += bool(self._transport.get_extra_info("ssl_object").session_reused)

    def _begin_chunk(self, line: bytes, replies: list[bytes]) -> None:
        words = line.split()
        self._chunk_octets = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        self._is_last_chunk = len(words) > 2
        if not self._chunk_octets:
            self._end_chunk(replies)

    def _end_chunk(self, replies: list[bytes]) -> None:
        if self._is_last_chunk:
            self._end_content(replies)
        else:
            replies.append(_OK)

    def _end_content(self, replies: list[bytes]) -> None:
        self._sink.messages += 1
        self._sink.recipients += self._recipients
        replies.append(_OK * self._recipients if self._sink.lmtp else _OK)
        self._recipients = 0
