"""The queue in words: lists as postqueue(1) prints them, single messages, counts, and the same as JSON.

Everything that a message or a server has said is made printable: it goes to a terminal.
"""

from __future__ import annotations

import time
from typing import Any

from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable
from mailrider.model.request import Notify
from mailrider.spool.spool import HELD_SECONDS, OpenRecipient, Stats, StoredMessage

HEADING = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
EMPTY = "Mail queue is empty"
DOMAIN_HEADING = "recipients  oldest        next          domain"
WIDTH = 80
"""Reasons are set right to this column."""

INDENT = " " * 41

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def tell_time(seconds: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def tell_duration(seconds: float) -> str:
    """A time span by its two largest units: `1 h 7 min`."""
    left = round(abs(seconds))
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def tell_when(seconds: float, now_seconds: float) -> str:
    """A moment and how far away it is."""
    span = tell_duration(seconds - now_seconds)
    return f"{tell_time(seconds)} ({f'in {span}' if seconds > now_seconds else f'{span} ago'})"


def tell_turn(due_seconds: float, now_seconds: float) -> str:
    """How long it is until somebody's turn."""
    if due_seconds >= HELD_SECONDS:
        return "on hold"
    return tell_duration(due_seconds - now_seconds) if due_seconds > now_seconds else "now"


def tell_recipients(counts: Stats) -> str:
    """How many recipients there are, and how they stand."""
    held = counts.recipients - counts.due - counts.deferred
    return f"{counts.recipients} recipients: {counts.due} due, {counts.deferred} deferred, {held} on hold"


def outside(address: str) -> str:
    """An address in its outside form, printable."""
    return make_printable(quote_local_part(address))


def queue_of(message: StoredMessage, now_seconds: float) -> str:
    """In which of Postfix's queues it would be: `hold`, `deferred` or `incoming`; who works on it is not known here."""
    if message.on_hold:
        return "hold"
    if all(one.attempts and one.not_before_seconds > now_seconds for one in message.recipients):
        return "deferred"
    return "incoming"


def postqueue_lines(message: StoredMessage) -> list[str]:
    """One message of a list."""
    mark = "!" if message.on_hold else " "
    arrival = time.strftime("%a %b %d %H:%M:%S", time.localtime(message.arrival_seconds))
    sender = outside(message.envelope.sender) or "MAILER-DAEMON"
    lines = [f"{message.queue_id}{mark} {message.size_octets:>8} {arrival}  {sender}"]
    reason = None
    for one in message.recipients:
        text = make_printable(one.latest.outcome.text) if one.latest is not None else None
        if text is not None and text != reason:
            lines.append(f"({text})".rjust(WIDTH))
        reason = text
        lines.append(INDENT + outside(one.recipient.address))
    return [*lines, ""]


def message_as_json(message: StoredMessage, now_seconds: float, *, whole: bool = False) -> dict[str, Any]:
    """One message; the first keys are those of `postqueue -j`."""
    told: dict[str, Any] = {
        "queue_name": queue_of(message, now_seconds),
        "queue_id": message.queue_id,
        "arrival_time": int(message.arrival_seconds),
        "message_size": message.size_octets,
        "forced_expire": False,
        "sender": outside(message.envelope.sender),
        "recipients": [recipient_as_json(one, whole=whole) for one in message.recipients],
    }
    if whole:
        envelope = message.envelope
        told |= {
            "recipients_total": message.recipients_total,
            "envid": envelope.envid,
            "ret": envelope.ret,
            "body": envelope.body.value,
            "smtputf8": envelope.smtputf8,
            "requiretls": envelope.requiretls,
            "origin": message.origin,
            "client": dict(message.client),
            "expires": message.expires_seconds or None,
        }
    return told


def recipient_as_json(one: OpenRecipient, *, whole: bool) -> dict[str, Any]:
    """One recipient; `delay_reason` as postqueue has it, where there is one."""
    told: dict[str, Any] = {"address": outside(one.recipient.address)}
    if one.latest is not None:
        told["delay_reason"] = make_printable(one.latest.outcome.text)
    if whole:
        held = one.not_before_seconds >= HELD_SECONDS
        told |= {
            "number": one.number,
            "original": outside(one.recipient.original),
            "orcpt": make_printable(one.recipient.orcpt),
            "notify": tell_notify(one.recipient.notify),
            "attempts": one.attempts,
            "not_before": None if held else one.not_before_seconds,
            "in_doubt": one.in_doubt._asdict() if one.in_doubt is not None else None,
            "warned": one.warned,
            "owed_notice": one.owed,
        }
        if one.latest is not None:
            outcome = one.latest.outcome
            told["latest"] = {
                "at": one.latest.at_seconds, "status": outcome.status.value, "dsn": outcome.status_code, "relay": outcome.relay,
            }  # fmt: skip
    return told


def tell_notify(notify: Notify) -> str:
    """The words of a NOTIFY parameter."""
    return ",".join((word.name or "").lower() for word in Notify if word and word in notify)


def message_lines(message: StoredMessage, now_seconds: float) -> list[str]:
    """All that is known of one message."""
    envelope = message.envelope
    lines = [
        f"Queue ID:   {message.queue_id}" + (" (on hold)" if message.on_hold else ""),
        f"Sender:     {outside(envelope.sender) or '<> (nobody)'}",
        f"Size:       {message.size_octets} octets",
        f"Arrival:    {tell_when(message.arrival_seconds, now_seconds)} by {make_printable(message.origin)}",
    ]
    words = [
        f"{name}={make_printable(str(value))}"
        for name, value in (("envid", envelope.envid), ("ret", envelope.ret), ("body", envelope.body.value))
        if value
    ]
    words += [name for name in ("smtputf8", "requiretls") if getattr(envelope, name)]
    words += [f"{make_printable(name)}={make_printable(value)}" for name, value in message.client.items()]
    if words:
        lines.append(f"Submission: {' '.join(words)}")
    lines.append(f"Recipients: {len(message.recipients)} left of {message.recipients_total}")
    for one in message.recipients:
        lines.append(f"  {outside(one.recipient.address)}")
        if one.recipient.notify:
            lines.append(f"    notify: {tell_notify(one.recipient.notify)}")
        if one.latest is not None:
            lines.append(f"    {tell_time(one.latest.at_seconds)}: {make_printable(one.latest.outcome.text)}")
    return lines


def counts_as_json(counts: Stats) -> dict[str, Any]:
    """Counts, with every domain; no time comes for what is on hold."""
    told = counts._asdict()
    told["domains"] = [
        count._asdict() | ({"next_due_seconds": None} if count.next_due_seconds >= HELD_SECONDS else {})
        for count in counts.domains
    ]
    return told


def count_lines(counts: Stats, limit: int, now_seconds: float) -> list[str]:
    """Counts, with the largest domains."""
    if not counts.messages:
        return [EMPTY]
    lines = [
        f"{counts.messages} messages, {counts.size_octets // 1024} Kbytes, {tell_recipients(counts)}",
        f"oldest: {tell_when(counts.oldest_arrival_seconds, now_seconds)}",
        "",
        DOMAIN_HEADING,
    ]
    for count in counts.domains[:limit]:
        age = tell_duration(now_seconds - count.oldest_arrival_seconds)
        turn = tell_turn(count.next_due_seconds, now_seconds)
        lines.append(f"{count.recipients:>10}  {age:<12}  {turn:<12}  {make_printable(count.domain) or '(none)'}")
    if len(counts.domains) > limit:
        lines.append(f"and {len(counts.domains) - limit} more domains")
    return lines
