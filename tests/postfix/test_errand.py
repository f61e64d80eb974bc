"""An errand from the request to the final reply, with a core that does what it is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.postfix.test_recording import INSTALLATION, SENT, FakeServices
from tests.postfix.test_request import read, sample

from mailrider.attributes.plain import AttributeReader
from mailrider.clock import Clock
from mailrider.errors import WrongUsage
from mailrider.events import Event, RecipientSettled, Warned
from mailrider.model.outcome import DeliveryReport, DestinationTrouble, HandOver, Outcome, Recorder, Status
from mailrider.model.request import DeliveryRequest, Transport
from mailrider.postfix.errand import Errands
from mailrider.postfix.request import encode_request
from mailrider.postfix.translation import FINAL_DONE, FINAL_RETRY

DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "no")


class FixedClock(Clock):
    def monotonic_seconds(self) -> float:
        return 1.0

    def wall_seconds(self) -> float:
        return 1.8e9


class Core:
    """Settles every recipient with an outcome, or does worse."""

    def __init__(self, outcome: Outcome = SENT, trouble: DestinationTrouble | None = None) -> None:
        self.outcome = outcome
        self.trouble = trouble
        self.fault: BaseException | None = None
        self.hand_over = ""
        self.settles = True
        self.content = b""
        self.requests: list[DeliveryRequest] = []

    async def deliver(self, request: DeliveryRequest, recorder: Recorder) -> DeliveryReport:
        self.requests.append(request)
        self.content = b"".join(request.content.chunks())
        if self.fault is not None:
            raise self.fault
        recipients = request.envelope.recipients
        if self.hand_over:
            return DeliveryReport((None,), None, HandOver(self.hand_over, recipients))
        for recipient in recipients if self.settles else ():
            await recorder.settle(recipient, self.outcome)
        return DeliveryReport((self.outcome,), self.trouble)


class Scene:
    def __init__(self, folder: Path, core: Core) -> None:
        self.folder = folder
        self.core = core
        self.events: list[Event] = []
        self.faults: list[BaseException] = []
        self.done = 0
        (folder / "active").mkdir()
        (folder / "private").mkdir()
        self.request = read(sample("plain"))
        self.path = folder / "active" / self.request.queue_id
        self.path.write_bytes((Path(__file__).parent / "samples" / "plain.file").read_bytes())
        self.path.chmod(0o700)
        self.services: FakeServices | None = None

    async def converse(self, octets: bytes, *, answers: bool = True) -> bytes:
        """What an errand answers to a queue manager that says this, or hangs up at once after it."""
        from mailrider.postfix.reports import Reports

        self.services = FakeServices(frozenset())
        reports = Reports(INSTALLATION, self.services, self.events.append, lambda domain: False)
        errands = Errands(
            self.core, Transport.SMTP, "smtp", INSTALLATION, reports, FixedClock(), self.events.append,
            handling_limit_seconds=5.0, tell_fault=self.faults.append,
        )  # fmt: skip
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        finished = asyncio.Event()
        errands.begin(theirs, finished.set)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ours, octets)
        answer = b""
        with ours:
            if answers:
                answer = await loop.sock_recv(ours, 4096)
        await finished.wait()
        assert theirs.fileno() == -1
        assert not errands.waiting
        return answer


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.chdir(tmp_path)
    return Scene(tmp_path, Core())


def status_of(answer: bytes) -> tuple[str, str, int]:
    """Status and reason of the destination, and the status of the request."""
    reader = AttributeReader()
    reader.feed(answer)
    found = reader.take()
    assert found is not None
    names = [name for name, _ in found.pairs]
    assert names == [b"status", b"diag_type", b"diag_text", b"mta_type", b"mta_mname", b"action", b"reason", b"status"]
    status = found.text(b"status")
    for name in names[1:6]:
        assert found.octets(name) == b""
    return status, found.text(b"reason"), found.integer(b"status")


def test_all_sent(scene: Scene) -> None:
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_DONE
    assert scene.core.content.endswith(b"\r\n.dot\r\nHello.\r\n\r\nbye\r\n")
    assert scene.path.read_bytes()[scene.request.recipients[0].offset :][:1] == b"D"
    (request,) = scene.core.requests
    assert (request.nexthop, request.queue_id) == ("[192.0.2.1]:25", scene.request.queue_id)


@pytest.mark.parametrize(
    ("announces", "greeting"),
    [(True, b"protocol\0delivery_request_protocol\0\0"), (False, b"status\x000\0\0")],
)
def test_older_releases_want_another_greeting(announces: bool, greeting: bytes) -> None:
    async def make() -> bytes:
        from mailrider.postfix.reports import Reports

        installation = replace(INSTALLATION, release=(3, 6) if announces else (3, 5))
        reports = Reports(installation, FakeServices(frozenset()), lambda event: None, lambda domain: False)
        return Errands(
            Core(), Transport.SMTP, "smtp", installation, reports, FixedClock(), lambda event: None,
            handling_limit_seconds=5.0, tell_fault=lambda fault: None,
        ).greeting  # fmt: skip

    assert asyncio.run(make()) == greeting


def test_something_is_left_to_do(scene: Scene) -> None:
    scene.core.outcome = DEFERRED
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY


def test_a_site_that_fails_as_a_whole(scene: Scene) -> None:
    scene.core.outcome = DEFERRED
    scene.core.trouble = DestinationTrouble("4.4.1", "connect to mx: timed out")
    answer = asyncio.run(scene.converse(sample("plain")))
    assert status_of(answer) == ("4.4.1", "connect to mx: timed out", -1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(WrongUsage("next hop makes no sense"), "next hop makes no sense"), (RuntimeError("oh"), "unknown mail transport error")],
)
def test_a_fault_of_ours_defers(scene: Scene, fault: Exception, reason: str) -> None:
    scene.core.fault = fault
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY
    assert scene.services is not None
    assert [(service, question["reason"]) for service, question in scene.services.asked] == [("defer", reason)]
    assert any(isinstance(event, RecipientSettled) for event in scene.events)
    assert scene.faults == ([fault] if isinstance(fault, RuntimeError) else [])


def test_a_core_that_forgets_a_recipient_does_not_lose_it(scene: Scene) -> None:
    scene.core.settles = False
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY


def test_a_file_that_is_gone(scene: Scene) -> None:
    scene.path.unlink()
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY
    assert not scene.core.requests


def test_nonsense_is_answered(scene: Scene) -> None:
    assert asyncio.run(scene.converse(b"who\0knows\0\0")) == FINAL_RETRY
    assert any(isinstance(event, Warned) and "error receiving" in event.text for event in scene.events)


@pytest.mark.parametrize("beginning", [0, 100])
def test_a_queue_manager_that_changes_its_mind(scene: Scene, beginning: int) -> None:
    asyncio.run(scene.converse(sample("plain")[:beginning], answers=False))
    assert not scene.core.requests
    assert not scene.events


def test_a_queue_manager_that_is_gone_meanwhile(scene: Scene) -> None:
    """As after a reload: the work is done all the same."""
    asyncio.run(scene.converse(sample("plain"), answers=False))
    assert scene.path.read_bytes()[scene.request.recipients[0].offset :][:1] == b"D"
    assert not scene.faults


def serve_as_agent(folder: Path, answer: bytes) -> Callable[[], list[bytes]]:
    """Another delivery agent, in a thread."""
    import threading

    heard: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "private" / "local"))
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            connection.sendall(b"protocol\0delivery_request_protocol\0\0")
            heard.append(connection.recv(65536))
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()

    def finish() -> list[bytes]:
        thread.join(10)
        return heard

    return finish


@pytest.mark.parametrize(("answer", "final"), [(FINAL_DONE, FINAL_DONE), (FINAL_RETRY, FINAL_RETRY)])
def test_mail_that_is_for_another_transport(scene: Scene, answer: bytes, final: bytes) -> None:
    scene.core.hand_over = "local:elsewhere"
    finish = serve_as_agent(scene.folder, answer)
    assert asyncio.run(scene.converse(sample("plain"))) == final
    (heard,) = finish()
    passed = read(heard)
    assert passed.nexthop == "elsewhere"
    assert passed.times.handed_seconds == 1.8e9
    assert encode_request(passed, scene.request.nexthop, passed.recipients[0]) != sample("plain")
    assert passed._replace(nexthop=scene.request.nexthop, times=scene.request.times) == scene.request


def test_another_transport_that_makes_no_sense(scene: Scene) -> None:
    scene.core.hand_over = "local"
    finish = serve_as_agent(scene.folder, b"status\0\0\0")
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY
    finish()
    assert scene.services is not None
    assert [question["reason"] for _, question in scene.services.asked] == ["unknown mail transport error"]


def test_another_transport_that_is_not_there(scene: Scene) -> None:
    scene.core.hand_over = "nowhere"
    assert asyncio.run(scene.converse(sample("plain"))) == FINAL_RETRY
    assert scene.services is not None
    assert [question["reason"] for _, question in scene.services.asked] == ["mail transport unavailable"]
