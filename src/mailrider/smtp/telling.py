"""A wire that tells what goes over it, for transcripts (`-v`, `debug_peer_list`).

An ordinary `Wire` tells nobody, so that a conversation that nobody listens to costs nothing.  Command lines are told as they
are written, which under PIPELINING is before the replies to those in front of them; replies are told as they come in.  The
content of a message is not told.

Secrets are not told: of AUTH only the mechanism is, and of what answers a challenge nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import BDAT, CHUNK, LOGIN_STAGES, Stage
from mailrider.smtp.wire import Command, Wire

SECRET = b"***"
"""What is told in place of a secret."""


class Dialogue(Protocol):
    """Who listens to a conversation."""

    def command(self, line: bytes) -> None:
        """A command line was written; it comes without its CRLF."""

    def reply(self, reply: Reply) -> None:
        """A reply came in."""

    def fragment(self, lines: tuple[str, ...]) -> None:
        """The conversation is over, and these lines, printable, are of a reply whose end has not come."""


class TellingWire(Wire):
    """See `Wire`."""

    __slots__ = ("_dialogue",)

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__()
        self._dialogue = dialogue

    def send(self, stage: Stage, line: bytes) -> None:
        """See `Wire`."""
        self._tell(stage, line)
        super().send(stage, line)

    def send_group(self, commands: Sequence[Command]) -> bool:
        """See `Wire`."""
        sent = super().send_group(commands)
        if sent:
            for stage, line in commands:
                self._tell(stage, line)
        return sent

    def send_unowned(self, stage: Stage, line: bytes) -> None:
        """See `Wire`."""
        self._tell(stage, line)
        super().send_unowned(stage, line)

    def send_quit(self, stage: Stage, *, await_reply: bool) -> None:
        """See `Wire`."""
        self._tell(stage, b"QUIT\r\n")
        super().send_quit(stage, await_reply=await_reply)

    def _tell(self, stage: Stage, line: bytes) -> None:
        if stage is CHUNK or stage is BDAT:
            line = line.partition(b"\r\n")[0]  # content may come behind it
        elif stage in LOGIN_STAGES:
            line = _hide_secret(line)
        self._dialogue.command(line.removesuffix(b"\r\n"))


def _hide_secret(line: bytes) -> bytes:
    words = line.removesuffix(b"\r\n").split(b" ", 2)
    if words[0].upper() != b"AUTH":
        return SECRET
    return b" ".join([*words[:2], SECRET] if len(words) > 2 else words)
