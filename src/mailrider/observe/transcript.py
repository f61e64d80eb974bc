"""What was said on each connection, for whoever has to find out why a delivery failed.

A ring of the last lines per server is kept in memory, and `-v` prints each line as it comes, in the form of smtp(8):
`> host[address]:port: command` and `< host[address]:port: reply`.  `debug_peer_list` does so for some servers.

Secrets are not kept: the argument of AUTH after the mechanism and every answer to a 334 become `***`, which smtp(8) at
its verbose levels would show.

Known fault: an event names the server and not the connection, so two conversations with one server at the same time run
into one ring.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from mailrider.events import CommandSent, ConnectionClosed, ConnectionOpened, Event, ReplyReceived
from mailrider.model.printable import make_printable
from mailrider.model.server import Server

SERVERS_LIMIT: Final = 256
"""Servers whose conversations are kept; the one not heard of for longest is forgotten first."""

LINES_LIMIT: Final = 200
"""Lines kept for each: a refused message with a hundred recipients still fits."""

LINE_LIMIT_CHARACTERS: Final = 512
"""What is kept of a line; a command line has 512 octets at most (RFC 5321 §4.5.3.1.4)."""

SECRET: Final = "***"

REMARK: Final = "= "
"""Before what nobody said."""


class Transcript:
    """An `events.Observer` that keeps the dialogue with each server; `write`, where given, gets each line at once.

    `remarks`: it also gets what was not said, such as the end of a connection.
    """

    __slots__ = ("_answers_challenge", "_remarks", "_rings", "_write")

    def __init__(self, write: Callable[[str], object] | None = None, *, remarks: bool = True) -> None:
        self._write = write
        self._remarks = remarks
        self._rings: OrderedDict[Server, deque[str]] = OrderedDict()
        self._answers_challenge: set[Server] = set()

    def __call__(self, event: Event) -> None:
        """Keep a command or a reply, and where a connection begins and ends."""
        match event:
            case CommandSent():
                self._keep(event.server, "> ", self._hide_secret(event))
            case ReplyReceived():
                if event.text.startswith("334"):
                    self._answers_challenge.add(event.server)
                else:
                    self._answers_challenge.discard(event.server)
                self._keep(event.server, "< ", event.text)
            case ConnectionOpened():
                self._keep(event.server, REMARK, " ".join(("ready:", *event.features)))
            case ConnectionClosed():
                self._answers_challenge.discard(event.server)
                self._keep(event.server, REMARK, f"closed after {event.uses} deliveries")
            case _:
                pass

    def lines(self, server: Server) -> tuple[str, ...]:
        """The last lines of the dialogue with `server`, oldest first: `> command`, `< reply`, `= remark`."""
        return tuple(self._rings.get(server, ()))

    def _hide_secret(self, event: CommandSent) -> str:
        if event.server in self._answers_challenge:
            return SECRET
        words = event.line.split(" ", 2)
        if len(words) == 3 and words[0].upper() == "AUTH":
            return f"{words[0]} {words[1]} {SECRET}"
        return event.line

    def _keep(self, server: Server, mark: str, text: str) -> None:
        text = make_printable(text[:LINE_LIMIT_CHARACTERS])
        ring = self._rings.get(server)
        if ring is None:
            ring = self._rings[server] = deque(maxlen=LINES_LIMIT)
            if len(self._rings) > SERVERS_LIMIT:
                forgotten, _ = self._rings.popitem(last=False)
                self._answers_challenge.discard(forgotten)
        else:
            self._rings.move_to_end(server)
        ring.append(mark + text)
        if self._write is not None and (self._remarks or mark != REMARK):
            self._write(f"{mark}{make_printable(server.relay)}: {text}")
