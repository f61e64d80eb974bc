"""What a client has said, and how much is borne with."""

from __future__ import annotations

from mailrider.intake.tally import Tally


def say(tally: Tally, *verbs: str) -> None:
    for verb in verbs:
        tally.begin(verb)
        tally.end()


def test_what_was_said_is_told_in_the_order_of_smtpd() -> None:
    tally = Tally(100)
    say(tally, "quit", "data", "rcpt", "rcpt", "mail", "ehlo")
    assert tally.tell() == " ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6"


def test_a_client_that_has_said_nothing() -> None:
    assert Tally(100).tell() == " commands=0"


def test_a_command_fails_once() -> None:
    tally = Tally(100)
    say(tally, "auth")
    tally.begin("auth")
    tally.err()
    tally.fail()
    tally.end()
    assert tally.tell() == " auth=1/2 commands=1/2"
    assert tally.errors == 1


def test_an_error_outside_of_commands_is_counted_as_an_error_only() -> None:
    tally = Tally(100)
    tally.err()
    assert (tally.errors, tally.tell()) == (1, " commands=0")


def test_junk_beyond_the_limit_is_an_error_each_time() -> None:
    tally = Tally(2)
    say(tally, *["noop"] * 3)
    assert tally.errors == 0
    say(tally, "rset", "vrfy")
    assert tally.errors == 2
    say(tally, "mail", "rcpt")
    assert tally.errors == 2


def test_what_is_forgiven_is_told_all_the_same() -> None:
    tally = Tally(0)
    say(tally, "noop", "noop")
    tally.begin("mail")
    tally.err()
    tally.forgive()
    assert tally.errors == 0
    say(tally, "noop")
    assert tally.errors == 0
    assert tally.tell() == " mail=0/1 noop=3 commands=3/4"
