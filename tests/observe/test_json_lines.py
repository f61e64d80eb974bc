from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from mailrider.events import (
    CommandSent,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HandedOver,
    Noted,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReceived,
    ReplyReplaced,
    ServerFailedSoftly,
    Warned,
)
from mailrider.model.request import Recipient, Transport
from mailrider.observe import json_lines
from mailrider.observe.json_lines import JsonLog

from .events_for_tests import MX1, SENT, events, settled

RELAY = "mx1.example.test[127.0.0.2]:25"


class StoppedClock:
    def monotonic_seconds(self) -> float:
        raise AssertionError("a log line has the time of the day")

    def wall_seconds(self) -> float:
        return 1_700_000_000.25


def object_of(event: Event) -> dict[str, Any]:
    lines: list[str] = []
    JsonLog(lines.append)(event)
    (line,) = lines
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def test_a_settled_recipient_tells_everything() -> None:
    assert object_of(settled(SENT, "a b@example.test", "ab@example.test")) == {
        "event": "settled",
        "queue_id": "4XyZ",
        "recipient": "a b@example.test",
        "original": "ab@example.test",
        "sender": "a@example.test",
        "status": "sent",
        "soft_bounce": False,
        "dsn": "2.0.0",
        "relay": RELAY,
        "remote_mta": "mx1.example.test",
        "reply": "250 2.0.0 Ok: queued as 4A",
        "action": "relayed",
        "conn_use": 1,
        "in_doubt": False,
        "delay": 13.8533,
        "delays": [1.234, 0.0042, 0.0151, 12.6],
        "text": "250 2.0.0 Ok: queued as 4A",
    }


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (ServerFailedSoftly("4X", "t"), {"event": "failed_softly", "queue_id": "4X", "text": "t"}),
        (
            ConnectFailed("4X", MX1, "t"),
            {"event": "connect_failed", "queue_id": "4X", "relay": RELAY, "text": "t"},
        ),
        (
            HandedOver("4X", Recipient("a@b"), "local"),
            {"event": "handed_over", "queue_id": "4X", "recipient": "a@b", "transport": "local"},
        ),
        (
            ReplyGarbled("4X", MX1, True, "hm", Transport.LMTP),
            {
                "event": "reply_garbled",
                "queue_id": "4X",
                "relay": RELAY,
                "transport": "lmtp",
                "pipelining": True,
                "line": "hm",
            },
        ),
        (
            ReplyOverlong(MX1, 9, True, "250"),
            {"event": "reply_overlong", "relay": RELAY, "limit": 9, "multiline": True, "beginning": "250"},
        ),
        (
            ReplyReplaced(MX1, "a", "b"),
            {"event": "reply_replaced", "relay": RELAY, "original": "a", "replacement": "b"},
        ),
        (Noted("t"), {"event": "noted", "queue_id": "", "text": "t"}),
        (Warned("t", "4X"), {"event": "warned", "queue_id": "4X", "text": "t"}),
        (
            ConnectionOpened("4X", MX1, ("DSN", "SIZE")),
            {"event": "connection_opened", "relay": RELAY, "queue_id": "4X", "features": ["DSN", "SIZE"]},
        ),
        (ConnectionClosed(MX1, 3), {"event": "connection_closed", "relay": RELAY, "uses": 3}),
        (CommandSent(MX1, "QUIT"), {"event": "command", "relay": RELAY, "line": "QUIT"}),
        (ReplyReceived(MX1, "221 Bye"), {"event": "reply", "relay": RELAY, "text": "221 Bye"}),
    ],
)
def test_every_event_has_its_object(event: Event, value: dict[str, object]) -> None:
    assert object_of(event) == value


@settings(deadline=None)
@given(events)
def test_any_event_is_one_line_that_can_be_read_back(event: Event) -> None:
    lines: list[str] = []
    JsonLog(lines.append)(event)
    assert lines[0].isascii()
    assert lines[0].isprintable()
    value = json.loads(lines[0])
    assert next(iter(value)) == "event"
    assert f"`{value['event']}`" in (json_lines.__doc__ or "")


def test_the_time_is_told_where_there_is_a_clock() -> None:
    lines: list[str] = []
    JsonLog(lines.append, clock=StoppedClock())(Noted("t"))
    assert json.loads(lines[0])["time"] == 1_700_000_000.25
