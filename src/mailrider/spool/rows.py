"""What the spool says of a message and a recipient, as texts that any storage can hold, and back.

The envelope of a message, the words of a recipient and an outcome are JSON in ASCII: an address with octets that are no UTF-8
survives, and a field that a later release adds does not change the tables.  What a storage must be able to search or
sort by (domain, sender, times) has a column of its own; `searchable` makes such a text harmless.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from mailrider.model.outcome import NO_DELAYS, Action, Delays, Outcome, Status
from mailrider.model.request import NO_CLIENT, BodyType, Envelope, Notify, Recipient
from mailrider.spool.spool import InDoubt, OpenRecipient, PastFailure, StoredMessage, Submission

OUTCOMES_REMEMBERED = 64
"""A destination that fails gives one outcome to many recipients."""

ENVELOPES_REMEMBERED = 64
"""Whoever sends much mail sends it with the same words, but for the recipients; they are under a kilobyte each."""

_dump = json.JSONEncoder(separators=(",", ":")).encode
_load = json.JSONDecoder().decode

_NOTIFY = {number: Notify(number) for number in range(16)}
_BODY = {body.value: body for body in BodyType}
_STATUS = {status.value: status for status in Status}
_ACTION = {action.value: action for action in Action}


def searchable(text: str) -> str:
    """A text that any storage takes: what is no Unicode is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def domain_of(address: str) -> str:
    """The domain of an address in lower case, or an empty text."""
    return searchable(address.rpartition("@")[2].lower()) if "@" in address else ""


def encode_envelope(submission: Submission) -> str:
    """All of a submission but its recipients and times."""
    envelope = submission.envelope
    said = [
        envelope.sender, envelope.envid, envelope.ret, envelope.body.value, int(envelope.smtputf8),
        int(envelope.requiretls), submission.origin, dict(submission.client),
    ]  # fmt: skip
    return _dump(said)


def sender_of(envelope: str) -> str:
    """The sender that `encode_envelope` has put in."""
    sender: str = _load(envelope)[0]
    return sender


def encode_recipient(recipient: Recipient) -> str:
    """The words of a recipient; a plain address stands alone."""
    if not (recipient.original or recipient.orcpt or recipient.notify):
        return _dump(recipient.address)
    return _dump([recipient.address, recipient.original, recipient.orcpt, recipient.notify.value])


def decode_recipient(text: str, number: int) -> Recipient:
    """The opposite of `encode_recipient`; the token is the number."""
    if text[0] == '"' and "\\" not in text:
        return Recipient(text[1:-1], token=number)  # nothing in it is escaped
    said = _load(text)
    if isinstance(said, str):
        return Recipient(said, token=number)
    address, original, orcpt, notify = said
    return Recipient(address, original, orcpt, _NOTIFY[notify], number)


@lru_cache(maxsize=OUTCOMES_REMEMBERED)
def encode_outcome(outcome: Outcome) -> str:
    """An outcome, without what is at its default."""
    said: dict[str, Any] = {"status": outcome.status.value, "code": outcome.status_code, "text": outcome.text}
    if outcome.relay != "none":
        said["relay"] = outcome.relay
    if outcome.remote_mta is not None:
        said["remote_mta"] = outcome.remote_mta
    if outcome.reply is not None:
        said["reply"] = outcome.reply
    said["action"] = outcome.action.value
    if outcome.delays != NO_DELAYS:
        said["delays"] = [round(seconds, 6) for seconds in outcome.delays]
    if outcome.connection_use != 1:
        said["connection_use"] = outcome.connection_use
    for flag in ("soft_bounced", "in_doubt", "passes_notice_on"):
        if getattr(outcome, flag):
            said[flag] = True
    if outcome.tls:
        said["tls"] = outcome.tls
    return _dump(said)


def decode_outcome(text: str) -> Outcome:
    """The opposite of `encode_outcome`."""
    said = _load(text)
    return Outcome(
        _STATUS[said["status"]],
        said["code"],
        said["text"],
        said.get("relay", "none"),
        said.get("remote_mta"),
        said.get("reply"),
        _ACTION[said["action"]],
        Delays(*said["delays"]) if "delays" in said else NO_DELAYS,
        said.get("connection_use", 1),
        soft_bounced=said.get("soft_bounced", False),
        in_doubt=said.get("in_doubt", False),
        passes_notice_on=said.get("passes_notice_on", False),
        tls=said.get("tls", ""),
    )


class RecipientRow(NamedTuple):
    """A recipient as a storage keeps it; the order is that of its columns after the key of the message."""

    number: int
    address: str
    domain: str
    due_seconds: float
    owed: int = 0
    attempts: int = 0
    latest: str | None = None
    latest_at_seconds: float = 0.0
    doubt: str | None = None
    doubt_at_seconds: float = 0.0
    warned: int = 0


def decode_open_recipient(row: RecipientRow) -> OpenRecipient:
    """What a row says."""
    latest = None if row.latest is None else PastFailure(decode_outcome(row.latest), row.latest_at_seconds)
    doubt = None if row.doubt is None else InDoubt(row.doubt, row.doubt_at_seconds)
    return OpenRecipient(
        row.number,
        decode_recipient(row.address, row.number),
        row.attempts,
        row.due_seconds,
        latest,
        doubt,
        bool(row.warned),
        bool(row.owed),
    )


class MessageRow(NamedTuple):
    """A message as a storage keeps it, without its content; the order is that of its columns."""

    key: int
    envelope: str
    sender: str
    arrival_seconds: float
    expires_seconds: float
    size_octets: int
    recipients_total: int
    on_hold: int
    filed: int


def encode_message(submission: Submission, key: int, arrival_seconds: float, size_octets: int, *, filed: bool) -> MessageRow:
    """The row of a message; `filed` where its content is a file."""
    envelope = submission.envelope
    return MessageRow(
        key,
        encode_envelope(submission),
        searchable(envelope.sender),
        arrival_seconds,
        submission.expires_seconds,
        size_octets,
        len(envelope.recipients),
        int(submission.on_hold),
        int(filed),
    )


class _Words(NamedTuple):
    """What `encode_envelope` has written."""

    sender: str
    envid: str
    ret: str
    body: BodyType
    smtputf8: bool
    requiretls: bool
    origin: str
    client: Mapping[str, str]


@lru_cache(maxsize=ENVELOPES_REMEMBERED)
def _decode_envelope(text: str) -> _Words:
    sender, envid, ret, body, smtputf8, requiretls, origin, client = _load(text)
    named = MappingProxyType(client) if client else NO_CLIENT
    return _Words(sender, envid, ret, _BODY[body], bool(smtputf8), bool(requiretls), origin, named)


def decode_message(row: MessageRow, queue_id: str, recipients: tuple[OpenRecipient, ...]) -> StoredMessage:
    """What a row says, with these recipients."""
    words = _decode_envelope(row.envelope)
    envelope = Envelope(
        words.sender,
        tuple([recipient.recipient for recipient in recipients]),
        words.envid,
        words.ret,
        words.body,
        words.smtputf8,
        words.requiretls,
    )
    return StoredMessage(
        queue_id,
        envelope,
        recipients,
        row.recipients_total,
        row.size_octets,
        row.arrival_seconds,
        row.expires_seconds,
        words.client,
        words.origin,
        bool(row.on_hold),
    )
