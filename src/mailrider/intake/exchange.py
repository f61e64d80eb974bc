"""The even course of a conversation: input into lines, text and chunks, replies out, messages begun and ended.  No I/O.

What each command means is said in `conversation`, which this is the lower half of.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod

from mailrider.intake import extensions, login
from mailrider.intake.envelope import Transaction
from mailrider.intake.heading import Heading
from mailrider.intake.history import ERROR_LIMIT, LOST, TIMEOUT, History
from mailrider.intake.message import IncomingMessage, Limits, Sink
from mailrider.intake.syntax import Wrong
from mailrider.intake.tally import Tally
from mailrider.intake.terms import Client, Door, Terms, TlsFacts, Verdict
from mailrider.model.request import Transport

LOGIN_LINE_OCTETS = 12_288
"""An answer to a challenge (RFC 4954 §4)."""


class Mode(enum.Enum):
    """What the next octets are."""

    COMMANDS = 1
    DATA = 2
    CHUNK = 3
    LOGIN = 4
    BUSY = 5
    OVER = 6


_UNFINISHED = frozenset({Mode.DATA, Mode.CHUNK, Mode.LOGIN, Mode.BUSY})
"""The command that has begun waits for more, or for the door."""


class Exchange(ABC):
    """One connection, for whatever is said on it.  `tally` is what was said, as the log tells it at the end."""

    def __init__(self, terms: Terms, client: Client, door: Door, transport: Transport = Transport.SMTP) -> None:
        self._terms = terms
        self._client = client
        self._door = door
        self._transport = transport
        self._mode = Mode.COMMANDS
        self._input = b""
        self._replies: list[str] = []
        self._tls: TlsFacts | None = None
        self._login_dialogue: login.Dialogue | None = None
        self._login_name = ""
        self._claims: dict[str, str] = {}
        self._helo = ""
        self._esmtp = False
        self._mail: Transaction | None = None
        self._message: IncomingMessage | None = None
        self._chunk_left = 0
        self._chunk_is_last = False
        self._chunk_octets = 0
        self._drops_line = False
        self._last_verb = "CONNECT"
        self._owed = ""
        self._dying = ""
        self.tally = Tally(terms.junk_command_limit)
        self.history: History | None = None  # kept where the postmaster may want it

    # What the caller says

    def greet(self) -> None:
        """The client is there."""
        banner = self._terms.banner or f"{self._terms.host_name} {'LMTP' if self._is_lmtp else 'ESMTP'}"
        self._reply(f"220 {banner}")
        self._flush()

    def feed(self, octets: bytes) -> None:
        """Octets from the client."""
        if self._mode is Mode.OVER:
            return
        self._input = self._input + octets if self._input else octets
        self._work()

    @property
    def is_busy(self) -> bool:
        """Waits for the door."""
        return self._mode is Mode.BUSY

    @property
    def is_idle(self) -> bool:
        """No message is on its way."""
        return self._message is None and not self.is_busy

    @property
    def kept_octets(self) -> int:
        """How much input has not been looked at."""
        return len(self._input)

    def end(self, reply: str) -> None:
        """Hang up with a 421: at once, or where the door is busy, once it has answered."""
        if self._mode is Mode.OVER:
            return
        if self.is_busy and self._message is not None:
            self._dying = reply
            return
        self._note_unfinished()
        self._drop_message()
        self._hang_up(reply)

    def time_out(self) -> None:
        """The client has been silent for too long."""
        self._break_off(TIMEOUT)
        self.end(f"421 4.4.2 {self._terms.host_name} Error: timeout exceeded")

    def lose(self) -> None:
        """The client has gone."""
        self._break_off(LOST)
        self._note_unfinished()
        self._mode = Mode.OVER
        message, self._message = self._message, None
        if message is not None and not message.refusal:
            message.refuse("lost")
        self._input = b""

    def _break_off(self, reason: str) -> None:
        """The session ends before its time: the log says so, in the words that watchers of logs know."""
        self._door.tell(f"{reason} after {self._where()} from {self._client.shown}")
        if self.history is not None:
            self.history.reason = reason

    def _where(self) -> str:
        """What the client is at."""
        message = self._message
        if message is None:
            return self._last_verb
        return "END-OF-MESSAGE" if self.is_busy else f"{self._last_verb} ({message.size_octets} bytes)"

    def _note_unfinished(self) -> None:
        if self._mode in _UNFINISHED:
            self.tally.fail()

    # What the door answers

    def settle(self, verdict: Verdict) -> None:
        """The message is kept, or not."""
        if self._mode is Mode.OVER:
            return
        reply = verdict.refusal or f"250 2.0.0 Ok: queued as {verdict.queue_id}"
        self._end_message(reply)
        self._mode = Mode.COMMANDS
        if self._dying:
            self._hang_up(self._dying)
        else:
            self._work()

    def resume(self) -> None:
        """The pause is over."""
        if self._mode is not Mode.BUSY:
            return
        owed, self._owed = self._owed, ""
        self._mode = Mode.COMMANDS
        self._reply(owed)
        if self._dying:
            self._hang_up(self._dying)
        else:
            self._work()

    @abstractmethod
    def _obey(self, line: bytes) -> None:
        """A command without its line end."""

    @abstractmethod
    def _continue_login(self, line: bytes) -> None:
        """An answer to a challenge."""

    # How input is taken

    def _work(self) -> None:
        while True:
            match self._mode:
                case Mode.COMMANDS if self.tally.errors >= self._terms.hard_error_limit:
                    self._give_up()
                case Mode.COMMANDS | Mode.LOGIN:
                    line = self._take_line()
                    if line is None:
                        break
                    self._take(line)
                case Mode.DATA if self._input:
                    self._take_data()
                case Mode.CHUNK if self._input or not self._chunk_left:
                    self._take_chunk()
                case _:
                    break
        self._flush()

    def _take_line(self) -> bytes | Wrong | None:
        """The next line, what is wrong with it, or None where it has not come."""
        limit = LOGIN_LINE_OCTETS if self._mode is Mode.LOGIN else self._terms.line_length_limit
        end = self._input.find(b"\n")
        if end < 0:
            if len(self._input) > limit:
                self._input = b""
                self._drops_line = True
            return None
        line, self._input = self._input[:end], self._input[end + 1 :]
        if self._drops_line or len(line) > limit + 1:
            self._drops_line = False
            return Wrong(f"500 5.5.2 {self._terms.host_name} Error: command too long")
        if self._terms.refuses_bare_lf and not self._client.may_send_bare_lf and not line.endswith(b"\r"):
            self._hang_up(f"{self._terms.bare_lf_code} 5.5.2 {self._terms.host_name} Error: bare <LF> received")
            return None
        return line.rstrip(b"\r")

    def _take(self, line: bytes | Wrong) -> None:
        if isinstance(line, Wrong):
            self._mode = Mode.COMMANDS
            self._refuse(line.reply)
            return
        if self.history is not None:
            self.history.heard(line, secret=self._mode is Mode.LOGIN)
        if self._mode is Mode.LOGIN:
            self._continue_login(line)
        else:
            self._obey(line)

    def _take_data(self) -> None:
        assert self._message is not None
        octets, self._input = self._input, b""
        rest = self._message.feed_dotted(octets)
        if rest is not None:
            self._input = rest
            self._finish_message()

    def _take_chunk(self) -> None:
        assert self._message is not None
        piece = self._input[: self._chunk_left]
        self._input = self._input[len(piece) :]
        self._chunk_left -= len(piece)
        self._message.feed_chunk(piece)
        if self._chunk_left:
            return
        self._mode = Mode.COMMANDS
        if self._chunk_is_last:
            self._finish_message()
        elif self._message.refusal:
            self.tally.fail()
            self._reply(self._message.refusal)
        else:
            self._reply(f"250 2.0.0 Ok: {self._chunk_octets} bytes")

    @property
    def _is_lmtp(self) -> bool:
        return self._transport is Transport.LMTP

    # Messages

    @property
    def _protocol(self) -> str:
        """As in a Received field (RFC 3848, RFC 6531 §3.7.3)."""
        utf8 = self._mail is not None and self._mail.mail.smtputf8
        secure = ("S" if self._tls is not None else "") + ("A" if self._login_name else "")
        if self._is_lmtp:
            return ("UTF8LMTP" if utf8 else "LMTP") + secure
        if utf8:
            return "UTF8SMTP" + secure
        return ("ESMTP" if self._esmtp else "SMTP") + secure

    def _open_message(self, *, chunked: bool) -> IncomingMessage:
        terms, mail = self._terms, self._mail
        refuses = terms.refuses_bare_lf and not self._client.may_send_bare_lf
        refusal = f"{terms.bare_lf_code} 5.5.2 {terms.host_name} Error: bare <LF> received" if refuses else ""
        limits = Limits(terms.message_size_limit, terms.hop_limit, refusal)

        def head(header: bytes) -> Heading:
            assert mail is not None
            return extensions.open_at_door(header, mail, self._introduction, terms, self._door)

        return IncomingMessage(limits, Sink(head, self._door.add, self._door.drop), chunked=chunked)

    @property
    def _introduction(self) -> extensions.Introduction:
        return extensions.Introduction(
            self._client, self._helo, self._protocol, self._transport, self._tls, self._login_name, self._claims
        )

    def _finish_message(self) -> None:
        assert self._message is not None
        self._mode = Mode.COMMANDS
        self._message.finish()
        if self._message.refusal:
            self._end_message(self._message.refusal)
        else:
            self._mode = Mode.BUSY
            self._flush()
            self._door.finish()

    def _end_message(self, reply: str) -> None:
        """The reply to the end of a message; in LMTP one for each recipient (RFC 2033 §4.2)."""
        if reply.startswith("2"):
            self.tally.forgive()
        else:
            self.tally.err()
            if self.history is not None:
                self.history.blame(reply, of_message=True)
            self._door.tell(f"NOQUEUE: reject: END-OF-MESSAGE from {self._client.shown}: {reply}; proto={self._protocol}")
        count = len(self._mail.recipients) if self._is_lmtp and self._mail is not None else 1
        self._message = None
        self._reset()
        for _ in range(max(1, count)):
            self._reply(reply)
        if self.history is not None:
            self.history.rest()

    def _drop_message(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            message.refuse("dropped")

    def _reset(self) -> None:
        self._drop_message()
        self._mail = None

    # Replies

    def _reply(self, reply: str) -> None:
        self._replies.append(reply)
        if self.history is not None:
            self.history.said(reply)

    def _refuse(self, reply: str) -> None:
        """A reply to a fault of the client; who makes many is answered slowly, who makes more is not answered."""
        self.tally.err()
        if self.history is not None:
            self.history.blame(reply)
        is_last = self.tally.errors >= self._terms.hard_error_limit
        if self.tally.errors > self._terms.soft_error_limit and self._terms.error_sleep_seconds and not is_last:
            self._owed = reply
            self._flush()
            self._mode = Mode.BUSY
            self._door.pause(self._terms.error_sleep_seconds)
        else:
            self._reply(reply)

    def _give_up(self) -> None:
        self._break_off(ERROR_LIMIT)
        self._drop_message()
        self._hang_up(f"421 4.7.0 {self._terms.host_name} Error: too many errors")

    def _hang_up(self, reply: str) -> None:
        self._reply(reply)
        self._flush()
        self._mode = Mode.OVER
        self._input = b""
        self._door.close()

    def _flush(self) -> None:
        if self._replies:
            octets = "\r\n".join([*self._replies, ""]).encode("utf-8", "replace")
            self._replies.clear()
            self._door.send(octets)
