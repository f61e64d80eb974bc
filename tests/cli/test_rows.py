from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailrider.cli.rows import Rows
from mailrider.model.outcome import Action, Outcome, Status

SENT = Outcome(Status.SENT, "2.0.0", "250 2.0.0 Ok", "mx.test[192.0.2.1]:25", action=Action.RELAYED, connection_use=3)
DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "connect to mx.test[192.0.2.1]:25: Connection refused")
BOUNCED = Outcome(Status.BOUNCED, "5.1.1", "550 no", "mx.test[192.0.2.1]:25", action=Action.FAILED)


def rows_of(*steps: tuple[int, list[str], list[Outcome | None]], numbered: bool = True) -> tuple[Rows, list[dict[str, Any]]]:
    lines: list[str] = []
    rows = Rows(lines.append, numbered=numbered)
    for position, given_, outcomes in steps:
        rows.add(position, given_, outcomes, "local")
    return rows, [json.loads(line) for line in lines]


def test_a_row_says_what_became_of_a_recipient_as_it_was_given() -> None:
    rows, (row,) = rows_of((0, ['"b b"@example.test'], [SENT]), numbered=False)
    assert row == {
        "recipient": '"b b"@example.test',
        "status": "sent",
        "dsn": "2.0.0",
        "relay": "mx.test[192.0.2.1]:25",
        "text": "250 2.0.0 Ok",
        "conn_use": 3,
        "action": "relayed",
    }
    assert (rows.sent, rows.deferred, rows.bounced) == (1, 0, 0)


def test_messages_are_numbered_in_a_batch() -> None:
    _, found = rows_of((0, ["a", "b"], [SENT, DEFERRED]), (1, ["c"], [BOUNCED]))
    assert [(row["message"], row["recipient"], row["status"]) for row in found] == [
        (1, "a", "sent"), (1, "b", "deferred"), (2, "c", "bounced"),
    ]  # fmt: skip


def test_rows_come_in_the_order_of_the_requests() -> None:
    lines: list[str] = []
    rows = Rows(lines.append, numbered=True)
    seen = []
    for position in (2, 0, 1, 4, 3):
        rows.add(position, [f"r{position}"], [SENT], "")
        seen.append(len(lines))
    assert seen == [0, 1, 3, 3, 5]
    assert [json.loads(line)["message"] for line in lines] == [1, 2, 3, 4, 5]


def test_what_happened_is_counted_by_what_it_means_for_the_exit_code() -> None:
    outcomes = [
        SENT, SENT._replace(status=Status.DELIVERABLE), DEFERRED, BOUNCED, BOUNCED._replace(status=Status.UNDELIVERABLE), None,
    ]  # fmt: skip
    rows, found = rows_of((0, list("abcdef"), outcomes))
    assert (rows.sent, rows.deferred, rows.bounced) == (2, 2, 2)
    assert [row["status"] for row in found] == [
        "sent", "deliverable", "deferred", "bounced", "undeliverable", "deferred",
    ]  # fmt: skip


def test_mail_for_another_transport_is_deferred_with_its_reason() -> None:
    _, (row,) = rows_of((0, ["a"], [None]))
    assert (row["status"], row["dsn"], row["relay"]) == ("deferred", "4.3.0", "none")
    assert "transport local" in row["text"]


def test_doubt_is_told() -> None:
    _, (one, two) = rows_of((0, ["a", "b"], [DEFERRED, DEFERRED._replace(in_doubt=True)]))
    assert "in_doubt" not in one
    assert two["in_doubt"] is True


@given(st.text(), st.text(), st.text(), st.text())
def test_a_row_is_one_line_of_json_whatever_is_in_it(recipient: str, status: str, relay: str, text: str) -> None:
    lines: list[str] = []
    outcome = Outcome(Status.DEFERRED, status, text, relay)
    Rows(lines.append, numbered=False).add(0, [recipient], [outcome], "")
    (line,) = lines
    assert "\n" not in line
    assert "\r" not in line
    row = json.loads(line)
    assert (row["recipient"], row["dsn"], row["relay"], row["text"]) == (recipient, status, relay, text)
