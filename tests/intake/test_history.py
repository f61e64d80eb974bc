"""What was said with a client, and when the postmaster hears of it."""

from __future__ import annotations

import pytest

from mailrider.intake.history import CLASSES, ERROR_LIMIT, History, Incident, find_class
from mailrider.intake.keeping import FAILED, FULL
from mailrider.intake.terms import Client, Verdict

from .scene import ACCEPTED, LOCAL, STRANGER, TERMS, Talk


class Heard(Talk):
    """A conversation with a history."""

    def __init__(self, wanted: str = "policy protocol resource software bounce", **given: object) -> None:
        self.told: list[Incident] = []
        super().__init__(**given)  # type: ignore[arg-type]
        client = given.get("client", LOCAL)
        assert isinstance(client, Client)
        self.conversation.history = History(client.shown, frozenset(wanted.split()), self.told.append)

    def leave(self) -> list[Incident]:
        assert self.conversation.history is not None
        self.conversation.history.end()
        return self.told


def test_what_was_said_is_told_when_the_client_has_gone() -> None:
    talk = Heard()
    talk.say("FOO", "QUIT")
    assert talk.told == []
    assert talk.leave() == [
        Incident(
            "localhost[127.0.0.1]", "",
            ("In:  FOO", "Out: 500 5.5.2 Error: command not recognized", "In:  QUIT", "Out: 221 2.0.0 Bye"), False,
        )
    ]  # fmt: skip
    assert len(talk.leave()) == 1


def test_who_does_everything_right_is_not_told_of() -> None:
    talk = Heard()
    talk.say("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x", "", "hello", ".", "QUIT")
    assert talk.leave() == []


@pytest.mark.parametrize(
    ("reply", "of_message", "expected"),
    [
        ("500 5.5.2 Error: command not recognized", False, "protocol"),
        ("503 5.5.1 Error: need MAIL command", False, "protocol"),
        ("501 Syntax: EHLO hostname", False, "protocol"),
        ("554 5.7.1 <a@b>: Relay access denied", False, "policy"),
        ("530 5.7.0 Must issue a STARTTLS command first", False, "policy"),
        ("552 5.3.4 Message size exceeds fixed limit", False, "policy"),
        ("452 4.5.3 Error: too many recipients", False, "policy"),
        ("552 5.3.4 Error: message file too big", True, "bounce"),
        ("554 5.4.0 Error: too many hops", True, "bounce"),
        (FULL.refusal, True, "resource"),
        (FAILED.refusal, True, "software"),
        ("454 4.7.0 Temporary authentication failure", False, "software"),
    ],
)
def test_each_refusal_stands_for_something(reply: str, of_message: bool, expected: str) -> None:
    assert find_class(reply, of_message=of_message) == expected
    assert expected in CLASSES


@pytest.mark.parametrize(("wanted", "count"), [("policy", 1), ("protocol", 0), ("resource software", 0)])
@pytest.mark.parameter("notify_classes")
def test_only_wanted_classes_are_told_of(wanted: str, count: int) -> None:
    talk = Heard(wanted, client=STRANGER)
    talk.say("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "QUIT")
    assert len(talk.leave()) == count


@pytest.mark.parametrize(("verdict", "wanted"), [(FULL, "resource"), (FAILED, "software")])
def test_a_message_that_is_not_kept(verdict: Verdict, wanted: str) -> None:
    talk = Heard(wanted, verdict=verdict)
    talk.say("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x", "", "secret text", ".")
    (told,) = talk.leave()
    assert told.lines[-1] == f"Out: {verdict.refusal}"
    assert not any("secret text" in line for line in told.lines)
    assert not told.bounced


def test_a_message_that_is_too_large_is_for_whoever_gets_bounces() -> None:
    talk = Heard("bounce", terms=TERMS._replace(message_size_limit=10))
    talk.say("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x", "", "hello, hello, hello", ".")
    (told,) = talk.leave()
    assert told.bounced


def test_what_is_said_to_log_in_is_hidden() -> None:
    talk = Heard(terms=TERMS._replace(login_mechanisms=("PLAIN", "LOGIN")))
    talk.say("EHLO x", "AUTH PLAIN AGpvZQBzZWNyZXQ=")
    talk.conversation.admit(False)
    talk.say("auth login", "am9l", "c2VjcmV0")
    talk.conversation.admit(False)
    (told,) = talk.leave()
    heard = [line for line in told.lines if line.startswith("In:  ")]
    assert heard == ["In:  EHLO x", "In:  AUTH PLAIN ***", "In:  auth login", "In:  ***", "In:  ***"]


def test_too_many_errors_are_a_reason() -> None:
    talk = Heard(terms=TERMS._replace(hard_error_limit=2, soft_error_limit=10))
    talk.say("FOO", "BAR")
    (told,) = talk.leave()
    assert told.reason == ERROR_LIMIT
    assert told.lines[-1].startswith("Out: 421 4.7.0 ")


def test_nothing_is_carried_on_from_message_to_message_for_ever() -> None:
    talk = Heard()
    for number in range(60):
        talk.say("FOO" if number == 0 else "NOOP", "EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "", ".")
    assert len(talk.told) == 1
    assert len(talk.told[0].lines) < 130
    assert talk.leave() == talk.told


def test_without_a_history_nothing_is_kept() -> None:
    talk = Talk(verdict=ACCEPTED)
    talk.say("FOO", "QUIT")
    assert talk.conversation.history is None
