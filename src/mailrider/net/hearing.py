"""What the peer of a connection says: octets become replies, and those who listen along are told.

Two may listen: `note`, which hears what is odd in replies, and a `Dialogue`, which hears everything.  A reply that breaks off
in the middle belongs to the dialogue as well (`break_off`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailrider.errors import LocalDataError
from mailrider.smtp.reply import Note, Reply, ReplyParser
from mailrider.smtp.telling import Dialogue


class Hearing:
    """The ear of one connection.  `note` may change from one message to the next."""

    __slots__ = ("_dialogue", "_parser", "note")

    def __init__(self, parser: ReplyParser, note: Callable[[Note], None] | None, dialogue: Dialogue | None) -> None:
        self._parser = parser
        self._dialogue = dialogue
        self.note = note

    @property
    def is_between_replies(self) -> bool:
        """Nothing has come of a reply that is not whole."""
        return self._parser.is_between_replies

    @property
    def trouble(self) -> LocalDataError | None:
        """Why no further reply can be understood."""
        return self._parser.trouble

    def hear(self, octets: bytes) -> Sequence[Reply]:
        """The replies that are whole now; behind them there may be `trouble`.  Raises `PeerBabbles`."""
        parser = self._parser
        replies = parser.feed(octets)
        if parser.notes:
            self._tell_notes()
        if self._dialogue is not None:
            for reply in replies:
                self._dialogue.reply(reply)
        return replies

    def _tell_notes(self) -> None:
        notes = self._parser.notes
        if self.note is not None:
            for note in notes:
                self.note(note)
        notes.clear()

    def forget(self) -> None:
        """Throw away what came of a reply that is not whole."""
        self._parser.forget()

    def break_off(self) -> None:
        """A reply that has begun will not be whole any more: the dialogue hears what there was of it."""
        if self._dialogue is not None and (begun := self._parser.begun):
            self._dialogue.fragment(begun)
            self._parser.forget()
