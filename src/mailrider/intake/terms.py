"""What a conversation with a client goes by: the terms of the house, and who the client is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from mailrider.content.whole_address import WITHOUT_ORIGIN, Completion
from mailrider.model.request import Envelope, Transport

UNKNOWN = "unknown"


class Terms(NamedTuple):
    """What the settings say about the doors.  Sizes in octets, times in seconds; 0 means no limit where not said otherwise.

    `login_mechanisms` empty: nobody can log in.  `login_needs_tls`: not in clear text.  `has_tls`: STARTTLS can be offered;
    `needs_tls`: nothing goes without it.  `passes_requiretls`: a header tells of REQUIRETLS, and is believed.
    """

    host_name: str
    mail_name: str = "Mailrider"
    banner: str = ""
    completion: Completion = WITHOUT_ORIGIN
    message_size_limit: int = 10_240_000
    recipient_limit: int = 1000
    line_length_limit: int = 2048
    soft_error_limit: int = 10
    hard_error_limit: int = 20
    junk_command_limit: int = 100
    error_sleep_seconds: float = 1.0
    hop_limit: int = 50
    smtputf8: bool = True
    has_tls: bool = False
    needs_tls: bool = False
    login_mechanisms: tuple[str, ...] = ()
    login_needs_tls: bool = False
    helo_required: bool = False
    tells_login: bool = False
    tells_tls: bool = False
    completes_all: bool = False
    passes_requiretls: bool = False
    hidden_keywords: frozenset[str] = frozenset()
    refuses_bare_lf: bool = False
    bare_lf_code: int = 550
    timeout_seconds: float = 300.0


class Client(NamedTuple):
    """Who is at the door.  `name` is `unknown` where the address has no name that leads back to it.

    `may_relay`: of `mynetworks`, or on a socket of this host.  `is_local`: mail begins its way here, so its header is
    completed.  `may_forward`: XFORWARD is believed.  `may_send_bare_lf`: excepted from `smtpd_forbid_bare_newline`.
    """

    name: str
    address: str
    port: str = ""
    may_relay: bool = False
    is_local: bool = False
    may_forward: bool = False
    may_send_bare_lf: bool = False

    @property
    def shown(self) -> str:
        """As in the log: `localhost[127.0.0.1]`."""
        return f"{self.name}[{self.address}]"


class TlsFacts(NamedTuple):
    """What a client and we have agreed on."""

    protocol: str
    cipher: str
    bits: int

    @property
    def shown(self) -> str:
        """As in a Received field."""
        return f"using {self.protocol} with cipher {self.cipher} ({self.bits}/{self.bits} bits)"


class Mail(NamedTuple):
    """A message that begins to come in: everything but its text."""

    queue_id: str
    envelope: Envelope
    client: Mapping[str, str]
    transport: Transport


class Verdict(NamedTuple):
    """What became of a message: the queue id, or the reply that refuses it."""

    queue_id: str = ""
    refusal: str = ""


class Door(Protocol):
    """What a conversation needs of the world.  Nothing here waits.

    After `finish`, `check_login`, `secure` and `pause` the conversation takes no input until it is told how that ended:
    `settle`, `admit`, `secured`, `resume`.
    """

    def send(self, octets: bytes) -> None:
        """Replies, whole lines."""

    def new_queue_id(self) -> str:
        """A queue id that nobody else has."""

    def date(self) -> str:
        """Now, as a date field has it."""

    def begin(self, mail: Mail) -> None:
        """A message comes in."""

    def add(self, text: bytes) -> None:
        """More of its text."""

    def finish(self) -> None:
        """That was all: keep it.  `settle` follows."""

    def drop(self) -> None:
        """The message that has begun will not be finished: nothing of it stays."""

    def check_login(self, name: str, password: str) -> None:
        """Whether this is somebody.  `admit` follows."""

    def secure(self) -> None:
        """Turn on TLS.  `secured` follows, or the connection ends."""

    def pause(self, seconds: float) -> None:
        """`resume` follows after so long."""

    def close(self) -> None:
        """Send what was to be sent, then hang up."""

    def tell(self, text: str) -> None:
        """A line for the log."""
