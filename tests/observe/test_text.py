from __future__ import annotations

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
from mailrider.model.outcome import NO_DELAYS, Outcome, Status
from mailrider.model.request import Recipient, Transport
from mailrider.model.server import Family, Server
from mailrider.observe.text import TextLog

from .events_for_tests import MX1, SENT, anything, events, settled

SOCKET = Server("client.example.test", "/run/lmtp", 0, Family.UNIX)


def lines_of(*events: Event, address_format: str = "external", helpful: bool = True) -> list[str]:
    lines: list[str] = []
    log = TextLog(lines.append, address_format=address_format, helpful=helpful)
    for event in events:
        log(event)
    return lines


def test_a_sent_recipient_reads_as_in_postfix() -> None:
    assert lines_of(settled(SENT)) == [
        "4XyZ: to=<bob@example.test>, relay=mx1.example.test[127.0.0.2]:25, delay=14, delays=1.2/0/0.02/13, dsn=2.0.0,"
        " status=sent (250 2.0.0 Ok: queued as 4A)"
    ]


def test_the_use_of_a_connection_shows_from_the_second_on() -> None:
    first, second = lines_of(settled(SENT._replace(connection_use=1)), settled(SENT._replace(connection_use=2)))
    assert "conn_use" not in first
    assert ", relay=mx1.example.test[127.0.0.2]:25, conn_use=2, delay=" in second


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_word(status: Status) -> None:
    (line,) = lines_of(settled(Outcome(status, "4.4.1", "why")))
    assert line.endswith(f", relay=none, delay=0, delays=0/0/0/0, dsn=4.4.1, status={status.value} (why)")


def test_a_bounce_held_back_says_so() -> None:
    (line,) = lines_of(settled(Outcome(Status.DEFERRED, "4.1.1", "no", soft_bounced=True)))
    assert line.endswith("dsn=4.1.1, status=SOFTBOUNCE (no)")


@pytest.mark.parametrize(
    ("original", "shown"),
    [
        ("", ""),
        ("bob@example.test", ""),
        ("Bob@Example.TEST", ""),
        ("robert@example.test", ", orig_to=<robert@example.test>"),
        ("mr bob@example.test", ', orig_to=<"mr bob"@example.test>'),
    ],
)
def test_the_original_address_shows_where_it_differs(original: str, shown: str) -> None:
    (line,) = lines_of(settled(SENT, original=original))
    assert line.startswith(f"4XyZ: to=<bob@example.test>{shown}, relay=")


@pytest.mark.parametrize(("address_format", "shown"), [("external", '"a b"@c'), ("internal", "a b@c")])
def test_addresses_are_written_in_the_format_wanted(address_format: str, shown: str) -> None:
    (line,) = lines_of(settled(SENT, "a b@c"), address_format=address_format)
    assert f" to=<{shown}>, " in line


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ServerFailedSoftly("4XyZ", "host h[a] said: 450 later"), "4XyZ: host h[a] said: 450 later"),
        (
            ConnectFailed("4XyZ", MX1, "connect to mx1.example.test[127.0.0.2]:25: Connection refused"),
            "connect to mx1.example.test[127.0.0.2]:25: Connection refused",
        ),
        (HandedOver("4XyZ", Recipient("a b@c"), "local"), '4XyZ: passing <"a b"@c> to transport=local'),
        (Noted("breaking line > 998 bytes", "4XyZ"), "4XyZ: breaking line > 998 bytes"),
        (Noted("discarding EHLO keywords: DSN"), "discarding EHLO keywords: DSN"),
        (Warned("no MX host", "4XyZ"), "warning: 4XyZ: no MX host"),
        (Warned("no MX host"), "warning: no MX host"),
        (
            ReplyReplaced(MX1, "250 Ok", "450 Later"),
            'mx1.example.test[127.0.0.2]:25: replacing server reply "250 Ok" with "450 Later"',
        ),
        (
            ReplyOverlong(MX1, 2048, False, "250 " + "x" * 100),
            f"warning: mx1.example.test[127.0.0.2]:25: response longer than 2048: 250 {'x' * 26}...",
        ),
        (
            ReplyOverlong(SOCKET, 2048, True, "250-x"),
            "warning: client.example.test[/run/lmtp]: multi-line response longer than 2048 250-x...",
        ),
    ],
)
def test_other_events_read_as_in_postfix(event: Event, line: str) -> None:
    assert lines_of(event) == [line]


@pytest.mark.parametrize(
    ("transport", "protocol", "parameter"),
    [
        (Transport.SMTP, "ESMTP", "smtp_discard_ehlo_keyword_address_maps"),
        (Transport.LMTP, "LMTP", "lmtp_discard_lhlo_keyword_address_maps"),
    ],
)
def test_a_garbled_reply_warns_only_while_pipelining(transport: Transport, protocol: str, parameter: str) -> None:
    event = ReplyGarbled("4XyZ", MX1, True, "y" * 200, transport)
    assert lines_of(event) == [
        f"warning: 4XyZ: non-{protocol} response from mx1.example.test[127.0.0.2]:25: {'y' * 100}",
        f"warning: to prevent loss of mail, turn off command pipelining for 127.0.0.2 with the {parameter} parameter",
    ]
    assert len(lines_of(event, helpful=False)) == 1
    assert lines_of(event._replace(pipelining=False)) == []


def test_the_dialogue_and_the_life_of_a_connection_have_no_line() -> None:
    quiet = [ConnectionOpened("4XyZ", MX1, ("DSN",)), ConnectionClosed(MX1, 1)]
    assert lines_of(*quiet, CommandSent(MX1, "QUIT"), ReplyReceived(MX1, "221 Bye")) == []


@settings(deadline=None)
@given(events)
def test_no_control_character_reaches_a_line(event: Event) -> None:
    for line in lines_of(event):
        assert line.isprintable()
        line.encode("utf-8")


@settings(deadline=None)
@given(anything)
def test_text_that_can_be_printed_is_shown_unchanged(text: str) -> None:
    (line,) = lines_of(Noted(text))
    assert (line == text) == text.isprintable()


def test_unknown_address_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="external or internal"):
        TextLog(print, address_format="pretty")


def test_the_resolution_of_delays_can_be_chosen() -> None:
    lines: list[str] = []
    TextLog(lines.append, resolution_digits=6)(settled(SENT._replace(delays=NO_DELAYS._replace(setup_seconds=0.00123))))
    assert ", delay=0.0012, delays=0/0/0.0012/0, " in lines[0]
