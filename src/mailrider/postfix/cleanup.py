"""Handing mail of our own to cleanup(8): the notices with transcripts of sessions that went wrong (`notify_classes`).

cleanup(8) says what it speaks and which queue id the mail will have, hears how it is to treat it, takes the records of a queue
file, and says whether it has kept them.

What can go wrong is a `ServiceFailed`; see `delivery.postmaster` for what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mailrider.attributes.plain import MalformedAttributes, encode_attributes
from mailrider.clock import Clock
from mailrider.delivery.postmaster import Postmaster
from mailrider.delivery.transcript import find_classes
from mailrider.dsn.report import Site
from mailrider.dsn.site import read_site
from mailrider.dsn.transcript import write_transcript
from mailrider.events import Observer, SessionBlamed
from mailrider.postfix.installation import Installation
from mailrider.postfix.services import ServiceFailed, open_dialogue
from mailrider.settings import Settings

CLEANUP_PROTOCOL: Final = "cleanup_protocol"

MAPS_ALLOWED: Final = 1 << 5
FILTERED: Final = 1 << 1 | 1 << 6
DETECTS_UTF8: Final = 1 << 9
"""How cleanup(8) treats the mail: with its address maps; through header and body checks and milters
(`internal_mail_filter_classes`); and looking by itself whether it needs SMTPUTF8 (`smtputf8_autodetect_classes`)."""

CLASS: Final = "notify"
"""What notices to the postmaster are called in those two parameters."""

_LENGTH_BITS: Final = 7
"""Of a length that one octet holds; the eighth bit says that more of them follow (Postfix's rec_put)."""


class Cleanup:
    """The cleanup(8) of an installation.  Belongs to one event loop."""

    def __init__(self, path: str, *, announces: bool, answer_seconds: float) -> None:
        self._path = path
        self._announces = announces
        self._answer_seconds = answer_seconds

    async def submit(
        self, sender: str, recipient: str, flags: int, now_seconds: float, write: Callable[[str], Iterable[str]]
    ) -> str:
        """Hand over a message; its queue id.  `write` gives its lines for a queue id.  Raises `ServiceFailed`."""
        async with open_dialogue(self._path, self._answer_seconds) as dialogue:
            greeting = await dialogue.receive()
            if self._announces and (found := greeting.text(b"protocol")) != CLEANUP_PROTOCOL:
                raise MalformedAttributes(f"it speaks {found[:60]!r} and not {CLEANUP_PROTOCOL}")
            queue_id = greeting.text(b"queue_id")
            records = encode_message(sender, recipient, now_seconds, write(queue_id))
            await dialogue.send(encode_attributes([("flags", flags)]) + records)
            answer = await dialogue.receive()
            status = answer.integer(b"status")
        if status:
            raise ServiceFailed(f"{self._path}: refused with status {status}")
        return queue_id


def encode_message(sender: str, recipient: str, now_seconds: float, lines: Iterable[str]) -> bytes:
    """A message of this host itself as the records of a queue file (record(3))."""
    seconds = int(now_seconds)
    fields = [
        (b"T", f"{seconds} {int((now_seconds - seconds) * 1e6)}"),
        (b"A", "log_message_origin=local"),
        (b"A", "trace_flags=0"),
        (b"S", sender),
        (b"R", recipient),
        (b"M", ""),
        *((b"N", line) for line in lines),
        (b"X", ""),
        (b"E", ""),
    ]
    return b"".join([kind + _encode_text(text) for kind, text in fields])


def _encode_text(text: str) -> bytes:
    octets = text.encode("utf-8", "backslashreplace")
    length, encoded = len(octets), bytearray()
    while length >> _LENGTH_BITS:
        encoded.append(length & 0x7F | 0x80)
        length >>= _LENGTH_BITS
    encoded.append(length)
    return bytes(encoded) + octets


class TranscriptSender:
    """Sends what `delivery.postmaster` has to send."""

    def __init__(self, cleanup: Cleanup, site: Site, clock: Clock, flags: int) -> None:
        self._cleanup = cleanup
        self._site = site
        self._clock = clock
        self._flags = flags

    async def send(self, event: SessionBlamed) -> str:
        """Hand over the notice for a session; why that could not be, or nothing."""
        site, now = self._site, self._clock.wall_seconds()

        def write(queue_id: str) -> Iterable[str]:
            said = event.lines
            return write_transcript(event.transport, event.server.relay, said, site, queue_id=queue_id, now_seconds=now)

        try:
            await self._cleanup.submit(site.double_bounce_address, site.error_recipient, self._flags, now, write)
        except ServiceFailed as trouble:
            return str(trouble)
        return ""


def read_flags(settings: Settings) -> int:
    """How cleanup(8) is to treat notices to the postmaster."""
    flags = MAPS_ALLOWED
    if CLASS in settings.internal_mail_filter_classes:
        flags |= FILTERED
    if {CLASS, "all"}.intersection(settings.smtputf8_autodetect_classes):
        flags |= DETECTS_UTF8
    return flags


def make_postmaster(
    settings: Settings, installation: Installation, observer: Observer, clock: Clock
) -> Postmaster | None:
    """Who sends notices in an installation; None where `notify_classes` asks for none that an agent can give."""
    if not find_classes(settings):
        return None
    service_name = "cleanup_service_name"
    service = settings.text(service_name) if settings.is_set(service_name) else "cleanup"
    cleanup = Cleanup(f"public/{service}", announces=installation.announces, answer_seconds=installation.answer_seconds)
    return Postmaster(observer, TranscriptSender(cleanup, read_site(settings), clock, read_flags(settings)).send)
