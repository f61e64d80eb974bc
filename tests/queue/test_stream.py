"""A stream of messages over few connections, whatever the server does in the middle of it: each ends as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.bursts import WITHOUT_PIPELINING, Job, burst, depart_together, taken
from delivery.scene import Scene, at
from mailrider.events import Warned
from mailrider.model.request import DeliveryRequest, Turn
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

MAIL, RCPT, DOT = "MAIL", "RCPT", "dot"

FATES = {
    "friendly": [],
    "MAIL deferred": [(MAIL, {"reply": "450 4.7.1 later"})],
    "MAIL refused": [(MAIL, {"reply": "550 5.7.1 no"})],
    "MAIL complained about": [(MAIL, {"reply": "500 5.5.1 what?"})],
    "MAIL and enough": [(MAIL, {"reply": "421 4.7.0 enough", "then": "close"})],
    "MAIL closed": [(MAIL, {"then": "close"})],
    "MAIL reset": [(MAIL, {"then": "reset"})],
    "MAIL silence": [(MAIL, {"then": "silence"})],
    "RCPT deferred": [(RCPT, {"reply": "450 4.2.1 later"})],
    "RCPT refused": [(RCPT, {"reply": "550 5.1.1 unknown"})],
    "RCPT closed": [(RCPT, {"then": "close"})],
    "RCPT reset": [(RCPT, {"then": "reset"})],
    "RCPT silence": [(RCPT, {"then": "silence"})],
    "dot deferred": [(DOT, {"reply": "450 4.2.0 later"})],
    "dot refused": [(DOT, {"reply": "554 5.6.0 never"})],
    "dot complained about": [(DOT, {"reply": "500 5.5.2 what?"})],
    "dot late": [(DOT, {"delay_seconds": 3})],
    "dot closed": [(DOT, {"then": "close"})],
    "dot reset": [(DOT, {"then": "reset"})],
    "dot silence": [(DOT, {"then": "silence"})],
    "dot taken, then closed": [(DOT, {"reply": "250 2.0.0 Ok", "then": "close"})],
}
"""What a server does whenever it sees a certain message: where, and how."""

KEYWORDS = {
    "lock-step": WITHOUT_PIPELINING,
    "groups": DEFAULT_KEYWORDS,
    "chunks": (*DEFAULT_KEYWORDS, "CHUNKING"),
}


def rules_for(number: int, fate: str) -> list[Rule]:
    """The fate of one message as rules."""
    rules = []
    for moment, how in FATES[fate]:
        if moment == DOT:
            rules.append(Rule(on="dot", match=rf"^r{number}@", **how))
        else:
            rules.append(Rule(match=rf"^{moment} .*<[sr]{number}@", **how))
    return rules


class NamedJob(Job):
    """A message with a sender of its own."""

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        request = super().open(turn, cache_load=cache_load, cache_store=cache_store)
        return request._replace(envelope=request.envelope._replace(sender=f"s{self.number}@example.test"))


@cache
def alone(fate: str, speech: str) -> str:
    """What becomes of a message with this fate that is sent alone."""
    statuses: list[str] = []

    async def main() -> None:
        async with ScriptedServer(*rules_for(0, fate), keywords=KEYWORDS[speech]) as peer, Scene() as scene:
            (job,) = await burst(scene, at(peer), 1, 1, NamedJob)
            statuses.append(job.status)

    run(main(), limit_seconds=100_000)
    return statuses[0]


def deliver_in_a_stream(fates: Sequence[str], speech: str, width: int) -> None:
    """Send them all at once, and look at what has become of each."""
    expected = [alone(fate, speech) for fate in fates]
    rules = [rule for number, fate in enumerate(fates) for rule in rules_for(number, fate)]

    async def main() -> None:
        async with ScriptedServer(*rules, keywords=KEYWORDS[speech]) as peer, Scene() as scene:
            depart_together(scene)
            jobs = await burst(scene, at(peer), len(fates), width, NamedJob)
            came = taken(peer)
            doubted = {event.queue_id for event in scene.told(Warned) if "may arrive twice" in event.text}
            for job, fate, status in zip(jobs, fates, expected, strict=True):
                assert job.status == status, f"message {job.number}, {fate}"
                times = came.count(f"r{job.number}")
                assert times <= 1 or f"Q{job.number}" in doubted, f"message {job.number} came {times} times"
                if job.status.startswith("sent"):
                    assert times, f"message {job.number} counts as sent and never came"
            await scene.agent.close()

    run(main(), limit_seconds=1_000_000)


@given(
    st.lists(st.sampled_from(["friendly"] * len(FATES) + list(FATES)), min_size=1, max_size=50),
    st.sampled_from(list(KEYWORDS)),
    st.integers(1, 3),
)
@settings(max_examples=60)
def test_each_message_ends_as_if_it_were_alone(fates: list[str], speech: str, width: int) -> None:
    deliver_in_a_stream(fates, speech, width)


@pytest.mark.parametrize("speech", KEYWORDS)
@pytest.mark.parametrize("fate", FATES)
def test_one_of_them_in_the_middle_of_friendly_ones(fate: str, speech: str) -> None:
    deliver_in_a_stream(["friendly"] * 4 + [fate] + ["friendly"] * 4, speech, 1)
