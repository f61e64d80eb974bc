"""Notices with transcripts of sessions that went wrong, by the node's own queue (`notify_classes`)."""

from __future__ import annotations

from collections.abc import Callable

from mailrider.dsn.report import Site
from mailrider.dsn.transcript import compose_transcript
from mailrider.events import SessionBlamed
from mailrider.model.request import BodyType, Envelope, Recipient
from mailrider.spool.spool import NotAccepted, Spool, Submission


async def send_transcript(event: SessionBlamed, spool: Spool, site: Site, now_seconds: Callable[[], float]) -> str:
    """Put the notice into the queue; why that could not be, or nothing."""
    queue_id = spool.new_queue_id()
    text = compose_transcript(
        event.transport, event.server.relay, event.lines, site, queue_id=queue_id, now_seconds=now_seconds()
    )
    envelope = Envelope(
        site.double_bounce_address,
        (Recipient(site.qualify(site.error_recipient)),),
        body=BodyType.UNKNOWN if text.isascii() else BodyType.EIGHT_BIT,
    )
    answer = await spool.accept(Submission(envelope, origin="notice", queue_id=queue_id), text)
    return answer.text if isinstance(answer, NotAccepted) else ""
