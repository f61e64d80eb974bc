"""The notice with the transcript of a session that went wrong, laid out as smtp(8) does (`notify_classes`).

It is plain text and not a delivery status notification: nobody's mail is the subject, but how two programs talk.  What was
said stands one column to the right, so that no line of it can be taken for anything else, and is made printable and wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mailrider.dsn.report import Site
from mailrider.dsn.wrap import format_date, show_text, wrap_line
from mailrider.model.address import quote_local_part
from mailrider.model.request import Transport

LINE_CHARACTERS = 78
"""How long a line of the transcript gets, behind its first blank (smtp(8))."""

_ADDRESS = "MAILER-DAEMON"


def write_transcript(
    transport: Transport, relay: str, said: Sequence[str], site: Site, *, queue_id: str, now_seconds: float
) -> Iterator[str]:
    """The lines of the notice, without their ends, as smtp(8) hands them to cleanup(8).

    `relay` is the server (`H[A]:P`), `said` what was said (`Out: command`, `In:  reply`), `queue_id` that of the notice.
    """
    date = format_date(now_seconds)
    yield f"Received: by {site.host_name} ({site.mail_name})"
    yield f"\tid {queue_id}; {date}"
    yield f"Date: {date}"
    yield from _write_names(site, show_text(quote_local_part(site.error_recipient)))
    yield f"Subject: {site.mail_name} {transport.value.upper()} client: errors from {show_text(relay)}"
    yield ""
    yield f"Unexpected response from {show_text(relay)}."
    yield ""
    yield "Transcript of session follows."
    yield ""
    for line in said:
        yield from (" " + piece for piece in wrap_line(show_text(line), LINE_CHARACTERS))
    yield ""
    yield "For other details, see the local mail logfile"


def compose_transcript(
    transport: Transport, relay: str, said: Sequence[str], site: Site, *, queue_id: str, now_seconds: float
) -> bytes:
    """The same as a whole message, CRLF line ends, its header completed as cleanup(8) would."""
    lines: list[str] = []
    header = True
    whole = replace(site, error_recipient=site.qualify(site.error_recipient))
    for line in write_transcript(transport, relay, said, whole, queue_id=queue_id, now_seconds=now_seconds):
        if header and not line:
            header = False
            lines.append(f"Message-Id: <{queue_id}@{site.host_name}>")
        lines.append(line)
    return "".join([line + "\r\n" for line in lines]).encode("utf-8", "backslashreplace")


def _write_names(site: Site, recipient: str) -> Iterator[str]:
    sender = f"{_ADDRESS}@{site.host_name}"
    if site.obsolete_sender:
        yield f"From: {sender} (Mail Delivery System)"
        yield f"To: {recipient} (Postmaster)"
    else:
        yield f"From: Mail Delivery System <{sender}>"
        yield f"To: Postmaster <{recipient}>"
