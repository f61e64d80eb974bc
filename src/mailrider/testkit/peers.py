"""A receiving server to try a client against: friendly unless a rule says otherwise, and with a good memory.

`ScriptedServer` speaks SMTP or LMTP on a loopback address or a UNIX-domain socket, inside the running event loop.  It
promises to answer strictly in order, to send the replies to what came together together, and to close in such a way that
its last words arrive.  Tests, `mailrider demo` and the benchmarks use it.

It is no mail server: nothing is kept beyond the memory of the process, no address is checked, there is no AUTH.
`Rule.delay_seconds` is real time.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from mailrider.testkit.record import ReceivedMessage, Session
from mailrider.testkit.rules import Rule, RuleBook

if TYPE_CHECKING:
    import ssl

DEFAULT_KEYWORDS: Final = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
"""What a friendly server announces; `SMTPUTF8` and `CHUNKING` only where asked for."""

COMMAND_LIMIT_OCTETS: Final = 64 * 1024
"""A command line longer than this ends the conversation: RFC 5321 §4.5.3.1.4 allows 512."""

CONTENT_LIMIT_OCTETS: Final = 256 * 1024 * 1024
"""A content longer than this ends the conversation: it is kept in memory."""

READS_LIMIT_OCTETS: Final = 1024 * 1024
"""How much of what came is kept as it came in `Session.reads`."""

READ_OCTETS: Final = 64 * 1024
"""Asked for at a time."""

FAREWELL_SECONDS: Final = 2.0
"""How long a server that closes goes on reading: a reset for unread octets would destroy its last words."""

_PATH = re.compile(r"(?:FROM|TO):\s*<([^>]*)>\s*(.*)", re.IGNORECASE | re.DOTALL)
_BDAT = re.compile(r"BDAT (\d{1,10})( LAST)?", re.IGNORECASE)


class ScriptedServer:
    """One listening endpoint; use it as an asynchronous context manager.

    A UNIX-domain socket at `path`, else TCP at `host` and `port` (0: any free one; see `port` afterwards).  `keywords` follow
    the first line of the EHLO or LHLO reply, without their code.  With `keep_content` off only sizes are remembered.
    With `tls` it offers STARTTLS, or begins with TLS where it is a `wrapper`.
    """

    def __init__(
        self,
        *rules: Rule,
        lmtp: bool = False,
        name: str = "mx.example.test",
        keywords: tuple[str, ...] = DEFAULT_KEYWORDS,
        host: str = "127.0.0.1",
        port: int = 0,
        path: Path | str | None = None,
        keep_content: bool = True,
        tls: ssl.SSLContext | None = None,
        wrapper: bool = False,
    ) -> None:
        self.lmtp = lmtp
        self.name = name
        self.keywords = keywords
        self.address = str(path) if path is not None else host
        self.port = port
        self.path = path
        self.keep_content = keep_content
        self.tls = tls
        self.wrapper = wrapper
        self.book = RuleBook(rules)
        self.sessions: list[Session] = []
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def messages(self) -> list[ReceivedMessage]:
        """All messages of all sessions, by session."""
        return [message for session in self.sessions for message in session.messages]

    async def __aenter__(self) -> Self:
        if self.path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self.path)
        else:
            self._server = await asyncio.start_server(self._accept, self.address, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop listening and break off what is still going on.  May be called more than once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for conversation in self._conversations:
            conversation.cancel()
        await self.wait_until_alone()
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)

    async def wait_until_alone(self) -> None:
        """Return once no connection is open any more."""
        while self._conversations:
            await asyncio.wait(self._conversations)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(len(self.sessions) + 1)
        self.sessions.append(session)
        conversation = asyncio.get_running_loop().create_task(_Conversation(self, session, reader, writer).run())
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)


class _Over(Exception):
    """The conversation is over; the text says by whom it was ended."""


class _Conversation:
    """One connection as the server sees it."""

    def __init__(
        self, server: ScriptedServer, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._session = session
        self._reader = reader
        self._writer = writer
        self._rules = server.book.open_page(session.number)
        self._waiting = bytearray()  # came, not looked at yet
        self._unsent: list[bytes] = []
        self._sender: tuple[str, str] | None = None
        self._recipients: list[str] = []
        self._chunks = bytearray()
        self._said: list[str] = []  # the lines of the last reply

    async def run(self) -> None:
        """Hold the conversation to its end; the session says how it ended."""
        try:
            if self._server.wrapper:
                await self._begin_tls()
            greeting = f"220 {self._server.name} {'LMTP' if self._server.lmtp else 'ESMTP'}"
            await self._follow(self._rules.find("greeting"), [greeting])
            while True:
                await self._take_command()
        except _Over as over:
            self._session.ended = str(over)
        except (ConnectionError, OSError):  # that of TLS is among them
            self._session.ended = "reset"
        except asyncio.CancelledError:
            self._session.ended = "shutdown"
        finally:
            if self._session.ended == "shutdown":
                self._writer.transport.abort()
            self._writer.close()

    # Reading and writing

    async def _read_more(self) -> None:
        """Wait for more octets, having said everything there is to say."""
        await self._send()
        octets = await self._reader.read(READ_OCTETS)
        if not octets:
            raise _Over("client")
        session = self._session
        if session.octets_received < READS_LIMIT_OCTETS:
            session.reads.append(octets)
        session.octets_received += len(octets)
        self._waiting += octets

    async def _send(self) -> None:
        if self._unsent:
            self._writer.write(b"".join(self._unsent))
            self._unsent.clear()
            await self._writer.drain()

    async def _read_line(self) -> str:
        while (end := self._waiting.find(b"\n")) < 0:
            if len(self._waiting) > COMMAND_LIMIT_OCTETS:
                self._say("500 5.5.2 Error: line too long")
                await self._close()
            await self._read_more()
        line = self._waiting[:end].removesuffix(b"\r")
        del self._waiting[: end + 1]
        return line.decode("utf-8", "surrogateescape")

    def _say(self, *lines: str) -> None:
        self._unsent += [line.encode("utf-8", "surrogateescape") + b"\r\n" for line in lines]

    async def _close(self) -> None:
        """Close so that what was said last arrives."""
        await self._send()
        if self._writer.can_write_eof():
            self._writer.write_eof()
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                while await self._reader.read(READ_OCTETS):
                    pass
        except (TimeoutError, OSError):
            pass
        raise _Over("server")

    # Rules

    async def _follow(self, rule: Rule | None, usual: list[str]) -> str:
        """Do what the rule says, or what is usual; the last line that was said, or nothing."""
        self._said = []
        if rule is None:
            self._said = usual
            self._say(*usual)
            return usual[-1]
        if rule.delay_seconds:
            await self._send()
            await asyncio.sleep(rule.delay_seconds)
        if rule.raw is not None:
            self._unsent.append(rule.raw)
            self._said = rule.raw.decode("latin-1").splitlines()
        else:
            self._said = _choose_words(rule, usual)
            self._say(*self._said)
        if rule.then != "go on":
            await self._end_badly(rule)
        return self._said[-1] if self._said else ""

    async def _end_badly(self, rule: Rule) -> None:
        await self._send()
        if rule.then == "close":
            await self._close()
        if rule.then == "reset":
            self._reset()
            raise _Over("server")
        if rule.then == "stall":
            await asyncio.Event().wait()
        while True:
            await self._read_more()
            self._waiting.clear()

    def _reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            # To linger for no time at all is what makes close() send a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    # The protocol

    async def _take_command(self) -> None:
        line = await self._read_line()
        self._session.commands.append(line)
        verb = line.partition(" ")[0].upper()
        if verb == "BDAT" and "CHUNKING" in self._server.keywords:
            await self._take_chunk(line)
            return
        said = await self._follow(self._rules.find("command", line), self._usual_reply(verb, line))
        accepted = said.startswith("2")
        if verb in ("EHLO", "HELO", "LHLO", "RSET"):
            self._forget_transaction()
        elif verb == "MAIL" and accepted:
            self._forget_transaction()
            self._sender = _path_and_rest(line)
        elif verb == "RCPT" and accepted:
            self._recipients.append(_path_and_rest(line)[0])
        elif verb == "DATA" and said.startswith("3"):
            await self._take_content()
        elif verb == "STARTTLS" and accepted and self._server.tls is not None:
            await self._begin_tls()
        elif verb == "QUIT" and accepted:
            await self._close()

    async def _begin_tls(self) -> None:
        """Take the server's part in a handshake, and forget all that was said before (RFC 3207 §4.2)."""
        assert self._server.tls is not None
        await self._send()
        await self._writer.start_tls(self._server.tls)
        self._waiting.clear()
        self._forget_transaction()
        session, connection = self._session, self._writer.get_extra_info("ssl_object")
        session.encrypted_from = len(session.commands)
        session.tls_version, session.tls_resumed = connection.version(), connection.session_reused
        session.client_certificate = connection.getpeercert(binary_form=True) or b""

    def _usual_reply(self, verb: str, line: str) -> list[str]:
        """What a friendly server says; by default it knows the order of things (RFC 5321 §4.1.4)."""
        if verb == ("LHLO" if self._server.lmtp else "EHLO"):
            offers_tls = self._server.tls is not None and self._session.encrypted_from is None
            lines = (self._server.name, *self._server.keywords, *(("STARTTLS",) if offers_tls else ()))
            return [f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]
        if verb == "HELO" and not self._server.lmtp:
            return [f"250 {self._server.name}"]
        if verb == "MAIL":
            return ["250 2.1.0 Ok" if self._sender is None else "503 5.5.1 Error: nested MAIL command"]
        if verb == "RCPT":
            return ["250 2.1.5 Ok" if self._sender is not None else "503 5.5.1 Error: need MAIL command"]
        if verb == "DATA":
            ready = "354 End data with <CR><LF>.<CR><LF>"
            return [ready if self._recipients else "554 5.5.1 Error: no valid recipients"]
        if verb == "QUIT":
            return ["221 2.0.0 Bye"]
        if verb == "STARTTLS" and self._server.tls is not None and self._session.encrypted_from is None:
            return ["220 2.0.0 Ready to start TLS"]
        if verb in ("RSET", "NOOP"):
            return ["250 2.0.0 Ok"]
        if verb == "VRFY":
            return ["252 2.0.0 " + line[5:]]
        return ["502 5.5.2 Error: command not recognized"]

    async def _take_content(self) -> None:
        """Read up to the dot (RFC 5321 §4.5.2), following the rules for a content half way."""
        raw = bytearray(b"\r\n")  # so that a dot at the very beginning is at the beginning of a line too
        looked_at = 0
        self._rules.begin_content()
        while True:
            raw += self._waiting
            self._waiting.clear()
            rule = self._rules.find_in_content(len(raw) - 2)
            if rule is not None:
                await self._follow(rule, [])
            end = raw.find(b"\r\n.\r\n", max(0, looked_at - 4))
            if end >= 0:
                break
            looked_at = len(raw)
            if looked_at > CONTENT_LIMIT_OCTETS:
                self._say("552 5.3.4 Error: message too big")
                await self._close()
            await self._read_more()
        self._waiting += raw[end + 5 :]
        del raw[end + 2 :]
        await self._end_content(bytes(raw).replace(b"\r\n.", b"\r\n")[2:], chunked=False)

    async def _take_chunk(self, line: str) -> None:
        """Take a BDAT chunk (RFC 3030 §2)."""
        size = _BDAT.fullmatch(line)
        if size is None or int(size[1]) + len(self._chunks) > CONTENT_LIMIT_OCTETS:
            self._say("501 5.5.4 Syntax: BDAT count [LAST]")
            await self._close()
            return
        while len(self._waiting) < int(size[1]):
            await self._read_more()
        chunk = self._waiting[: int(size[1])]
        del self._waiting[: int(size[1])]
        if not self._recipients:
            await self._follow(self._rules.find("command", line), ["554 5.5.1 Error: no valid recipients"])
            return
        self._chunks += chunk
        if size[2] is None:
            await self._follow(self._rules.find("command", line), [f"250 2.0.0 {len(chunk)} octets"])
            return
        await self._end_content(bytes(self._chunks), chunked=True)

    async def _end_content(self, content: bytes, *, chunked: bool) -> None:
        (sender, parameters), recipients = self._sender or ("", ""), tuple(self._recipients)
        queued = f"250 2.0.0 Ok: queued as T{self._session.number}.{len(self._session.messages) + 1}"
        usual = [queued] * (len(recipients) if self._server.lmtp else 1)
        self._forget_transaction()
        try:
            await self._follow(self._rules.find("dot", " ".join(recipients)), usual)
        finally:
            kept = content if self._server.keep_content else b""
            self._session.messages.append(
                ReceivedMessage(sender, parameters, recipients, kept, len(content), tuple(self._said), chunked)
            )

    def _forget_transaction(self) -> None:
        self._sender = None
        self._recipients = []
        self._chunks.clear()


def _path_and_rest(line: str) -> tuple[str, str]:
    """The address of a MAIL or RCPT line, and the parameters after it."""
    match = _PATH.search(line)
    return (match[1], match[2]) if match else ("", "")


def _choose_words(rule: Rule, usual: list[str]) -> list[str]:
    """The lines to say under a rule that has no raw octets."""
    if rule.replies:
        given = [line if line is not None else default for line, default in zip(rule.replies, usual, strict=False)]
        return given if rule.short else given + usual[len(given) :]
    if rule.reply is not None:
        return [rule.reply] if isinstance(rule.reply, str) else list(rule.reply)
    return usual if rule.then == "go on" else []
