"""The header of a message on its way in: a Received field on top, what is missing at the end (smtpd(8), cleanup(8)).

The header is gathered until its end is there.  A header of more than `HEADER_LIMIT_OCTETS` is refused; where so much has come
that is no header, the body has begun without an empty line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailrider.content.canonical import finds_8bit_label
from mailrider.content.completion import DROPPED, Origin, complete_header, split_fields
from mailrider.content.fields import name_of
from mailrider.content.whole_address import Completion
from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable
from mailrider.model.request import Envelope
from mailrider.spool.files import SMALL_OCTETS

HEADER_LIMIT_OCTETS = 1024 * 1024
"""As `sendmail` does: ten times the `header_size_limit` of one field."""

_MAILBOX_LINE = re.compile(rb">*From ")
_HEADER_END = b"\r\n\r\n"
REQUIRETLS_FIELD = b"Require-TLS-ESMTP: yes\r\n"
"""What tells of a wish for REQUIRETLS where ESMTP cannot, as to a content filter (postconf(5), `requiretls_esmtp_header`)."""

_REQUIRETLS = re.compile(rb"require-tls-esmtp[ \t]*:[ \t]*yes[ \t]*\r\n\Z", re.IGNORECASE)


class Trace(NamedTuple):
    """What a Received field says.  `client` is `name [address]`; `login` empty where it is not to be told."""

    helo: str
    client: str
    host_name: str
    mail_name: str
    protocol: str
    queue_id: str
    date: str
    tls: str = ""
    login: str = ""


class Heading(NamedTuple):
    """A whole header, its line end and the beginning of the body after it.

    `hops` are the Received fields that were there, `message_id` the one that the message has now.  `asks_requiretls`: a field
    tells of REQUIRETLS.
    """

    octets: bytes
    hops: int
    message_id: str
    labelled_8bit: bool
    asks_requiretls: bool = False


def write_received(trace: Trace, envelope: Envelope) -> bytes:
    """The Received field as smtpd(8) writes it."""
    lines = [f"Received: from {make_printable(trace.helo)} ({trace.client})"]
    if trace.tls:
        lines.append(f"\t({trace.tls})\r\n\t(No client certificate requested)")
    if trace.login:
        lines.append(f"\t(Authenticated sender: {_comment(trace.login)})")
    by = f"\tby {trace.host_name} ({trace.mail_name}) with {trace.protocol} id {trace.queue_id}"
    if len(envelope.recipients) == 1:
        lines.append(by)
        lines.append(f"\tfor <{quote_local_part(envelope.recipients[0].address)}>; {trace.date}")
    else:
        lines.append(f"{by}; {trace.date}")
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def _comment(text: str) -> str:
    """A login name inside a comment (RFC 5322 §3.2.2)."""
    return "".join(one if one.isascii() and one.isprintable() and one not in "\\()" else "?" for one in text)


def find_end(gathered: bytes | bytearray, searched: int = 0) -> int:
    """Where the body begins, at its empty line, or -1 where the header has not ended.

    What was `searched` before has no end in it.
    """
    if gathered.startswith(b"\r\n"):
        return 0
    end = gathered.find(_HEADER_END, max(0, searched - len(_HEADER_END)))
    return end + 2 if end >= 0 else -1


def make_heading(
    header: bytes, trace: Trace, envelope: Envelope, *, completes: bool, completion: Completion, passes_requiretls: bool = False
) -> Heading:
    """`header` is what came, up to the empty line.  `completes`: the message begins its way here, and `completion` makes its
    addresses whole.

    `passes_requiretls`: a wish for REQUIRETLS is told in a field.
    """
    if _MAILBOX_LINE.match(header):
        header = b"X-Mailbox-Line: " + header
    fields, rest = split_fields(header)
    hops = sum(1 for field in fields if name_of(field) == b"received")
    if completes:
        facts = Origin(trace.queue_id, trace.host_name, trace.date, envelope.sender)
        fields = complete_header(fields, facts, completion)
    else:
        fields = [field for field in fields if name_of(field) not in DROPPED]
    asks = passes_requiretls and any(_REQUIRETLS.match(field) for field in fields)
    if passes_requiretls and envelope.requiretls and not asks:
        fields.append(REQUIRETLS_FIELD)
    if rest and not rest.startswith(b"\r\n"):
        rest = b"\r\n" + rest
    octets = write_received(trace, envelope) + b"".join(fields)
    return Heading(octets + rest, hops, _find_message_id(fields), finds_8bit_label(b"".join(fields)), asks)


def _find_message_id(fields: list[bytes]) -> str:
    for field in reversed(fields):
        if name_of(field) in (b"message-id", b"resent-message-id"):
            return " ".join(field.partition(b":")[2].decode("utf-8", "replace").split())
    return ""


assert HEADER_LIMIT_OCTETS > SMALL_OCTETS
