"""Who hears what is said to a server and by it: mostly nobody.

The transcript does, where one is kept, and the observer, for servers of `debug_peer_list`.
"""

from __future__ import annotations

from mailrider.delivery.profile import Profile
from mailrider.delivery.transcript import SessionTranscript
from mailrider.events import CommandSent, Observer, ReplyReceived
from mailrider.model.server import Server
from mailrider.smtp.reply import Reply
from mailrider.smtp.telling import Dialogue


class TellObserver:
    """A `smtp.telling.Dialogue` as events."""

    __slots__ = ("_observer", "_server")

    def __init__(self, server: Server, observer: Observer) -> None:
        self._server = server
        self._observer = observer

    def command(self, line: bytes) -> None:
        """A command line was written."""
        self._observer(CommandSent(self._server, line.decode("utf-8", "backslashreplace")))

    def reply(self, reply: Reply) -> None:
        """A reply came in."""
        self.fragment(reply.lines)

    def fragment(self, lines: tuple[str, ...]) -> None:
        """A reply came in, or its beginning."""
        for line in lines:
            self._observer(ReplyReceived(self._server, line))


class TellBoth:
    """A `smtp.telling.Dialogue` with two listeners."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Dialogue, second: Dialogue) -> None:
        self._first = first
        self._second = second

    def command(self, line: bytes) -> None:
        """A command line was written."""
        self._first.command(line)
        self._second.command(line)

    def reply(self, reply: Reply) -> None:
        """A reply came in."""
        self._first.reply(reply)
        self._second.reply(reply)

    def fragment(self, lines: tuple[str, ...]) -> None:
        """A reply came in, or its beginning."""
        self._first.fragment(lines)
        self._second.fragment(lines)


def choose_dialogue(
    server: Server, profile: Profile, observer: Observer, transcript: SessionTranscript | None
) -> Dialogue | None:
    """Who hears the dialogue with a server; mostly nobody."""
    if not profile.lookups.tells_dialogue(server.host, server.address):
        return transcript
    told = TellObserver(server, observer)
    return told if transcript is None else TellBoth(told, transcript)
