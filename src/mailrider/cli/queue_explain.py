"""Why a message has not moved, what happens next, and when.

The schedule is that of the settings as they are now (`queue.schedule`).  The times of attempts that are still to come are
what will happen if every one of them fails; a node counts its looks at the queue from its own start, so without jitter each
may be up to `queue_run_delay` off.

Known fault: a node that is working on a recipient at this moment cannot be seen from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mailrider.cli.queue_text import outside, tell_duration, tell_time, tell_when
from mailrider.model.printable import make_printable
from mailrider.node_parts import make_schedule_terms
from mailrider.queue.schedule import Schedule
from mailrider.settings import Settings
from mailrider.spool.spool import HELD_SECONDS, OpenRecipient, StoredMessage

NONE: Final[Mapping[int, str]] = MappingProxyType({})

FORECAST_LIMIT = 200
"""Attempts that are foretold: with the defaults five days have about 110."""

SHOWN_LIMIT = 6
"""How many of them are shown as text."""

LATE_SECONDS = 60.0
"""A recipient whose turn came longer ago than this should have been taken."""


def explain_message(
    message: StoredMessage,
    settings: Settings,
    now_seconds: float,
    groups: Mapping[int, str] = NONE,
    paces: Mapping[int, str] = NONE,
) -> dict[str, Any]:
    """All of it, as values for JSON.

    `groups`: with whom recipients share their limits, `paces`: the rates that hold for them, both by their numbers.
    """
    terms = make_schedule_terms(settings)
    schedule = Schedule(terms, now_seconds)
    sender = message.envelope.sender
    lifetime = terms.lifetime_seconds if sender else terms.bounce_lifetime_seconds
    expires = message.expires_seconds or message.arrival_seconds + lifetime
    warning = terms.warning_seconds
    return {
        "queue_id": message.queue_id,
        "sender": outside(sender),
        "arrival": message.arrival_seconds,
        "age": now_seconds - message.arrival_seconds,
        "expires": expires,
        "delay_notice_at": message.arrival_seconds + warning if warning and sender else None,
        "on_hold": message.on_hold,
        "recipients": [
            _explain_recipient(one, message, schedule, expires, now_seconds)
            | ({"group": make_printable(groups[one.number])} if one.number in groups else {})
            | ({"pace": make_printable(paces[one.number])} if one.number in paces else {})
            for one in message.recipients
        ],
    }  # fmt: skip


def _explain_recipient(
    one: OpenRecipient, message: StoredMessage, schedule: Schedule, expires_seconds: float, now_seconds: float
) -> dict[str, Any]:
    state, why, then = _judge(one, message, expires_seconds, now_seconds)
    told: dict[str, Any] = {
        "address": outside(one.recipient.address),
        "state": state,
        "why": why,
        "next": then,
        "attempts": one.attempts,
        "next_attempt": one.not_before_seconds if state in ("deferred", "scheduled") else None,
        "future_attempts": _forecast(one, message, schedule, expires_seconds) if state == "deferred" else [],
        "delay_notice_sent": one.warned,
    }
    if one.latest is not None:
        outcome = one.latest.outcome
        told["latest"] = {
            "at": one.latest.at_seconds, "dsn": outcome.status_code, "relay": outcome.relay,
            "text": make_printable(outcome.text),
        }  # fmt: skip
    if one.in_doubt is not None:
        told["possibly_delivered"] = {"server": make_printable(one.in_doubt.server), "at": one.in_doubt.at_seconds}
    return told


def _judge(
    one: OpenRecipient, message: StoredMessage, expires_seconds: float, now_seconds: float
) -> tuple[str, str, str]:
    """One word for how it stands, why it has not moved, and what happens next."""
    if message.on_hold or one.not_before_seconds >= HELD_SECONDS:
        return "hold", "an operator has put it on hold", f"nothing, until: mailrider queue release {message.queue_id}"
    if one.owed:
        word = one.latest.outcome.status.value if one.latest is not None else "settled"
        return "settled", f"it is {word}; only the notice to the sender is missing", "the notice goes into the queue"
    turn = one.not_before_seconds
    if turn <= now_seconds:
        why = "its turn has come" if one.attempts else "it has just come in"
        if now_seconds - turn > LATE_SECONDS:
            late = tell_duration(now_seconds - turn)
            why = f"its turn came {late} ago: its destination is busy or being waited for, or no node is running"
        return "due", why, "the node takes it as soon as it can"
    if one.latest is None:
        return "scheduled", "it is not to be sent before its time", f"the first attempt {tell_when(turn, now_seconds)}"
    why = f"the attempt of {tell_time(one.latest.at_seconds)} failed: {make_printable(one.latest.outcome.text)}"
    then = f"attempt {one.attempts + 1} {tell_when(turn, now_seconds)}"
    if turn >= expires_seconds:
        then += ", the last one: it is returned to the sender if that fails"
    return "deferred", why, then


def _forecast(one: OpenRecipient, message: StoredMessage, schedule: Schedule, expires_seconds: float) -> list[float]:
    """The attempts to come if all fail; at the last one it is returned."""
    times = schedule.forecast(message.arrival_seconds, one.not_before_seconds, FORECAST_LIMIT)
    kept = [moment for moment in times if moment < expires_seconds]
    return times[: len(kept) + 1]


def explanation_lines(explanation: dict[str, Any], now_seconds: float) -> list[str]:
    """The same as text."""
    sender = explanation["sender"] or "<>"
    lines = [
        f"{explanation['queue_id']}: from {sender}, arrived {tell_when(explanation['arrival'], now_seconds)}, "
        f"expires {tell_when(explanation['expires'], now_seconds)}"
    ]
    warning = explanation["delay_notice_at"]
    if warning is not None and warning > now_seconds:
        lines.append(f"  the sender hears of the delay {tell_when(warning, now_seconds)}")
    for one in explanation["recipients"]:
        lines += ["", f"  {one['address']}: {one['state']}"]
        lines.append(f"    why:   {one['why']}")
        if "group" in one:
            lines.append(f"    group: {one['group']}")
        if "pace" in one:
            lines.append(f"    pace:  {one['pace']}")
        if "possibly_delivered" in one:
            doubt = one["possibly_delivered"]
            lines.append(
                f"    doubt: possibly delivered to {doubt['server']} {tell_time(doubt['at'])}; "
                "the next attempt goes there first"
            )
        if one["delay_notice_sent"]:
            lines.append("    note:  the sender has been told of the delay")
        lines.append(f"    next:  {one['next']}")
        future = one["future_attempts"][1:]
        if future:
            shown = ", ".join(tell_time(moment) for moment in future[:SHOWN_LIMIT])
            more = f", and {len(future) - SHOWN_LIMIT} more" if len(future) > SHOWN_LIMIT else ""
            lines.append(f"    then:  {shown}{more}")
            lines.append(f"    end:   returned to the sender after {tell_time(one['future_attempts'][-1])}")
    return lines
