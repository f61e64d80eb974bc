"""Who is told of what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailrider.dsn.plan import plan_notices
from mailrider.dsn.report import Kind, Message, Report, Site, report_outcome, wants
from mailrider.model.outcome import Action, Outcome, Status
from mailrider.model.request import Notify, Recipient

SITE = Site("mail.here.example", "here.example", lambda _: None, lambda _: 0.0)
ALL = frozenset({"bounce", "2bounce", "delay"})


def report(address: str, notify: Notify = Notify.UNSET) -> Report:
    return Report(Recipient(address, notify=notify), "5.1.1", "no such user", "failed")


def plan(
    kind: Kind, sender: str, classes: frozenset[str] = frozenset(), *reports: Report, ret: str = ""
) -> list[tuple[object, ...]]:
    message = Message("Q1", sender, 0.0, None, ret=ret)
    made = plan_notices(kind, message, reports or (report("b@x"),), replace(SITE, classes=classes))
    return [
        (it.sender, it.recipient, [r.recipient.address for r in it.reports], it.postmaster_copy, it.headers_only) for it in made
    ]


OWN = "double-bounce@mail.here.example"
POSTMASTER = "postmaster@here.example"


def test_the_sender_hears_of_a_failure_with_the_whole_message() -> None:
    assert plan(Kind.FAILURE, "a@x") == [("", "a@x", ["b@x"], False, False)]


def test_only_headers_where_that_was_asked_for() -> None:
    assert plan(Kind.FAILURE, "a@x", ret="hdrs") == [("", "a@x", ["b@x"], False, True)]


@pytest.mark.parameter("requiretls_redact_dsn")
@pytest.mark.parametrize("redacts", [True, False])
@pytest.mark.parametrize("sender", ["a@x", ""])
def test_of_mail_with_requiretls_only_headers_come_back(sender: str, redacts: bool) -> None:
    site = replace(SITE, classes=ALL, redacts=redacts)
    for requiretls in (True, False):
        message = Message("Q1", sender, 0.0, None, requiretls=requiretls)
        assert plan_notices(Kind.FAILURE, message, [report("b@x")], site)[0].headers_only is (requiretls and redacts)


def test_a_delay_returns_headers_only() -> None:
    assert plan(Kind.DELAY, "a@x") == [("", "a@x", ["b@x"], False, True)]


@pytest.mark.parameter("notify_classes", "bounce_notice_recipient", "delay_notice_recipient")
def test_the_postmaster_gets_copies_of_the_classes_he_wants() -> None:
    assert plan(Kind.FAILURE, "a@x", ALL)[1:] == [(OWN, POSTMASTER, ["b@x"], True, True)]
    assert plan(Kind.DELAY, "a@x", ALL)[1:] == [(OWN, POSTMASTER, ["b@x"], True, True)]
    assert plan(Kind.DELAY, "a@x", frozenset({"bounce"}))[1:] == []
    elsewhere = replace(SITE, classes=ALL, bounce_recipient="boss@elsewhere", delay_recipient="clerk")
    message = Message("Q1", "a@x", 0.0, None)
    assert plan_notices(Kind.FAILURE, message, [report("b@x")], elsewhere)[1].recipient == "boss@elsewhere"
    assert plan_notices(Kind.DELAY, message, [report("b@x")], elsewhere)[1].recipient == "clerk@here.example"


@pytest.mark.parameter("2bounce_notice_recipient")
def test_a_bounce_that_bounces_goes_to_the_postmaster_whole() -> None:
    assert plan(Kind.FAILURE, "", frozenset({"2bounce"})) == [(OWN, POSTMASTER, ["b@x"], True, False)]
    assert plan(Kind.FAILURE, "") == []
    assert plan(Kind.DELAY, "", frozenset({"2bounce"})) == []
    elsewhere = replace(SITE, classes=ALL, two_bounce_recipient="boss@elsewhere")
    assert plan_notices(Kind.FAILURE, Message("Q1", "", 0.0, None), [report("b@x")], elsewhere)[0].recipient == "boss@elsewhere"


@pytest.mark.parameter("double_bounce_sender")
def test_what_came_from_the_double_bounce_address_is_answered_by_nobody() -> None:
    assert plan(Kind.FAILURE, OWN, ALL) == []
    other = replace(SITE, classes=ALL, double_bounce="nobody-home")
    assert plan_notices(Kind.FAILURE, Message("Q1", "Nobody-Home@mail.here.example", 0.0, None), [report("b@x")], other) == []


def test_who_did_not_want_to_hear_is_left_out_and_the_postmaster_hears_of_all() -> None:
    never, failure = report("n@x", Notify.NEVER), report("f@x", Notify.FAILURE)
    assert plan(Kind.FAILURE, "a@x", ALL, never, failure) == [
        ("", "a@x", ["f@x"], False, False),
        (OWN, POSTMASTER, ["n@x", "f@x"], True, True),
    ]
    assert plan(Kind.FAILURE, "a@x", frozenset(), never) == []
    assert plan(Kind.DELAY, "a@x", frozenset(), failure) == []


def test_success_is_told_to_who_asked() -> None:
    assert plan(Kind.SUCCESS, "a@x") == [("", "a@x", ["b@x"], False, True)]
    assert plan(Kind.SUCCESS, "") == []
    assert plan(Kind.SUCCESS, "", ALL) == [(OWN, POSTMASTER, ["b@x"], False, True)]


def test_nobody_is_told_of_nothing() -> None:
    assert plan_notices(Kind.FAILURE, Message("Q1", "a@x", 0.0, None), [], SITE) == []


@pytest.mark.parametrize(
    ("notify", "kinds"),
    [
        (Notify.UNSET, {Kind.FAILURE, Kind.DELAY}),
        (Notify.NEVER, set()),
        (Notify.SUCCESS, {Kind.SUCCESS}),
        (Notify.FAILURE | Notify.DELAY, {Kind.FAILURE, Kind.DELAY}),
    ],
)
def test_what_notify_allows(notify: Notify, kinds: set[Kind]) -> None:
    assert {kind for kind in Kind if wants(notify, kind)} == kinds


def test_a_report_of_an_outcome() -> None:
    outcome = Outcome(Status.SENT, "2.0.0", "250 Ok", "mx[1]:25", "mx", "250 Ok", Action.RELAYED)
    made = report_outcome(Recipient("b@x"), outcome)
    assert made == Report(Recipient("b@x"), "2.0.0", "250 Ok", "relayed", "mx", "250 Ok")
