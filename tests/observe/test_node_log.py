from __future__ import annotations

from mailrider.events import CommandSent, ConnectFailed, ConnectionClosed, ConnectionOpened, Noted, ReplyReceived
from mailrider.observe.node_log import NodeLog

from .events_for_tests import MX1

RELAY = "mx1.example.test[127.0.0.2]:25"


def make(lines: list[str]) -> NodeLog:
    return NodeLog(lines.append, lambda: "now here ", lambda service, program: f"{service}-name/{program}", 7)


def test_conversations_are_told_line_by_line_without_secrets() -> None:
    lines: list[str] = []
    log = make(lines)
    log(ConnectionOpened("4X", MX1, ("AUTH",)))
    log(CommandSent(MX1, "AUTH PLAIN AGhlcmUAaHVzaA=="))
    log(ReplyReceived(MX1, "334 more"))
    log(CommandSent(MX1, "aHVzaA=="))
    log(ReplyReceived(MX1, "235 ok\x1b"))
    log(CommandSent(MX1, "QUIT"))
    log(ConnectionClosed(MX1, 1))
    tag = "now here smtp-name/smtp[7]: "
    assert lines == [
        f"{tag}> {RELAY}: AUTH PLAIN ***",
        f"{tag}< {RELAY}: 334 more",
        f"{tag}> {RELAY}: ***",
        f"{tag}< {RELAY}: 235 ok?",
        f"{tag}> {RELAY}: QUIT",
    ]


def test_what_comes_of_a_connection_is_a_line_of_smtp_from_the_first_one_on() -> None:
    lines: list[str] = []
    log = make(lines)
    log(ConnectFailed("4X", MX1, "connection refused"))
    log(Noted("a remark"))
    assert lines[0].startswith("now here smtp-name/smtp[7]: ")
    assert lines[1] == "now here postfix/master[7]: a remark"
