"""The header of a message that a program of this host hands in: a Received field on top, what is missing at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailrider.content.completion import Origin, complete_header, is_all_header, split_fields
from mailrider.content.whole_address import Completion
from mailrider.errors import WrongUsage
from mailrider.intake.heading import HEADER_LIMIT_OCTETS, find_end


class Submitter(NamedTuple):
    """Whose mail begins its way here, and how addresses are made whole."""

    host_name: str
    mail_name: str
    completion: Completion


def complete_submission(
    chunks: Iterable[bytes], submitter: Submitter, queue_id: str, sender: str, date: str
) -> Iterator[bytes]:
    """The text, canonical as it came, with its header completed; only the header is gathered.

    An exception of `chunks` passes through.  Raises `WrongUsage` for a header that does not come to its end.
    """
    rest = iter(chunks)
    gathered = bytearray()
    end = -1
    for chunk in rest:
        searched = len(gathered)
        gathered += chunk
        end = find_end(gathered, searched)
        if end >= 0:
            break
        if len(gathered) > HEADER_LIMIT_OCTETS:
            if is_all_header(bytes(gathered)):
                raise WrongUsage(f"the header of the message is larger than {HEADER_LIMIT_OCTETS} octets")
            break
    header = bytes(gathered[:end]) if end >= 0 else bytes(gathered)
    fields, left = split_fields(header)
    facts = Origin(queue_id, submitter.host_name, date, sender)
    whole = complete_header(fields, facts, submitter.completion)
    received = (
        f"Received: by {submitter.host_name} ({submitter.mail_name}, from userid {os.getuid()})\r\n\tid {queue_id}; {date}\r\n"
    )
    body = left + (bytes(gathered[end:]) if end >= 0 else b"")
    if not body.startswith(b"\r\n"):
        body = b"\r\n" + body
    yield received.encode() + b"".join(whole) + body
    yield from rest
