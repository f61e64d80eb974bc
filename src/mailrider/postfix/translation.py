"""A request of the queue manager in the words of the core, and the core's report in those of the queue manager."""

from __future__ import annotations

from collections.abc import Mapping

from mailrider.attributes.plain import encode_attributes
from mailrider.model.outcome import DestinationTrouble
from mailrider.model.request import (
    NO_CLIENT,
    BodyType,
    Content,
    DeliveryRequest,
    Envelope,
    Notify,
    Recipient,
    Transport,
)
from mailrider.postfix.request import (
    CACHE_LOAD,
    CACHE_STORE,
    RECORD_ALL,
    REQUIRETLS,
    UTF8_REQUESTED,
    QueueRequest,
)

DONE = 0
RETRY = -1
"""The status of a request after which something is left to do."""

LOCAL_CONTEXT = "local"
"""`rewrite_context` of mail that was submitted on this host or by one of ours."""

_NOTIFY = tuple(Notify(bits) for bits in range(16))
_RET = {1: "FULL", 2: "HDRS"}
_BODY = {"7bit": BodyType.SEVEN_BIT, "8bit": BodyType.EIGHT_BIT}


def make_delivery_request(queued: QueueRequest, content: Content, transport: Transport, service: str) -> DeliveryRequest:
    """What the core is to do."""
    recipients = tuple(
        [
            Recipient(entry.address, entry.original, entry.orcpt, _NOTIFY[entry.notify & 15], entry)
            for entry in queued.recipients
        ]
    )
    return DeliveryRequest(
        envelope=Envelope(
            sender=queued.sender,
            recipients=recipients,
            envid=queued.envid,
            ret=_RET.get(queued.ret, ""),
            body=_BODY.get(queued.encoding, BodyType.UNKNOWN),
            smtputf8=bool(queued.options & UTF8_REQUESTED),
            requiretls=bool(queued.options & REQUIRETLS),
        ),
        content=content,
        nexthop=queued.nexthop,
        transport=transport,
        service=service,
        queue_id=queued.queue_id,
        arrival_seconds=queued.times.arrival_seconds,
        active_seconds=queued.times.active_seconds,
        probe=queued.probe,
        trace=bool(queued.flags & RECORD_ALL),
        cache_load=bool(queued.flags & CACHE_LOAD),
        cache_store=bool(queued.flags & CACHE_STORE),
        client=_describe_client(queued),
    )


def _describe_client(queued: QueueRequest) -> Mapping[str, str]:
    """The XFORWARD attributes of who submitted the message; none for mail of this host itself."""
    client = queued.client
    values = {
        "name": client.name,
        "addr": client.address,
        "port": client.port,
        "proto": client.protocol,
        "helo": client.helo,
        "ident": queued.log_ident,
    }
    known = {name: value for name, value in values.items() if value}
    if not known and queued.rewrite_context == LOCAL_CONTEXT:
        return NO_CLIENT
    return {**known, "source": "LOCAL" if queued.rewrite_context == LOCAL_CONTEXT else "REMOTE"}


def encode_final_reply(status: int, trouble: DestinationTrouble | None) -> bytes:
    """The last word about a request.

    `status` other than 0 keeps the message in the queue; `trouble`, the failure of a whole site, makes the queue manager send
    less there, or nothing for a while.
    """
    return encode_attributes(
        [
            ("status", trouble.status_code if trouble is not None else ""),
            ("diag_type", ""),
            ("diag_text", ""),
            ("mta_type", ""),
            ("mta_mname", ""),
            ("action", ""),
            ("reason", trouble.text if trouble is not None else ""),
            ("status", status),
        ]
    )


FINAL_DONE = encode_final_reply(DONE, None)
FINAL_RETRY = encode_final_reply(RETRY, None)
