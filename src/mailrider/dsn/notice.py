"""A notice as octets, laid out as bounce(8) does: words, delivery status and the message (RFC 3464, RFC 6533).

Everything that a server or a sender said is made printable and wrapped before it goes in; the message itself is copied as it
lies in the spool, and comes in pieces, so that a large one is not held in memory.  A message that breaks off while it is
read is returned as far as it went: telling the sender matters more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailrider.dsn.plan import Plan
from mailrider.dsn.report import Kind, Message, Original, Report, Site
from mailrider.dsn.template import expand_lines
from mailrider.dsn.wrap import format_date, wrap_line
from mailrider.errors import ContentUnreadable
from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable

HEADER_LIMIT_OCTETS = 1024 * 1024
"""Of a message whose header is longer only the beginning is returned (`header_size_limit` is a tenth of it)."""

_NOT_ATOM = str.maketrans(dict.fromkeys(" \t\r\n()<>@,;:\\\".[]", "-"))
_HEADER_LINE = re.compile(rb"[ \t]|[!-9;-~]+[ \t]*:")
_MESSAGE_ID = re.compile(rb"\r\nMessage-Id[ \t]*:(?:\r\n)?[ \t]*(<[^<>\s]{1,998}>)\s*(?=\r\n[^ \t]|\Z)", re.IGNORECASE)
_UNAVAILABLE = "\t--- Undelivered message unavailable ---"


def compose(plan: Plan, message: Message, site: Site, *, queue_id: str, now_seconds: float) -> Iterator[bytes]:
    """The text of a notice, CRLF line ends, in pieces.  `queue_id` is that of the notice itself."""
    writer = _Writer(plan, message, site, queue_id, now_seconds)
    lines = [*writer.header(), *writer.words(), *writer.status(), *writer.original_header()]
    yield _to_octets(lines)
    yield from writer.original()
    yield _to_octets(["", f"--{writer.boundary}--"])


def _to_octets(lines: list[str]) -> bytes:
    return "".join([line + "\r\n" for line in lines]).encode("utf-8", "backslashreplace")


def _quote(address: str) -> str:
    """An address of the world in a line of ours."""
    return make_printable(quote_local_part(address))


class _Writer:
    """The parts of one notice, line by line."""

    def __init__(self, plan: Plan, message: Message, site: Site, queue_id: str, now_seconds: float) -> None:
        self._plan = plan
        self._message = message
        self._site = site
        self._queue_id = queue_id
        self._now_seconds = now_seconds
        self._template = site.template(plan.kind)
        self._encoding = "8bit" if site.eight_bit or self._template.eight_bit else "7bit"
        self._name = site.mail_name.translate(_NOT_ATOM)
        self._sender = _quote(message.sender or f"MAILER-DAEMON@{site.host_name}")
        self.boundary = f"{message.queue_id}.{int(now_seconds)}/{site.host_name}"
        original = message.original
        large = original is not None and original.size_octets > site.size_limit_octets
        self._headers_only = plan.headers_only or large

    def header(self) -> Iterator[str]:
        plan, site, template = self._plan, self._site, self._template
        date = format_date(self._now_seconds)
        subject = template.postmaster_subject if plan.postmaster_copy and template.postmaster_subject else template.subject
        yield f"Received: by {site.host_name} ({site.mail_name})"
        yield f"\tid {self._queue_id}; {date}"
        yield f"Date: {date}"
        yield f"From: {self._from_line()}"
        yield f"Subject: {subject}"
        yield f"To: {_quote(plan.recipient)}"
        if site.threaded and self._message.message_id:
            identifier = make_printable(self._message.message_id)
            yield f"References: {identifier}"
            yield f"In-Reply-To: {identifier}"
        yield f"Auto-Submitted: {'auto-generated' if plan.postmaster_copy else 'auto-replied'}"
        yield "MIME-Version: 1.0"
        yield "Content-Type: multipart/report; report-type=delivery-status;"
        yield f'\tboundary="{self.boundary}"'
        yield f"Content-Transfer-Encoding: {self._encoding}"
        yield f"Message-Id: <{self._queue_id}@{site.host_name}>"
        yield ""
        yield "This is a MIME-encapsulated message."

    def _from_line(self) -> str:
        """The address gets its domain, as any local address in a header does."""
        line = self._template.sender_line(obsolete=self._site.obsolete_sender)
        if "@" in line:
            return line
        start, bracket, rest = line.partition("<")
        if bracket:
            address, _, end = rest.partition(">")
            return f"{start}<{address}@{self._site.origin}>{end}"
        address, blank, comment = line.partition(" ")
        return f"{address}@{self._site.origin}{blank}{comment}"

    def words(self) -> Iterator[str]:
        """What a person reads."""
        charset = self._template.charset
        if charset.lower() == "us-ascii" and self._encoding == "8bit":
            charset = "utf-8"
        yield from self._part("Notification", f"text/plain; charset={charset}", encoded=True)
        if not self._plan.postmaster_copy:
            yield from expand_lines(self._template, self._site.lookup, self._site.seconds_of)
        for report in self._plan.reports:
            recipient = report.recipient
            address = f"<{_quote(recipient.address)}>"
            if recipient.original and recipient.original != recipient.address:
                address += f" (expanded from <{_quote(recipient.original)}>)"
            yield ""
            yield from wrap_line(f"{address}: {make_printable(report.text)}")

    def status(self) -> Iterator[str]:
        """What a program reads (RFC 3464 §2)."""
        message, site = self._message, self._site
        kind = "message/global-delivery-status" if message.smtputf8 else "message/delivery-status"
        yield from self._part("Delivery report", kind, encoded=message.smtputf8)
        yield f"Reporting-MTA: dns; {site.host_name}"
        if message.envid:
            yield f"Original-Envelope-Id: {make_printable(message.envid)}"
        yield f"X-{self._name}-Queue-ID: {message.queue_id}"
        yield f"X-{self._name}-Sender: {self._type(self._sender)}; {self._sender}"
        if message.arrival_seconds > 0:
            yield f"Arrival-Date: {format_date(message.arrival_seconds)}"
        for report in self._plan.reports:
            yield ""
            yield from self._report(report)

    def _report(self, report: Report) -> Iterator[str]:
        recipient = report.recipient
        final = _quote(recipient.address)
        yield f"Final-Recipient: {self._type(final)}; {final}"
        if recipient.orcpt:
            yield f"Original-Recipient: {make_printable(recipient.orcpt)}"
        elif recipient.original:
            original = _quote(recipient.original)
            yield f"Original-Recipient: {self._type(original)}; {original}"
        elif recipient.address:
            yield f"Original-Recipient: {self._type(final)};{final}"
        yield f"Action: {'failed' if self._plan.kind is Kind.FAILURE else report.action}"
        yield f"Status: {report.status_code}"
        if report.remote_mta:
            yield from wrap_line(f"Remote-MTA: dns; {make_printable(report.remote_mta)}")
        if report.reply:
            yield from wrap_line(f"Diagnostic-Code: smtp; {make_printable(report.reply)}")
        else:
            yield from wrap_line(f"Diagnostic-Code: X-{self._name}; {make_printable(report.text)}")
        if self._plan.kind is Kind.DELAY:
            until = self._message.arrival_seconds + self._site.lifetime_seconds
            yield f"Will-Retry-Until: {format_date(until)}"

    def _type(self, address: str) -> str:
        """The address type (RFC 6533 §3): utf-8 only where the message itself came that way."""
        return "utf-8" if self._message.smtputf8 and not address.isascii() else "rfc822"

    def original_header(self) -> Iterator[str]:
        """The beginning of the third part."""
        what = "Message Headers" if self._headers_only else "Message"
        if self._plan.kind is not Kind.SUCCESS:
            what = "Undelivered " + what
        if self._message.smtputf8:
            kind = "message/global-headers" if self._headers_only else "message/global"
        else:
            kind = "text/rfc822-headers" if self._headers_only else "message/rfc822"
        yield from self._part(what, kind, encoded=True)
        if self._message.original is None:
            yield _UNAVAILABLE
        else:
            yield f"Return-Path: <{self._sender}>"

    def original(self) -> Iterator[bytes]:
        """The message, or its header."""
        original = self._message.original
        if original is None:
            return
        try:
            if self._headers_only:
                yield take_header(original.chunks())
            else:
                yield from original.chunks()
        except ContentUnreadable:
            yield b"\r\n" + _UNAVAILABLE.encode() + b"\r\n"

    def _part(self, description: str, kind: str, *, encoded: bool) -> Iterator[str]:
        yield ""
        yield f"--{self.boundary}"
        yield f"Content-Description: {description}"
        yield f"Content-Type: {kind}"
        if encoded and self._encoding == "8bit":
            yield "Content-Transfer-Encoding: 8bit"
        yield ""


def find_message_id(original: Original) -> str:
    """The Message-Id of a message, in angle brackets; empty where it has none that makes sense."""
    try:
        header = take_header(original.chunks())
    except ContentUnreadable:
        return ""
    found = _MESSAGE_ID.search(b"\r\n" + header)
    return found[1].decode("ascii", "replace") if found is not None else ""


def take_header(chunks: Iterator[bytes]) -> bytes:
    """The header fields at the beginning of a message, without the empty line after them."""
    text = b""
    for chunk in chunks:
        text += chunk
        if b"\r\n\r\n" in text or len(text) > HEADER_LIMIT_OCTETS:
            break
    header = []
    for line in text[:HEADER_LIMIT_OCTETS].split(b"\r\n")[:-1]:
        if not _HEADER_LINE.match(line):
            break
        header.append(line + b"\r\n")
    return b"".join(header)
