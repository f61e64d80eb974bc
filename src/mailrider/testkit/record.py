"""What a receiving server remembers of its visitors."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that came to its end.

    `sender` and `recipients` are the paths as given (without angle brackets; only accepted recipients), `parameters` the rest
    of the MAIL line.  `content` is what came, dots unstuffed, empty where the server keeps none; `size_octets` is its
    size in any case.  `replies` are the lines that were said at its end, none where the server fell silent or left.
    `chunked`: it came by BDAT.
    """

    sender: str
    parameters: str
    recipients: tuple[str, ...]
    content: bytes
    size_octets: int
    replies: tuple[str, ...] = ()
    chunked: bool = False


@dataclass(slots=True)
class Session:
    """One connection, from its greeting on; grows while the connection lives.

    `commands` are the lines without their ends, content and AUTH exchanges of course not among them.  `reads` are the octets
    as they came off the socket, up to a bound, for tests of who sends what together.  `ended` is empty while the connection
    lives, then `client`, `server`, `reset` (by the client) or `shutdown`.  `encrypted_from` is the number of the first
    command that came through TLS, None in clear; `client_certificate` is DER, empty where the client showed none.
    """

    number: int
    commands: list[str] = field(default_factory=list)
    messages: list[ReceivedMessage] = field(default_factory=list)
    reads: list[bytes] = field(default_factory=list)
    octets_received: int = 0
    ended: str = ""
    encrypted_from: int | None = None
    tls_version: str = ""
    tls_resumed: bool = False
    client_certificate: bytes = b""
