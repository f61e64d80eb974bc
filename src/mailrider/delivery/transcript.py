"""What was said in a session, kept for the postmaster, and when he wants to hear of it (`notify_classes`).

smtp(8) sends such a transcript for two classes of trouble:

========  ==========================================================================================================
protocol  one of us does not speak the protocol: garbage inside a reply, or a failure whose reply is out of place
          (no 4xx or 5xx, or 500 to 509, or 555)
data      a table could not answer in the middle of the conversation
========  ==========================================================================================================

It is kept only where one of these classes is set, and is about one message: what a connection carried before is
forgotten.  It is told once, after QUIT, and not of mail whose sender is nobody or `double_bounce_sender`: notices do not
beget notices.  Secrets and the content of the message are not in it (`smtp.telling`).

A connection whose transcript is kept carries one message after the other, and not a stream: lines of two messages would mix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mailrider.delivery.trouble import DATA, PROTOCOL, Failure
from mailrider.dsn.minutes import IN, OUT, Minutes
from mailrider.smtp.reply import GarbageLine, LineReplaced, Note, Reply, make_printable

if TYPE_CHECKING:
    from mailrider.net.connection import Connection
    from mailrider.settings import Settings
    from mailrider.smtp.wire import Wire

QUIT: Final = b"QUIT"
REPLACED: Final = "Replaced-by: "
REPLACEMENT: Final = "     "


def find_classes(settings: Settings) -> frozenset[str]:
    """The classes of trouble for which the transcript of a session is sent; none where nothing has to be kept."""
    return frozenset({PROTOCOL, DATA}.intersection(settings.notify_classes))


def make_transcript(wanted: frozenset[str], *, hears_quit: bool) -> SessionTranscript | None:
    """A transcript for a session; none where nobody wants any."""
    return SessionTranscript(wanted, hears_quit=hears_quit) if wanted else None


class SessionTranscript:
    """The dialogue about one message: a `smtp.telling.Dialogue`.

    `wanted` are the classes to be told of.  `hears_quit`: the reply to QUIT is awaited.
    """

    __slots__ = ("_classes", "_due", "_hears_quit", "_minutes", "_replaced", "_wanted", "_wire")

    def __init__(self, wanted: frozenset[str], *, hears_quit: bool = True) -> None:
        self._wanted = wanted
        self._wire: Wire | None = None
        self._hears_quit = hears_quit
        self._minutes = Minutes()
        self._due: int | None = None  # after QUIT: replies to what was said before it, and to QUIT where that is heard
        self.forget()

    def listen_at(self, wire: Wire) -> None:
        """The wire knows which replies are due."""
        self._wire = wire

    def forget(self) -> None:
        """Begin anew, with the next message."""
        self._classes: set[str] = set()
        self._minutes.clear()
        self._replaced: list[LineReplaced] = []

    def command(self, line: bytes) -> None:
        """See `smtp.telling.Dialogue`."""
        self._minutes.add(OUT + make_printable(line))
        if line == QUIT and self._wire is not None:
            self._due = len(self._wire.awaited) - len(self._wire.arrived) + self._hears_quit

    def reply(self, reply: Reply) -> None:
        """See `smtp.telling.Dialogue`."""
        self.fragment(reply.lines)
        if self._due is not None:
            self._due -= 1

    def fragment(self, lines: tuple[str, ...]) -> None:
        """See `smtp.telling.Dialogue`.  What nobody waits for after QUIT is not heard."""
        if self._due is None or self._due > 0:
            self._keep_reply(lines)

    def note(self, note: Note) -> None:
        """Something was odd in a reply, which comes after this."""
        if isinstance(note, GarbageLine):
            self._classes.add(PROTOCOL)
        elif isinstance(note, LineReplaced):
            self._replaced.append(note)

    def blame(self, failure: Failure) -> None:
        """A failure has been accounted for."""
        if failure.notify_class:
            self._classes.add(failure.notify_class)

    def lines(self) -> tuple[str, ...]:
        """What was said, oldest first."""
        return self._minutes.lines()

    def conclude(self, connection: Connection, tell: Callable[[tuple[str, ...]], None]) -> None:
        """No more will be done for this message: `tell` what was said, where that is wanted, and begin anew."""
        if self._classes.isdisjoint(self._wanted):
            self.forget()
            return
        if connection.gone or not connection.is_leaving:
            self._tell(tell)
            return
        before = connection.when_gone  # QUIT has been said: hear what is still said to that

        def tell_all(gone: Connection) -> None:
            if before is not None:
                before(gone)
            self._tell(tell)

        connection.when_gone = tell_all

    def _tell(self, tell: Callable[[tuple[str, ...]], None]) -> None:
        tell(self.lines())
        self.forget()

    def _keep_reply(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            if self._replaced and self._replaced[0].replacement == line:
                self._minutes.add(IN + self._replaced.pop(0).original)
                self._minutes.add(REPLACED)
                self._minutes.add(REPLACEMENT + line)
            else:
                self._minutes.add(IN + line)


def may_be_told(sender: str, settings: Settings) -> bool:
    """Whether mail of this sender may cause a notice: not if it is a notice itself."""
    return sender not in ("", f"{settings.double_bounce_sender}@{settings.myhostname}")
