from __future__ import annotations

import socket
from collections import Counter

import pytest

from mailrider.cli import demonstration
from mailrider.cli.demonstration import DOMAIN, MAILBOXES, Job, Report, Row, demonstrate, make_jobs
from mailrider.cli.event_loop import run_loop
from mailrider.errors import WrongUsage
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.record import ReceivedMessage, Session


def has_loopback_net() -> bool:
    """Whether all of 127.0.0.0/8 is here, as on Linux."""
    try:
        socket.create_server(("127.0.0.4", 0)).close()
    except OSError:
        return False
    return True


needs_loopback_net = pytest.mark.skipif(not has_loopback_net(), reason="127.0.0.4 is not on this machine")


def test_the_messages_are_the_same_every_time() -> None:
    jobs = list(make_jobs(100))
    assert jobs == list(make_jobs(100))
    assert Counter(job.expected for job in jobs) == {"sent": 98, "bounced": 1, "deferred": 1}
    assert len({job.recipient for job in jobs}) == 100
    assert 15 <= sum(job.by_lmtp for job in jobs) <= 20
    assert all(job.message.endswith(b"\r\n") and b"\r\n.This" in job.message for job in jobs)


@needs_loopback_net
def test_everything_happens_as_it_has_to() -> None:
    ticks: list[None] = []
    report = run_loop(demonstrate(20, lambda: ticks.append(None)))
    assert report.surprises == []
    assert (report.sent, report.bounced, report.deferred, report.arrived, report.intact) == (18, 1, 1, 18, 18)
    assert report.failed_connections > 0
    assert len(ticks) == 20
    assert [(row.destination, row.server, row.status, row.status_code, count) for row, count in report.rows] == [
        (DOMAIN, f"mx2.{DOMAIN}", "sent", "2.0.0", 14),
        (DOMAIN, f"mx2.{DOMAIN}", "bounced", "5.1.1", 1),
        (DOMAIN, f"mx3.{DOMAIN}", "deferred", "4.2.2", 1),
        (MAILBOXES, "LMTP on a socket", "sent", "2.0.0", 4),
    ]
    assert report.as_object()["as_expected"] is True


def test_a_message_that_is_lost_changed_or_doubled_is_a_surprise() -> None:
    server = ScriptedServer()
    jobs = [Job(f"{name}@x", b"text\r\n", False, "sent") for name in ("fine", "lost", "changed", "doubled")]
    arrived = [("fine", b"text\r\n"), ("changed", b"test\r\n"), ("doubled", b"text\r\n"), ("doubled", b"text\r\n")]
    server.sessions.append(
        Session(1, messages=[ReceivedMessage("", "", (f"{name}@x",), content, 6) for name, content in arrived])
    )
    report = Report(4, failed_connections=1)
    demonstration._compare(jobs, [server], report)
    assert not report.as_expected
    assert report.surprises == ["4 messages arrived and 1 intact, where 4 had to"]


def test_a_best_host_that_nobody_tried_is_a_surprise() -> None:
    report = Report(0)
    demonstration._compare([], [], report)
    assert report.surprises == ["nobody tried the best MX host, which does not answer"]


def test_rows_come_by_destination_and_number() -> None:
    report = Report(6)
    rows = [Row("b", "s", "sent", "2.0.0", ""), Row("a", "s", "sent", "2.0.0", ""), Row("a", "s", "bounced", "5.0.0", "")]
    report.counts.update({rows[0]: 3, rows[1]: 1, rows[2]: 2})
    assert report.rows == [(rows[2], 2), (rows[1], 1), (rows[0], 3)]


def test_a_machine_without_the_addresses_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "_FIRST", "192.0.2.1")
    with pytest.raises(WrongUsage, match=r"the demo needs the loopback addresses 127\.0\.0\.2"):
        run_loop(demonstrate(10))
