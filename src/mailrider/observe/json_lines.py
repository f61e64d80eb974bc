"""Events as one JSON object per line (`--log-format json`), for programs that read logs.

Every object has `event`; where a clock was given also `time`, seconds since the epoch.  The other keys:

`settled`            `queue_id`, `recipient`, `original` (only where it differs), `sender`, `status` (`sent`, `deferred`,
                     `bounced`, `deliverable`, `undeliverable`), `soft_bounce` (true where a bounce was held back), `dsn`,
                     `relay`, `remote_mta` and `reply` (null where no server decided), `action`, `conn_use`, `in_doubt`,
                     `delay` and `delays` (a list of four: before the queue, in it, set-up, transmission; seconds), `text`,
                     `tls` (only with `smtp_log_tls_feature_status`)
`failed_softly`      `queue_id`, `text`: another server will be tried
`connect_failed`     `queue_id`, `relay`, `text`
`handed_over`        `queue_id`, `recipient`, `transport`
`reply_garbled`      `queue_id`, `relay`, `transport`, `pipelining`, `line`
`reply_overlong`     `relay`, `limit`, `multiline`, `beginning`
`reply_replaced`     `relay`, `original`, `replacement`
`noted`, `warned`    `queue_id` (empty where it belongs to no message), `text`
`connection_opened`  `queue_id`, `relay`, `features`
`tls_established`    `queue_id`, `relay`, `level`, `standing` (`Anonymous`, `Untrusted`, `Trusted`, `Verified`), `protocol`,
                     `cipher`, `resumed`, `problem`
`tls_failed`         `queue_id`, `relay`, `reason`
`connection_closed`  `relay`, `uses`
`command`, `reply`   `relay`, `line` or `text`: only where a transcript is wanted

Addresses are in their inside form, unquoted.  Everything outside printable ASCII is escaped, so a line is one line
whatever it holds, and octets that were never text come out as lone surrogates (`\\udcXX`).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from mailrider.clock import Clock
from mailrider.events import (
    CommandSent,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HandedOver,
    Noted,
    RecipientSettled,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReceived,
    ReplyReplaced,
    ServerFailedSoftly,
    SessionBlamed,
    TlsEstablished,
    TlsFailed,
    TlsJudged,
    Warned,
)
from mailrider.model.tls import TlsFacts

_encode = json.JSONEncoder(separators=(", ", ": "), check_circular=False).encode

Fields = dict[str, object]

TIME_DECIMALS = 6
"""Decimals of times and delays: the clock counts microseconds."""


class JsonLog:
    """An `events.Observer` that gives each event to `write` as the text of one JSON object, without a line end."""

    __slots__ = ("_clock", "_write")

    def __init__(self, write: Callable[[str], object], *, clock: Clock | None = None) -> None:
        self._write = write
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Write the object that tells `event`."""
        fields = _describe(event)
        if self._clock is not None:
            fields["time"] = round(self._clock.wall_seconds(), TIME_DECIMALS)
        self._write(_encode(fields))


def _describe(event: Event) -> Fields:
    """The object for `event`; its key `event` comes first."""
    if isinstance(event, RecipientSettled):
        return _describe_settled(event)
    match event:
        case ServerFailedSoftly():
            return {"event": "failed_softly", "queue_id": event.queue_id, "text": event.text}
        case ConnectFailed():
            return {
                "event": "connect_failed",
                "queue_id": event.queue_id,
                "relay": event.server.relay,
                "text": event.text,
            }
        case HandedOver():
            return {
                "event": "handed_over",
                "queue_id": event.queue_id,
                "recipient": event.recipient.address,
                "transport": event.transport,
            }
        case Noted():
            return {"event": "noted", "queue_id": event.queue_id, "text": event.text}
        case Warned():
            return {"event": "warned", "queue_id": event.queue_id, "text": event.text}
        case TlsJudged():
            return {
                "event": "tls_judged",
                "relay": event.server.relay,
                "domain": event.domain,
                "policy_type": event.policy_type,
                "result": event.result,
                "detail": event.detail,
            }
        case _:
            return _describe_connection(event)


def _describe_connection(
    event: ReplyGarbled
    | ReplyOverlong
    | ReplyReplaced
    | ConnectionOpened
    | TlsEstablished
    | TlsFailed
    | SessionBlamed
    | ConnectionClosed
    | CommandSent
    | ReplyReceived,
) -> Fields:
    """What happens on one connection."""
    fields: Fields = {"event": "", "relay": event.server.relay}
    match event:
        case ReplyGarbled():
            fields |= {"event": "reply_garbled", "queue_id": event.queue_id, "transport": event.transport.value}
            fields |= {"pipelining": event.pipelining, "line": event.line}
        case ReplyOverlong():
            fields |= {"event": "reply_overlong", "limit": event.limit_octets}
            fields |= {"multiline": event.multiline, "beginning": event.beginning}
        case ReplyReplaced():
            fields |= {"event": "reply_replaced", "original": event.original, "replacement": event.replacement}
        case ConnectionOpened():
            fields |= {"event": "connection_opened", "queue_id": event.queue_id, "features": event.features}
        case TlsEstablished():
            fields |= {"event": "tls_established", "queue_id": event.queue_id} | _describe_tls(event.facts)
        case TlsFailed():
            fields |= {"event": "tls_failed", "queue_id": event.queue_id, "reason": event.reason}
        case SessionBlamed():
            fields |= {"event": "session_blamed", "queue_id": event.queue_id, "lines": event.lines}
        case ConnectionClosed():
            fields |= {"event": "connection_closed", "uses": event.uses}
        case CommandSent():
            fields |= {"event": "command", "line": event.line}
        case ReplyReceived():
            fields |= {"event": "reply", "text": event.text}
    return fields


def _describe_tls(facts: TlsFacts) -> Fields:
    return {
        "level": facts.level.word,
        "standing": facts.peer.standing.value,
        "protocol": facts.protocol,
        "cipher": facts.cipher,
        "resumed": facts.resumed,
        "problem": facts.peer.problem,
    }


def _describe_settled(event: RecipientSettled) -> Fields:
    request, recipient, outcome = event
    fields: Fields = {"event": "settled", "queue_id": request.queue_id, "recipient": recipient.address}
    if recipient.original and recipient.original != recipient.address:
        fields["original"] = recipient.original
    fields |= {
        "sender": request.envelope.sender,
        "status": outcome.status._value_,
        "soft_bounce": outcome.soft_bounced,
        "dsn": outcome.status_code,
        "relay": outcome.relay,
        "remote_mta": outcome.remote_mta,
        "reply": outcome.reply,
        "action": outcome.action._value_,
        "conn_use": outcome.connection_use,
        "in_doubt": outcome.in_doubt,
        "delay": round(sum(outcome.delays), TIME_DECIMALS),
        "delays": [round(delay, TIME_DECIMALS) for delay in outcome.delays],
        "text": outcome.text,
    }
    if outcome.tls:
        fields["tls"] = outcome.tls
    return fields
