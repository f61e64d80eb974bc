"""Notices with transcripts of sessions that went wrong, by the node's own queue (`notify_classes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailrider.dsn.report import Site
from mailrider.dsn.transcript import complete, qualify_recipient, write_client_transcript, write_transcript
from mailrider.events import SessionBlamed
from mailrider.model.request import BodyType, Envelope, Recipient
from mailrider.spool.spool import NotAccepted, Spool, Submission


async def send_transcript(event: SessionBlamed, spool: Spool, site: Site, now_seconds: Callable[[], float]) -> str:
    """Put the notice about a server into the queue; why that could not be, or nothing."""
    queue_id, whole = spool.new_queue_id(), qualify_recipient(site)
    relay, now = event.server.relay, now_seconds()
    lines = write_transcript(event.transport, relay, event.lines, whole, queue_id=queue_id, now_seconds=now)
    return await _send(lines, spool, whole, whole.error_recipient, queue_id)


async def send_client_transcript(
    client: str, reason: str, said: tuple[str, ...], spool: Spool, site: Site, now_seconds: float, *, bounced: bool
) -> str:
    """The same for a notice about a client; see `dsn.transcript`.

    `bounced`: what was wrong was with a message, which is for `bounce_notice_recipient` (class bounce).
    """
    queue_id, whole = spool.new_queue_id(), qualify_recipient(site)
    lines = write_client_transcript(client, reason, said, whole, queue_id=queue_id, now_seconds=now_seconds)
    recipient = site.qualify(site.bounce_recipient) if bounced else whole.error_recipient
    return await _send(lines, spool, whole, recipient, queue_id)


async def _send(lines: Iterable[str], spool: Spool, site: Site, recipient: str, queue_id: str) -> str:
    text = complete(lines, site, queue_id)
    envelope = Envelope(
        site.double_bounce_address,
        (Recipient(recipient),),
        body=BodyType.UNKNOWN if text.isascii() else BodyType.EIGHT_BIT,
    )
    answer = await spool.accept(Submission(envelope, origin="notice", queue_id=queue_id), text)
    return answer.text if isinstance(answer, NotAccepted) else ""
