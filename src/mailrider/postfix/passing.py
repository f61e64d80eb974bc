"""Handing recipients to another delivery agent of this Postfix (`best_mx_transport`): for it we are the queue manager.

One recipient goes in one request.  The other agent reports to Postfix by itself, so all that comes back is whether something
is left to do.
"""

from __future__ import annotations

import asyncio
from typing import Final

from mailrider.attributes.plain import MalformedAttributes
from mailrider.postfix.request import QueuedRecipient, QueueRequest, encode_request
from mailrider.postfix.services import ServiceDialogue, connect_service

PROTOCOL: Final = "delivery_request_protocol"
UNAVAILABLE: Final = "mail transport unavailable"
UNKNOWN_ERROR: Final = "unknown mail transport error"

_REASON_ATTRIBUTES = (b"status", b"diag_type", b"diag_text", b"mta_type", b"mta_mname", b"action", b"reason")


async def pass_on(
    request: QueueRequest, recipient: QueuedRecipient, service: str, *, announces: bool, limit_seconds: float
) -> int | str:
    """The status that the other agent gave, 0 for "nothing left to do"; a text is why it could not be asked.

    `service` is `transport` or `transport:nexthop`.
    """
    transport, _, nexthop = service.partition(":")
    try:
        async with asyncio.timeout(limit_seconds):
            try:
                dialogue = await connect_service(f"private/{transport}")
            except OSError:
                return UNAVAILABLE
            try:
                return await _converse(dialogue, request, recipient, nexthop or request.nexthop, announces)
            finally:
                dialogue.close()
    except TimeoutError:
        return UNKNOWN_ERROR


async def _converse(
    dialogue: ServiceDialogue, request: QueueRequest, recipient: QueuedRecipient, nexthop: str, announces: bool
) -> int | str:
    try:
        if announces:
            await dialogue.expect_protocol(PROTOCOL)
        else:
            (await dialogue.receive()).integer(b"status")
        await dialogue.send(encode_request(request, nexthop, recipient))
    except (OSError, EOFError, MalformedAttributes):
        return UNAVAILABLE
    try:
        answer = await dialogue.receive()
        for name in _REASON_ATTRIBUTES:
            answer.octets(name)
        status = answer.integer(b"status")
        answer.end()
    except (OSError, EOFError, MalformedAttributes):
        return UNKNOWN_ERROR
    return status
