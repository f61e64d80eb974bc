"""What is reported for which outcome, what is marked, and what happens where a service of Postfix does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mailrider.events import Event, Warned
from mailrider.model.outcome import Action, Outcome, Recorded, Status
from mailrider.model.request import Recipient
from mailrider.postfix.installation import Installation
from mailrider.postfix.queue_file import Hashing, QueuedContent, QueueFile, open_queue_file
from mailrider.postfix.recording import QueueRecorder
from mailrider.postfix.reports import Reports
from mailrider.postfix.request import (
    MARK_DONE,
    MTA_PROBE,
    NOTIFY_DELAY,
    NOTIFY_SUCCESS,
    RECORD_ALL,
    RECORD_DELAYED,
    USER_PROBE,
    QueuedRecipient,
    QueueRequest,
    RequestReader,
)
from mailrider.postfix.services import ServiceClients, ServiceFailed

OFFSET = 4
SENT = Outcome(Status.SENT, "2.0.0", "250 fine", "mx[192.0.2.1]:25", "mx", "250 fine", Action.RELAYED)
BOUNCED = Outcome(Status.BOUNCED, "5.1.1", "host said: 550 no", "mx[192.0.2.1]:25", "mx", "550 no", Action.FAILED)
DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "connect to mx: timed out", action=Action.DELAYED)
DELIVERABLE = SENT._replace(status=Status.DELIVERABLE)
UNDELIVERABLE = BOUNCED._replace(status=Status.UNDELIVERABLE)

INSTALLATION = Installation(
    queue_directory="/",
    mail_owner="postfix",
    bounce_service="bounce",
    defer_service="defer",
    trace_service="trace",
    verify_service="verify",
    flush_service="flush",
    postlog_service="postlog",
    proxymap_service="proxymap",
    fast_flush_domains="",
    caches_negative_probes=True,
    hashing=Hashing(frozenset(), 1),
    answer_seconds=10.0,
)


class FakeServices(ServiceClients):
    """Services that say what they are told to, and remember what they were asked."""

    def __init__(self, broken: frozenset[str]) -> None:
        super().__init__(announces=True, answer_seconds=1.0)
        self.broken = broken
        self.asked: list[tuple[str, dict[str, object]]] = []

    async def ask(self, path: str, protocol: str, question: object) -> int:
        assert isinstance(question, list)
        service = path.rpartition("/")[2]
        self.asked.append((service, dict(question)))
        if service in self.broken:
            raise ServiceFailed(f"{path}: broken")
        return 0


class Desk:
    """A recorder with a real queue file and services that are not there."""

    def __init__(self, folder: Path, flags: int, recipient: QueuedRecipient, broken: frozenset[str], negative: bool) -> None:
        self.path = folder / "file"
        self.path.write_bytes(b"0123RRRRRRRRR")
        self.path.chmod(0o700)
        file = open_queue_file(str(self.path))
        assert isinstance(file, QueueFile)
        self.file = file
        self.content = QueuedContent(file, 0, 10)
        self.services = FakeServices(broken)
        self.events: list[Event] = []
        octets = (Path(__file__).parent / "samples" / "plain.request").read_bytes()
        request = RequestReader().feed(octets)
        assert isinstance(request, QueueRequest)
        installation = INSTALLATION if negative else _without_negative()
        reports = Reports(installation, self.services, self.events.append, lambda domain: domain == "kept.test")
        self.recorder = QueueRecorder(
            request._replace(flags=flags), file, self.content, reports, installation, self.events.append
        )
        self.recipient = Recipient(recipient.address, token=recipient)

    def settle(self, outcome: Outcome) -> bool:
        recorded = asyncio.run(self.recorder.settle(self.recipient, outcome))
        assert self.recorder.has_settled(self.recipient)
        return recorded is Recorded.RECORDED

    @property
    def asked(self) -> list[str]:
        return [service for service, _ in self.services.asked]

    @property
    def marked(self) -> bool:
        return self.path.read_bytes()[OFFSET : OFFSET + 1] == b"D"


def _without_negative() -> Installation:
    from dataclasses import replace

    return replace(INSTALLATION, caches_negative_probes=False)


def make_desk(
    folder: Path, *, flags: int = MARK_DONE, notify: int = 0, broken: str = "", negative: bool = True, address: str = "a@b.test"
) -> Desk:
    recipient = QueuedRecipient("o@b.test", address, OFFSET, "rfc822;o@b.test", notify)
    return Desk(folder, flags, recipient, frozenset(broken.split()), negative)


def test_what_was_sent_is_marked_and_nobody_is_told(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    assert desk.settle(SENT)
    assert (desk.asked, desk.marked, desk.recorder.retry_needed) == ([], True, False)


@pytest.mark.parametrize(
    ("flags", "notify", "passes_on", "asked"),
    [
        (0, NOTIFY_SUCCESS, False, ["trace"]),
        (0, NOTIFY_SUCCESS, True, []),
        (RECORD_ALL, 0, False, ["trace"]),
        (RECORD_ALL, NOTIFY_SUCCESS, False, ["trace", "trace"]),
        (RECORD_ALL, NOTIFY_SUCCESS, True, ["trace"]),
        (RECORD_DELAYED, 0, False, ["trace"]),
        (RECORD_DELAYED, NOTIFY_DELAY, False, ["trace"]),
        (RECORD_DELAYED, 1, False, []),
    ],
)
def test_who_hears_of_a_success(tmp_path: Path, flags: int, notify: int, passes_on: bool, asked: list[str]) -> None:
    desk = make_desk(tmp_path, flags=flags | MARK_DONE, notify=notify)
    assert desk.settle(SENT._replace(passes_notice_on=passes_on))
    assert desk.asked == asked
    for _, question in desk.services.asked:
        assert question["action"] == "relayed"
        assert question["reason"] == "delivery via mx[192.0.2.1]:25: 250 fine"
        assert question["flags"] == flags & (RECORD_ALL | RECORD_DELAYED)
    assert desk.marked


def test_a_bounce(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    assert desk.settle(BOUNCED)
    ((service, question),) = desk.services.asked
    assert service == "bounce"
    assert {name: question[name] for name in ("status", "diag_type", "diag_text", "mta_type", "mta_mname", "action")} == {
        "status": "5.1.1", "diag_type": "smtp", "diag_text": "550 no", "mta_type": "dns", "mta_mname": "mx", "action": "failed",
    }  # fmt: skip
    assert desk.marked
    assert not desk.recorder.retry_needed


def test_a_deferral_is_reported_and_not_marked(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    assert desk.settle(DEFERRED)
    ((service, question),) = desk.services.asked
    assert (service, question["action"], question["diag_type"], question["mta_type"]) == ("defer", "delayed", "", "")
    assert not desk.marked
    assert desk.recorder.retry_needed


def test_a_site_that_asks_for_its_mail(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, address="a@kept.test")
    assert desk.settle(DEFERRED)
    assert desk.asked == ["defer", "flush"]
    assert desk.services.asked[1][1]["site"] == "kept.test"


def test_a_soft_bounce_is_a_deferral(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    assert desk.settle(BOUNCED._replace(status=Status.DEFERRED, status_code="4.1.1", soft_bounced=True))
    assert desk.asked == ["defer"]
    assert desk.recorder.retry_needed


@pytest.mark.parametrize(
    ("outcome", "broken", "asked"),
    [
        (SENT, "trace", ["trace", "defer", "trace"]),
        (BOUNCED, "bounce", ["bounce", "defer", "trace"]),
        (BOUNCED, "trace", ["bounce", "trace", "defer", "trace"]),
        (DEFERRED, "defer", ["defer"]),
    ],
)
def test_a_report_that_is_not_taken_leaves_the_recipient_open(
    tmp_path: Path, outcome: Outcome, broken: str, asked: list[str]
) -> None:
    desk = make_desk(tmp_path, flags=MARK_DONE | RECORD_ALL, broken=broken)
    assert not desk.settle(outcome)
    assert desk.asked == asked
    assert not desk.marked
    assert desk.recorder.retry_needed
    assert any(isinstance(event, Warned) and f"{broken} service failure" in event.text for event in desk.events)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(DELIVERABLE, 0), (UNDELIVERABLE._replace(status_code="4.2.1"), 1), (UNDELIVERABLE, 2)],
)
def test_a_probe_of_smtpd(tmp_path: Path, outcome: Outcome, status: int) -> None:
    desk = make_desk(tmp_path, flags=MARK_DONE | MTA_PROBE)
    assert desk.settle(outcome)
    assert [(service, question["address"], question["recipient_status"]) for service, question in desk.services.asked] == [
        ("verify", "o@b.test", status), ("verify", "a@b.test", status),
    ]  # fmt: skip
    assert desk.marked


def test_a_probe_whose_failure_is_not_to_be_remembered(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, flags=MARK_DONE | MTA_PROBE, negative=False)
    assert desk.settle(UNDELIVERABLE)
    assert desk.asked == []
    assert desk.marked


def test_a_probe_of_a_user(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, flags=MARK_DONE | USER_PROBE)
    assert desk.settle(UNDELIVERABLE)
    assert [(service, question["action"]) for service, question in desk.services.asked] == [("trace", "undeliverable")]
    assert desk.marked


def test_nothing_is_marked_that_is_not_to_be(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, flags=0)
    assert desk.settle(SENT)
    assert not desk.marked


def test_a_corrupt_file_is_marked_once_the_bounce_is_recorded(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.content.damage = "bad record type: 63 in message content"
    assert desk.settle(BOUNCED)
    assert desk.path.stat().st_mode & 0o777 == 0o400
    told = [event.text for event in desk.events if isinstance(event, Warned)]
    assert told == ["bad record type: 63 in message content", f"corrupted queue file: {desk.path}"]


def test_a_file_that_cannot_be_marked_is_told(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.file.close()
    assert desk.settle(SENT)
    assert any(isinstance(event, Warned) and "update queue file" in event.text for event in desk.events)
