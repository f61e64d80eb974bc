"""Notices with the transcript of a session that went wrong, laid out as smtp(8) and smtpd(8) do (`notify_classes`).

It is plain text and not a delivery status notification: nobody's mail is the subject, but how two programs talk.  What was
said stands one column to the right, so that no line of it can be taken for anything else, and is made printable and wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mailrider.dsn.report import Site
from mailrider.dsn.wrap import format_date, wrap_line
from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable
from mailrider.model.request import Transport

LINE_CHARACTERS = 78
"""How long a line of the transcript gets, behind its first blank (smtp(8))."""

LAST_LINE = "For other details, see the local mail logfile"

_ADDRESS = "MAILER-DAEMON"


def write_transcript(
    transport: Transport, relay: str, said: Sequence[str], site: Site, *, queue_id: str, now_seconds: float
) -> Iterator[str]:
    """The lines of the notice about a server, without their ends, as smtp(8) hands them to cleanup(8).

    `relay` is the server (`H[A]:P`), `said` what was said (`Out: command`, `In:  reply`), `queue_id` that of the notice.
    """
    title = f"{transport.value.upper()} client: errors from {make_printable(relay)}"
    yield from _write_header(site, title, queue_id, now_seconds)
    yield ""
    yield f"Unexpected response from {make_printable(relay)}."
    yield ""
    yield from _write_said(said)
    yield ""
    yield LAST_LINE


def write_client_transcript(
    client: str, reason: str, said: Sequence[str], site: Site, *, queue_id: str, now_seconds: float
) -> Iterator[str]:
    """The lines of the notice about a client of ours, as smtpd(8) writes them.

    `client` is its name and address (`N[A]`), `reason` why the session ended before its time, or empty, `said` what was said
    (`Out: reply`, `In:  command`).
    """
    yield from _write_header(site, f"SMTP server: errors from {make_printable(client)}", queue_id, now_seconds)
    yield ""
    yield from _write_said(said)
    yield ""
    if reason:
        yield f"Session aborted, reason: {reason}"
    yield ""
    yield LAST_LINE


def complete(lines: Iterable[str], site: Site, queue_id: str) -> bytes:
    """The lines of a notice as a whole message, CRLF line ends, its header completed as cleanup(8) would.

    The recipient in the header must have its domain already, see `qualify_recipient`.
    """
    whole: list[str] = []
    for line in lines:
        if not line and "" not in whole:
            whole.append(f"Message-Id: <{queue_id}@{site.host_name}>")
        whole.append(line)
    return "".join([line + "\r\n" for line in whole]).encode("utf-8", "backslashreplace")


def qualify_recipient(site: Site) -> Site:
    """The site with the whole address of its `error_recipient`."""
    return replace(site, error_recipient=site.qualify(site.error_recipient))


def _write_header(site: Site, subject: str, queue_id: str, now_seconds: float) -> Iterator[str]:
    date = format_date(now_seconds)
    yield f"Received: by {site.host_name} ({site.mail_name})"
    yield f"\tid {queue_id}; {date}"
    yield f"Date: {date}"
    yield from _write_names(site, make_printable(quote_local_part(site.error_recipient)))
    yield f"Subject: {site.mail_name} {subject}"


def _write_said(said: Sequence[str]) -> Iterator[str]:
    yield "Transcript of session follows."
    yield ""
    for line in said:
        yield from (" " + piece for piece in wrap_line(make_printable(line), LINE_CHARACTERS))


def _write_names(site: Site, recipient: str) -> Iterator[str]:
    sender = f"{_ADDRESS}@{site.host_name}"
    if site.obsolete_sender:
        yield f"From: {sender} (Mail Delivery System)"
        yield f"To: {recipient} (Postmaster)"
    else:
        yield f"From: Mail Delivery System <{sender}>"
        yield f"To: Postmaster <{recipient}>"
