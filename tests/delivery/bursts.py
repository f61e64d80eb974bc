"""Many requests at once through one agent: what tests of streams share."""

from __future__ import annotations

import asyncio

from delivery.scene import Scene, statuses
from mailrider.delivery.agent import DeliveryAgent
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import DeliveryRequest, Turn
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.departures import Departures
from mailrider.queue.burst import Burst
from mailrider.queue.window import WindowTerms
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer

WITHOUT_PIPELINING = tuple(keyword for keyword in DEFAULT_KEYWORDS if keyword != "PIPELINING")


class Job:
    """One message to one recipient."""

    service = "smtp"

    def __init__(self, scene: Scene, nexthop: str, number: int) -> None:
        self._scene = scene
        self.nexthop = self.destination = nexthop
        self.number = number
        self.reports: list[DeliveryReport] = []

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        hints = {"cache_load": cache_load, "cache_store": cache_store}
        return self._scene.request(self.nexthop, f"r{self.number}", queue_id=f"Q{self.number}", turn=turn, **hints)

    def report(self, report: DeliveryReport) -> None:
        self.reports.append(report)

    @property
    def status(self) -> str:
        (report,) = self.reports
        return statuses(report)[0]

    @property
    def use(self) -> int:
        (report,) = self.reports
        outcome = report.outcomes[0]
        assert outcome is not None
        return outcome.connection_use


async def burst(scene: Scene, nexthop: str, count: int, width: int, kind: type[Job] = Job) -> list[Job]:
    """Deliver so many messages at once, with a window of this width that never closes."""
    jobs = [kind(scene, nexthop, number) for number in range(count)]

    async def deliver(request: DeliveryRequest) -> DeliveryReport:
        return await scene.agent.deliver(request, scene.keeper)

    terms = WindowTerms(initial=width, limit=width, failed_cohort_limit=0)
    await Burst(deliver, lambda service: terms, scene.clock, scene.events.append).run(jobs)
    return jobs


def depart_together(scene: Scene) -> None:
    """As the running whole has it: what is written leaves at the end of the round."""
    loop = asyncio.get_running_loop()
    wheel = DeadlineWheel(loop, Departures(loop))
    scene.agent = DeliveryAgent(scene.profile, scene.directory, wheel, scene.clock, scene.events.append)


def taken(peer: ScriptedServer) -> list[str]:
    """The recipients of the messages that came to their end and were not refused there."""
    messages = [message for session in peer.sessions for message in session.messages]
    return [
        recipient.partition("@")[0]
        for message in messages
        for recipient in message.recipients
        if not message.replies or message.replies[0].startswith("2")
    ]


def arrived(*peers: ScriptedServer) -> list[str]:
    """The recipients of the messages that came to their end, in order for each connection."""
    return [recipient.partition("@")[0] for peer in peers for message in peer.messages for recipient in message.recipients]
