from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.events import CommandSent, ConnectionClosed, ConnectionOpened, Event, Noted, ReplyReceived
from mailrider.model.server import Family, Server
from mailrider.observe.transcript import LINE_LIMIT_CHARACTERS, LINES_LIMIT, SERVERS_LIMIT, Transcript

from .events_for_tests import MX1, events


def test_the_dialogue_is_kept_and_printed_as_it_comes() -> None:
    printed: list[str] = []
    transcript = Transcript(printed.append)
    transcript(ConnectionOpened("4X", MX1, ("DSN", "SIZE")))
    transcript(CommandSent(MX1, "MAIL FROM:<>"))
    transcript(ReplyReceived(MX1, "250 Ok"))
    transcript(ConnectionClosed(MX1, 1))
    transcript(Noted("something else"))
    assert transcript.lines(MX1) == (
        "= ready: DSN SIZE",
        "> MAIL FROM:<>",
        "< 250 Ok",
        "= closed after 1 deliveries",
    )
    assert printed[1:3] == [
        "> mx1.example.test[127.0.0.2]:25: MAIL FROM:<>",
        "< mx1.example.test[127.0.0.2]:25: 250 Ok",
    ]


def test_a_server_never_spoken_to_has_no_lines() -> None:
    assert Transcript().lines(MX1) == ()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("AUTH PLAIN AHVzZXIAcGFzcw==", "> AUTH PLAIN ***"),
        ("auth plain AHVzZXIAcGFzcw==", "> auth plain ***"),
        ("AUTH LOGIN", "> AUTH LOGIN"),
        ("MAIL FROM:<a@b> AUTH=<>", "> MAIL FROM:<a@b> AUTH=<>"),
    ],
)
def test_an_initial_response_is_hidden(said: str, kept: str) -> None:
    transcript = Transcript()
    transcript(CommandSent(MX1, said))
    assert transcript.lines(MX1) == (kept,)


def test_answers_to_challenges_are_hidden_until_the_login_ends() -> None:
    transcript = Transcript()
    for event in (
        CommandSent(MX1, "AUTH LOGIN"),
        ReplyReceived(MX1, "334 VXNlcm5hbWU6"),
        CommandSent(MX1, "dXNlcg=="),
        ReplyReceived(MX1, "334 UGFzc3dvcmQ6"),
        CommandSent(MX1, "cGFzcw=="),
        ReplyReceived(MX1, "235 Ok"),
        CommandSent(MX1, "MAIL FROM:<>"),
    ):
        transcript(event)
    assert [line for line in transcript.lines(MX1) if line.startswith(">")] == [
        "> AUTH LOGIN",
        "> ***",
        "> ***",
        "> MAIL FROM:<>",
    ]


def test_only_the_last_lines_are_kept() -> None:
    transcript = Transcript()
    for number in range(LINES_LIMIT + 5):
        transcript(CommandSent(MX1, str(number)))
    lines = transcript.lines(MX1)
    assert len(lines) == LINES_LIMIT
    assert lines[-1] == f"> {LINES_LIMIT + 4}"


def test_the_server_not_heard_of_for_longest_is_forgotten() -> None:
    transcript = Transcript()
    servers = [Server(f"mx{number}", "127.0.0.2", 25, Family.IPV4) for number in range(SERVERS_LIMIT + 1)]
    for server in servers[:-1]:
        transcript(CommandSent(server, "NOOP"))
    transcript(CommandSent(servers[0], "QUIT"))
    transcript(ReplyReceived(servers[-1], "220 hello"))
    assert transcript.lines(servers[0]) == ("> NOOP", "> QUIT")
    assert transcript.lines(servers[1]) == ()
    assert transcript.lines(servers[-1]) == ("< 220 hello",)


@settings(deadline=None)
@given(st.lists(events, max_size=20))
def test_lines_are_bounded_and_printable(happened: list[Event]) -> None:
    printed: list[str] = []
    transcript = Transcript(printed.append)
    for event in happened:
        transcript(event)
    servers = {event.server for event in happened if hasattr(event, "server")}
    for line in [*printed, *(line for server in servers for line in transcript.lines(server))]:
        assert line.isprintable()
        assert len(line) <= LINE_LIMIT_CHARACTERS + 200
