"""What `flags=` of a service demands before a server is asked: one recipient, and no loop (smtp(8), "flags=DORX").

`D` and `O` add a header field that names the recipient, so a request of theirs has exactly one; with more, all are deferred
until `SERVICE_destination_recipient_limit` is 1.  `D` also looks for a Delivered-To field with the same recipient: such
a message has been here before, and bounces.  The comparison is of folded addresses, after the generic maps.
"""

from __future__ import annotations

import re

from mailrider.content.address_tokens import quote_address
from mailrider.content.fields import FIELD_BEGINNING, name_of
from mailrider.content.prepend import DELIVERED_TO, ORIGINAL_TO
from mailrider.delivery.progress import Progress
from mailrider.delivery.trouble import Failure
from mailrider.errors import ContentUnreadable, TableTrouble
from mailrider.events import Warned
from mailrider.model import status as status_code
from mailrider.model.request import Content
from mailrider.smtp.refusal import Scope

HEADER_LIMIT_OCTETS = 4 << 20
"""How much of a message is searched for Delivered-To fields."""

FIELDS_LIMIT = 1000
"""How many of them are looked at, as in smtp(8)."""

_LINE = re.compile(rb"([^\r\n]*)\r?\n")


async def meet_flags(progress: Progress) -> bool:
    """Whether the request may go on.  If not, every recipient has been settled."""
    profile, request = progress.profile, progress.request
    failure = None
    if len(request.envelope.recipients) > 1:
        for flag in (DELIVERED_TO, ORIGINAL_TO):
            if flag in profile.flags:
                text = f"flag `{flag}' requires {request.service}_destination_recipient_limit = 1"
                progress.observer(Warned(text))
                failure = Failure(Scope.MESSAGE, status_code.CONFIGURATION_ERROR, "mail system configuration error")
                break
    elif DELIVERED_TO in profile.flags:
        failure = _find_loop(progress)
    if failure is None:
        return True
    await progress.fail_all(failure, None, last_server=True)
    return False


def _find_loop(progress: Progress) -> Failure | None:
    request, generic = progress.request, progress.profile.lookups.generic
    address = request.envelope.recipients[0].address
    try:
        rewritten = (generic(address) if generic is not None else None) or address
    except TableTrouble as trouble:
        progress.observer(Warned(str(trouble), request.queue_id))
        return Failure(Scope.MESSAGE, status_code.LOCAL_DATA_ERROR, "table lookup error")
    wanted = _fold(quote_address(rewritten.encode("utf-8", "surrogateescape")))
    try:
        seen = wanted in read_delivered_to(request.content)
    except ContentUnreadable:
        return None  # the delivery will find out, and say so
    return Failure(Scope.MESSAGE, status_code.LOOP, f"mail forwarding loop for {address}") if seen else None


def read_delivered_to(content: Content) -> set[str]:
    """The addresses of all Delivered-To fields at the head of a message, folded."""
    header = bytearray()
    for chunk in content.chunks():
        header += chunk
        if b"\n\r\n" in header or b"\n\n" in header or len(header) > HEADER_LIMIT_OCTETS:
            break
    found: set[str] = set()
    for match in _LINE.finditer(header, 0, HEADER_LIMIT_OCTETS):
        line = match[1]
        if FIELD_BEGINNING.match(line):
            if name_of(line) == b"delivered-to":
                found.add(_fold(line.partition(b":")[2].strip()))
                if len(found) >= FIELDS_LIMIT:
                    break
        elif line[:1] not in (b" ", b"\t"):
            break
    return found


def _fold(address: bytes) -> str:
    return address.decode("utf-8", "surrogateescape").casefold()
