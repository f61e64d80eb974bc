"""A door: one connection of a client, as asyncio sees it, with its conversation.

It reads no more while the conversation is busy and enough has come in, while the disk is behind, and while the client does not
read its replies.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from mailrider.errors import MailriderError
from mailrider.intake.conversation import Conversation
from mailrider.intake.dates import date_now
from mailrider.intake.history import History
from mailrider.intake.keeping import Keeping
from mailrider.intake.names import PeerNames
from mailrider.intake.passwords import Passwords
from mailrider.intake.terms import Client, Mail, Terms, TlsFacts, Verdict
from mailrider.model.request import Transport
from mailrider.spool.spool import Spool

BUSY_INPUT_OCTETS = 64 * 1024
"""How much may come in while the conversation is busy, before the socket is read no more."""

LINGER_SECONDS = 10.0
"""How long a client that was told to go may take to read its last reply."""

LOCAL_ADDRESS = "127.0.0.1"
"""What a client on a unix socket is called, as smtpd(8) does."""


class Facilities(NamedTuple):
    """What a door needs of the house.  `classify` gets the name, the address and the port of a client.

    `open_history` is there where the postmaster may want to hear of clients (`notify_classes`).
    """

    terms: Terms
    classify: Callable[[str, str, str], Client]
    names: PeerNames
    passwords: Passwords | None
    tls: ssl.SSLContext | None
    spool: Spool
    tell: Callable[[str], None]
    open_history: Callable[[str], History] | None = None


class Register:
    """The doors that are open, and how many of them each address has."""

    def __init__(self) -> None:
        self.doors: set[SmtpDoor] = set()
        self._addresses: dict[str, int] = {}

    def enter(self, door: SmtpDoor, address: str) -> int:
        """How many connections this address has now."""
        self.doors.add(door)
        count = self._addresses[address] = self._addresses.get(address, 0) + 1
        return count

    def leave(self, door: SmtpDoor, address: str) -> None:
        """It is gone."""
        if door not in self.doors:
            return
        self.doors.discard(door)
        left = self._addresses[address] - 1
        if left:
            self._addresses[address] = left
        else:
            del self._addresses[address]


class SmtpDoor(asyncio.Protocol):
    """`refuses` says why a client is not let in: given its address and how many connections it has, a reply or nothing."""

    def __init__(
        self, facilities: Facilities, register: Register, transport: Transport, refuses: Callable[[str, int], str]
    ) -> None:
        self._facilities = facilities
        self._register = register
        self._kind = transport
        self._refuses = refuses
        self._wire: asyncio.Transport | None = None
        self._conversation: Conversation | None = None
        self._keeping: Keeping | None = None
        self._address = LOCAL_ADDRESS
        self._port = ""
        self._shown = ""
        self._reasons: set[str] = set()
        self._heard_seconds = 0.0
        self._closing_seconds = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_lost = False
        self._early = b""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._wire = cast(asyncio.Transport, transport)
        self._wire.set_write_buffer_limits(high=BUSY_INPUT_OCTETS)
        self._heard_seconds = time.monotonic()
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and len(peer) >= 2:
            self._address = str(peer[0]).partition("%")[0].removeprefix("::ffff:")
            self._port = str(peer[1])
        refusal = self._refuses(self._address, self._register.enter(self, self._address))
        if refusal:
            self._facilities.tell(f"warning: {refusal}")
            self.send(f"{refusal}\r\n".encode())
            self.close()
            return
        name = "localhost" if not self._port else self._facilities.names.recall(self._address)
        if name is None:
            self._hold("name", True)
            self._start(self._ask_name())
        else:
            self._begin(name)

    def data_received(self, data: bytes) -> None:
        """Octets of the client."""
        self._heard_seconds = time.monotonic()
        conversation = self._conversation
        if conversation is None:
            self._early += data  # one read may have been under way when it was stopped
            return
        conversation.feed(data)
        self._look_at_input()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._hold("replies", True)

    def resume_writing(self) -> None:
        """It reads again."""
        self._hold("replies", False)

    def eof_received(self) -> bool:
        """Half a connection is none."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        if self._is_lost:
            return
        self._is_lost = True
        self._register.leave(self, self._address)
        for task in self._tasks:
            task.cancel()
        conversation = self._conversation
        if conversation is None:
            return
        if not self._closing_seconds:
            conversation.lose()
        if conversation.history is not None:
            conversation.history.end()
        self._facilities.tell(f"disconnect from {self._shown}{conversation.tally.tell()}")

    # The beginning

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_name(self) -> None:
        name = await self._facilities.names.find(self._address)
        if not self._is_lost and not self._closing_seconds:
            self._hold("name", False)
            self._begin(name)

    def _begin(self, name: str) -> None:
        facilities = self._facilities
        try:
            client = facilities.classify(name, self._address, self._port)
        except MailriderError as trouble:
            facilities.tell(f"warning: {name}[{self._address}]: {trouble}")
            self.send(f"421 4.3.0 {facilities.terms.host_name} Server local data error\r\n".encode())
            self.close()
            return
        self._shown = client.shown
        facilities.tell(f"connect from {client.shown}")
        self._conversation = Conversation(facilities.terms, client, self, self._kind)
        if facilities.open_history is not None:
            self._conversation.history = facilities.open_history(client.shown)
        self._conversation.greet()
        if self._early:
            early, self._early = self._early, b""
            self._conversation.feed(early)
            self._look_at_input()

    # What the listener asks

    def look_at_time(self, now_seconds: float) -> None:
        """Called every second: who is silent for too long is told to go, who does not go is put out."""
        if self._closing_seconds:
            if now_seconds > self._closing_seconds + LINGER_SECONDS and self._wire is not None:
                self._wire.abort()
        elif (
            self._conversation is not None
            and not self._conversation.is_busy
            and "disk" not in self._reasons
            and now_seconds > self._heard_seconds + self._facilities.terms.timeout_seconds
        ):
            self._conversation.time_out()

    def shut(self) -> None:
        """The node stops: a message that has come to its end is kept first, all others are the client's again."""
        if self._conversation is not None:
            self._conversation.end(f"421 4.3.2 {self._facilities.terms.host_name} Service shutting down")
        else:
            self.close()

    def abort(self) -> None:
        """At once."""
        if self._wire is not None:
            self._wire.abort()

    # terms.Door

    def send(self, octets: bytes) -> None:
        """See `terms.Door`."""
        if self._wire is not None and not self._is_lost:
            self._wire.write(octets)

    def new_queue_id(self) -> str:
        """See `terms.Door`."""
        return self._facilities.spool.new_queue_id()

    def date(self) -> str:
        """See `terms.Door`."""
        return date_now()

    def begin(self, mail: Mail) -> None:
        """See `terms.Door`."""
        facilities = self._facilities
        self._keeping = Keeping(facilities.spool, mail, lambda on: self._hold("disk", on), facilities.tell)

    def add(self, text: bytes) -> None:
        """See `terms.Door`."""
        if self._keeping is not None:
            self._keeping.add(text)

    def finish(self) -> None:
        """See `terms.Door`."""
        assert self._keeping is not None
        self._keeping.finish(self._settle)

    def _settle(self, verdict: Verdict) -> None:
        self._keeping = None
        self._heard_seconds = time.monotonic()
        if self._conversation is not None:
            self._conversation.settle(verdict)
            self._look_at_input()

    def drop(self) -> None:
        """See `terms.Door`."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.drop()

    def check_login(self, name: str, password: str) -> None:
        """See `terms.Door`."""
        self._start(self._check_login(name, password))

    async def _check_login(self, name: str, password: str) -> None:
        passwords = self._facilities.passwords
        answer: bool | None = False
        if passwords is not None:
            try:
                answer = await asyncio.to_thread(passwords.check, name, password)
            except MailriderError as trouble:
                self._facilities.tell(f"warning: {trouble}")
                answer = None
            except Exception as fault:  # the client would wait for ever
                self._facilities.tell(f"warning: intake_password_maps: {fault!r}")
                answer = None
        assert self._conversation is not None
        self._conversation.admit(answer)
        self._look_at_input()

    def secure(self) -> None:
        """See `terms.Door`."""
        self._hold("tls", True)
        self._start(self._secure())

    async def _secure(self) -> None:
        assert self._wire is not None
        assert self._conversation is not None
        assert self._facilities.tls is not None
        loop = asyncio.get_running_loop()
        old = self._wire
        self._reasons.discard("tls")
        try:
            new = await loop.start_tls(
                old, self, self._facilities.tls, server_side=True,
                ssl_handshake_timeout=self._facilities.terms.timeout_seconds,
            )  # fmt: skip
        except (OSError, ssl.SSLError) as trouble:
            self._facilities.tell(f"SSL_accept error from {self._shown}: {_show_trouble(trouble)}")
            old.abort()
            self.connection_lost(None)
            return
        if new is None or self._is_lost:
            old.abort()
            self.connection_lost(None)
            return
        self._wire = new
        self._heard_seconds = time.monotonic()
        self._conversation.secured(_facts_of(new))
        if "replies" in self._reasons:
            new.pause_reading()

    def pause(self, seconds: float) -> None:
        """See `terms.Door`."""
        self._start(self._pause(seconds))

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        assert self._conversation is not None
        self._conversation.resume()
        self._look_at_input()

    def close(self) -> None:
        """See `terms.Door`."""
        self._closing_seconds = time.monotonic()
        if self._wire is not None:
            self._wire.close()

    def tell(self, text: str) -> None:
        """See `terms.Door`."""
        self._facilities.tell(text)

    # Reading and not reading

    def _look_at_input(self) -> None:
        conversation = self._conversation
        if conversation is not None:
            full = conversation.is_busy and conversation.kept_octets > BUSY_INPUT_OCTETS
            if full or "busy" in self._reasons:
                self._hold("busy", full)

    def _hold(self, reason: str, on: bool) -> None:
        """Read no more for a reason, or let it go; one reason is enough."""
        was = bool(self._reasons)
        (self._reasons.add if on else self._reasons.discard)(reason)
        now = bool(self._reasons)
        if was == now or self._wire is None or self._is_lost or self._wire.is_closing():
            return
        if now:
            self._wire.pause_reading()
        else:
            self._wire.resume_reading()


def _facts_of(transport: asyncio.Transport) -> TlsFacts:
    cipher = transport.get_extra_info("cipher") or ("unknown", "unknown", 0)
    return TlsFacts(str(cipher[1]), str(cipher[0]), int(cipher[2]))


def _show_trouble(trouble: Exception) -> str:
    text = str(trouble) or type(trouble).__name__
    return text if text.isprintable() else repr(text)
