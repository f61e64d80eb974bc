"""A conversation without a world: a door that notes everything, and a way to talk to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailrider.content.whole_address import Completion
from mailrider.intake.conversation import Conversation
from mailrider.intake.terms import Client, Mail, Terms, TlsFacts, Verdict
from mailrider.model.request import Transport

LOCAL = Client("localhost", "127.0.0.1", "4711", may_relay=True, is_local=True)
STRANGER = Client("mx.far.example", "192.0.2.7", "4712")
TERMS = Terms("node.example", mail_name="Mailrider", completion=Completion("origin.example"))
FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256)
ACCEPTED = Verdict("4jX")
DATE = "Sun, 22 Nov 2026 17:08:39 +0000 (UTC)"


@dataclass
class Taken:
    """A message that came to a door."""

    mail: Mail
    text: bytes = b""


@dataclass
class NotingDoor:
    """Keeps what it is given; a message is accepted at once unless `verdict` is None."""

    verdict: Verdict | None = field(default_factory=lambda: Verdict("4jX"))
    replies: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    dropped: list[Taken] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    secures: int = 0
    is_closed: bool = False
    writes: int = 0
    current: Taken | None = None
    conversation: Conversation | None = None

    def send(self, octets: bytes) -> None:
        assert octets.endswith(b"\r\n")
        assert not self.is_closed
        self.writes += 1
        self.replies += octets.decode().split("\r\n")[:-1]

    def new_queue_id(self) -> str:
        return "4jX"

    def date(self) -> str:
        return DATE

    def begin(self, mail: Mail) -> None:
        assert self.current is None
        self.current = Taken(mail)

    def add(self, text: bytes) -> None:
        assert self.current is not None
        self.current.text += text

    def finish(self) -> None:
        assert self.current is not None
        self.taken.append(self.current)
        self.current = None
        if self.verdict is not None:
            assert self.conversation is not None
            self.conversation.settle(self.verdict)

    def drop(self) -> None:
        if self.current is not None:
            self.dropped.append(self.current)
            self.current = None

    def check_login(self, name: str, password: str) -> None:
        self.logins.append((name, password))

    def secure(self) -> None:
        self.secures += 1

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def close(self) -> None:
        self.is_closed = True

    def tell(self, text: str) -> None:
        self.told.append(text)


class Talk:
    """A client's side: `say` lines, look at the replies."""

    def __init__(
        self,
        terms: Terms = TERMS,
        client: Client = LOCAL,
        transport: Transport = Transport.SMTP,
        verdict: Verdict | None = ACCEPTED,
    ) -> None:
        self.door = NotingDoor(verdict)
        self.conversation = Conversation(terms, client, self.door, transport)
        self.door.conversation = self.conversation
        self.conversation.greet()
        self.greeting = self.door.replies.pop()

    def feed(self, octets: bytes) -> list[str]:
        """Octets as they are; the replies to them."""
        before = len(self.door.replies)
        self.conversation.feed(octets)
        return self.door.replies[before:]

    def say(self, *lines: str) -> list[str]:
        """Lines, all at once."""
        return self.feed("".join(f"{line}\r\n" for line in lines).encode())

    def envelope(self, sender: str = "<a@b.example>", *recipients: str) -> list[str]:
        return self.say(
            "EHLO me.example", f"MAIL FROM:{sender}", *[f"RCPT TO:{one}" for one in recipients or ("<c@d.example>",)]
        )

    def send(self, text: bytes, sender: str = "<a@b.example>", *recipients: str) -> list[str]:
        """A whole message by DATA; the replies to its end."""
        self.envelope(sender, *recipients)
        assert self.say("DATA")[-1].startswith("354")
        return self.feed(text + b".\r\n")
