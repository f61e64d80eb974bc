"""The log of a node: the lines of smtp(8), qmgr(8) and bounce(8), each with time, host, program and process in front.

So a program that reads Postfix's log reads this one: `Nov 22 17:08:39 mail postfix/smtp[123]: ...`.  The name is `syslog_name`,
which a service of master.cf may set for itself.  What is said to and by the servers of `debug_peer_list` is in it, too.
`NodeLog` is an `events.Observer` and a `queue.journal.Journal`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mailrider.events import CommandSent, ConnectionClosed, Event, Noted, RecipientSettled, ReplyReceived, Warned
from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable
from mailrider.model.request import Recipient
from mailrider.observe.text import TextLog
from mailrider.observe.transcript import Transcript

QUEUE = "qmgr"
BOUNCE = "bounce"
NODE = "master"
DOOR = "smtpd"
_USUAL = ("smtp", "smtp")
"""Whose line it is where an event does not say for which service a server was talked to."""

_INTERNAL = frozenset({"error", "retry", "discard"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Stamp:
    """Time and host, made once a second."""

    __slots__ = ("_host", "_second", "_text")

    def __init__(self, host_name: str) -> None:
        self._host = host_name.partition(".")[0]
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        """`Nov 22 17:08:39 mail ` as of now, local time."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            local = time.localtime(now)
            clock = f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"
            self._text = f"{_MONTHS[local.tm_mon - 1]} {local.tm_mday:2d} {clock} {self._host} "
        return self._text


class NodeLog:
    """`write` takes whole lines.  `stamp` gives what stands in front of the program (nothing for syslog, which knows it).

    `tag_of` gives the `syslog_name/program` of a service and its protocol.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        stamp: Callable[[], str],
        tag_of: Callable[[str, str], str],
        process_id: int,
        *,
        name: str = "postfix",
        resolution_digits: int = 2,
        address_format: str = "external",
        helpful: bool = True,
    ) -> None:
        self._write = write
        self._stamp = stamp
        self._tag_of = tag_of
        self._process_id = process_id
        self._name = name
        self._tags: dict[tuple[str, str], str] = {}
        self._quote: Callable[[str], str] = quote_local_part if address_format == "external" else str
        self._queue_tag = self._own_tag(QUEUE)
        self._bounce_tag = self._own_tag(BOUNCE)
        self._node_tag = self._own_tag(NODE)
        self._client_tag = self._own_tag(DOOR)
        self._tag = self._node_tag
        self._transcript = Transcript(self._put, remarks=False)
        self._text = TextLog(
            self._put, resolution_digits=resolution_digits, address_format=address_format, helpful=helpful
        )

    def _own_tag(self, program: str) -> str:
        return f"{self._name}/{program}[{self._process_id}]: "

    def _put(self, line: str) -> None:
        self._write(self._stamp() + self._tag + line)

    def __call__(self, event: Event) -> None:
        """See `events.Observer`."""
        if type(event) is RecipientSettled:
            request = event.request
            service = request.service
            self._tag = self._service_tag((service, service if service in _INTERNAL else request.transport.value))
        elif isinstance(event, Noted | Warned) and not event.queue_id:
            self._tag = self._node_tag
        else:
            self._tag = self._service_tag(_USUAL)
            if isinstance(event, CommandSent | ReplyReceived | ConnectionClosed):
                self._transcript(event)
        self._text(event)

    def _service_tag(self, key: tuple[str, str]) -> str:
        tag = self._tags.get(key)
        if tag is None:
            tag = self._tags[key] = f"{self._tag_of(*key)}[{self._process_id}]: "
        return tag

    def _say(self, tag: str, line: str) -> None:
        self._write(self._stamp() + tag + (line if line.isprintable() else make_printable(line)))

    def activated(self, queue_id: str, sender: str, size_octets: int, recipients: int) -> None:
        """See `queue.journal.Journal`."""
        quoted = self._quote(sender)
        self._say(self._queue_tag, f"{queue_id}: from=<{quoted}>, size={size_octets}, nrcpt={recipients} (queue active)")

    def removed(self, queue_id: str) -> None:
        """See `queue.journal.Journal`."""
        self._write(f"{self._stamp()}{self._queue_tag}{queue_id}: removed")

    def expired(self, queue_id: str, sender: str) -> None:
        """See `queue.journal.Journal`."""
        self._say(self._queue_tag, f"{queue_id}: from=<{self._quote(sender)}>, status=expired, returned to sender")

    def noticed(self, queue_id: str, text: str, notice_id: str) -> None:
        """See `queue.journal.Journal`."""
        self._say(self._bounce_tag, f"{queue_id}: {text}: {notice_id}")

    def doubted(self, queue_id: str, recipient: Recipient, server: str) -> None:
        """See `queue.journal.Journal`."""
        address = self._quote(recipient.address)
        self._say(self._queue_tag, f"{queue_id}: to=<{address}>, possibly delivered by {server}, which did not say so")

    def warn(self, text: str, queue_id: str = "") -> None:
        """See `queue.journal.Journal`."""
        self._say(self._queue_tag, f"warning: {queue_id}: {text}" if queue_id else f"warning: {text}")

    def tell(self, text: str) -> None:
        """A line of the node itself."""
        self._say(self._node_tag, text)

    def tell_of_client(self, text: str) -> None:
        """A line of the doors by which mail comes in."""
        self._say(self._client_tag, text)
