"""Many requests under their windows, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.events import Event, RecipientSettled
from mailrider.model.outcome import Action, DeliveryReport, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Turn
from mailrider.queue import place
from mailrider.queue.burst import Burst
from mailrider.queue.window import ConcurrencyWindow, WindowTerms
from mailrider.spool.message import MemoryMessage
from virtual_time import VirtualClock, run

SENT = Outcome(Status.SENT, "2.0.0", "250 ok", action=Action.RELAYED)
LOST = DestinationTrouble("4.4.1", "connect to mx[192.0.2.1]:25: Connection refused")
DEFERRED = Outcome(Status.DEFERRED, LOST.status_code, LOST.text)


class Job:
    """A request that waits for its turn, and what became of it."""

    def __init__(self, number: int, nexthop: str = "x.test", service: str = "smtp", recipients: int = 1) -> None:
        self.number = number
        self.nexthop = self.destination = nexthop
        self.service = service
        self.recipients = recipients
        self.hints: list[tuple[bool, bool]] = []
        self.reports: list[DeliveryReport] = []

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        self.hints.append((cache_load, cache_store))
        recipients = tuple(Recipient(f"r{self.number}.{each}@{self.nexthop}") for each in range(self.recipients))
        now = VirtualClock().wall_seconds()
        return DeliveryRequest(
            Envelope("a@example.test", recipients),
            MemoryMessage(b""),
            self.nexthop,
            service=self.service,
            queue_id=f"Q{self.number}",
            arrival_seconds=now - 7,
            active_seconds=now - 3,
            turn=turn,
        )

    def report(self, report: DeliveryReport) -> None:
        self.reports.append(report)

    @property
    def text(self) -> str:
        """The text of the only outcome of the only report."""
        (report,) = self.reports
        outcome = report.outcomes[0]
        assert outcome is not None
        return outcome.text


Deliver = Callable[[DeliveryRequest], Awaitable[DeliveryReport]]


class Stage:
    """Delivers with a function of a test, and watches how much happens at once."""

    def __init__(self, act: Callable[[int], Awaitable[DestinationTrouble | None]]) -> None:
        self._act = act
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.begun: list[int] = []

    async def deliver(self, request: DeliveryRequest) -> DeliveryReport:
        number = int(request.queue_id[1:])
        self.begun.append(number)
        self.running[request.nexthop] += 1
        self.most[request.nexthop] = max(self.most[request.nexthop], self.running[request.nexthop])
        try:
            trouble = await self._act(number)
        finally:
            self.running[request.nexthop] -= 1
        outcome = SENT if trouble is None else DEFERRED
        return DeliveryReport((outcome,) * len(request.envelope.recipients), trouble)


def play(
    jobs: list[Job],
    act: Callable[[int], Awaitable[DestinationTrouble | None]],
    terms: WindowTerms | Callable[[str], WindowTerms] = WindowTerms(),  # noqa: B008 (it is frozen)
) -> tuple[Stage, list[Event]]:
    stage, events = Stage(act), []

    async def main() -> None:
        of_service = terms if callable(terms) else lambda service: terms
        await Burst(stage.deliver, of_service, VirtualClock(), events.append).run(jobs)

    run(main())
    return stage, events


async def succeed(number: int) -> None:
    await asyncio.sleep(1)


async def fail(number: int) -> DestinationTrouble:
    await asyncio.sleep(1)
    return LOST


def test_nothing_to_do() -> None:
    play([], succeed)


def test_works_are_begun_in_order_and_reported_once() -> None:
    jobs = [Job(number) for number in range(50)]
    stage, _ = play(jobs, succeed)
    assert stage.begun == list(range(50))
    assert [job.text for job in jobs] == ["250 ok"] * 50


def test_the_window_bounds_what_happens_at_once() -> None:
    jobs = [Job(number) for number in range(100)]
    stage, _ = play(jobs, succeed, WindowTerms(initial=2, limit=4))
    assert stage.most["x.test"] == 4


def test_it_begins_with_the_initial_width_and_grows_by_as_much() -> None:
    started: list[tuple[float, int]] = []

    async def act(number: int) -> None:
        started.append((asyncio.get_running_loop().time(), number))
        await asyncio.sleep(10)

    play([Job(number) for number in range(30)], act, WindowTerms(initial=3, limit=20))
    rounds = Counter(moment for moment, _ in started)
    assert list(rounds.values()) == [3, 6, 9, 12]  # at most the initial width more than were busy


def test_no_more_workers_than_work() -> None:
    stage, _ = play([Job(number) for number in range(3)], succeed, WindowTerms(initial=50, limit=50))
    assert stage.most["x.test"] == 3


def test_destinations_and_services_have_windows_of_their_own() -> None:
    jobs = [Job(number, f"{number % 3}.test", "smtp" if number % 2 else "relay") for number in range(120)]

    def terms(service: str) -> WindowTerms:
        return WindowTerms(initial=2, limit=2) if service == "smtp" else WindowTerms(initial=3, limit=3)

    stage, _ = play(jobs, succeed, terms)
    assert stage.most == {"0.test": 5, "1.test": 5, "2.test": 5}


def test_a_dead_destination_has_the_rest_suspended() -> None:
    jobs = [Job(number, recipients=2) for number in range(20)]
    stage, events = play(jobs, fail)
    assert stage.begun == [0, 1, 2, 3, 4]
    assert [job.text for job in jobs[:5]] == [LOST.text] * 5
    assert [job.text for job in jobs[5:]] == [f"delivery temporarily suspended: {LOST.text}"] * 15
    for job in jobs[5:]:
        (report,) = job.reports
        assert report.destination_trouble == LOST
        outcome = report.outcomes[1]
        assert outcome is not None
        assert (outcome.status, outcome.status_code, outcome.relay) == (Status.DEFERRED, "4.4.1", "none")
        assert outcome.delays == pytest.approx((4, 3, 0, 0))
        assert job.hints == [(False, False)]
    told = [event.recipient.address for event in events if isinstance(event, RecipientSettled)]
    assert told == [f"r{number}.{each}@x.test" for number in range(5, 20) for each in range(2)]


def test_a_dead_destination_does_not_harm_the_others() -> None:
    async def act(number: int) -> DestinationTrouble | None:
        await asyncio.sleep(1)
        return LOST if number % 2 else None

    jobs = [Job(number, "bad.test" if number % 2 else "good.test") for number in range(60)]
    play(jobs, act)
    assert all(job.text == "250 ok" for job in jobs if job.nexthop == "good.test")
    assert sum("suspended" in job.text for job in jobs) == 25


def test_failures_without_a_cohort_limit_only_narrow_the_window() -> None:
    jobs = [Job(number) for number in range(20)]
    stage, _ = play(jobs, fail, WindowTerms(failed_cohort_limit=0))
    assert stage.begun == list(range(20))
    assert stage.most["x.test"] == 5


def test_a_window_that_narrows_lets_its_workers_go() -> None:
    """Two of the first five fail: 5, 3, 2.  The others succeed late, one by one."""
    running: list[int] = []

    async def act(number: int) -> DestinationTrouble | None:
        running.append(number)
        await asyncio.sleep(1 if number < 2 else 10)
        return LOST if number < 2 else None

    terms = WindowTerms(initial=5, limit=5, failed_cohort_limit=0, positive=lambda window: 0.0)
    stage, _ = play([Job(number) for number in range(12)], act, terms)
    assert stage.begun[:5] == [0, 1, 2, 3, 4]
    assert stage.most["x.test"] == 5
    assert len(stage.begun) == 12


def test_a_message_that_fails_is_no_failure_of_the_site() -> None:
    """An ordinary deferral, without trouble of the destination, counts as a success."""
    jobs = [Job(number) for number in range(40)]
    stage, _ = play(jobs, succeed, WindowTerms(initial=1, limit=40))
    assert stage.most["x.test"] > 5


def test_hints_for_kept_connections_follow_the_traffic() -> None:
    jobs = [Job(number) for number in range(12)]
    play(jobs, succeed, WindowTerms(initial=3, limit=3))
    assert [job.hints for job in jobs] == [[(False, False)]] * 3 + [[(True, True)]] * 9


def test_a_dead_destination_stays_dead_for_a_while_in_the_next_run() -> None:
    async def main() -> None:
        outcome: list[DestinationTrouble | None] = [LOST]

        async def act(number: int) -> DestinationTrouble | None:
            await asyncio.sleep(1)
            return outcome[0]

        stage = Stage(act)
        terms = WindowTerms(dead_seconds=300)
        burst = Burst(stage.deliver, lambda service: terms, VirtualClock(), lambda event: None)
        await burst.run([Job(number) for number in range(10)])
        assert len(stage.begun) == 5
        outcome[0] = None
        await asyncio.sleep(250)
        again, elsewhere = Job(20), Job(21, "y.test")
        await burst.run([again, elsewhere])
        assert again.text.startswith("delivery temporarily suspended: ")
        assert elsewhere.text == "250 ok"
        await asyncio.sleep(60)
        again = Job(22)
        await burst.run([again])
        assert again.text == "250 ok"
        await burst.run([Job(23)])
        assert stage.begun[-2:] == [22, 23]

    run(main())


def test_a_burst_that_is_cancelled_is_cancelled() -> None:
    async def main() -> None:
        stage = Stage(succeed)
        jobs = [Job(number) for number in range(100)]
        burst = Burst(stage.deliver, lambda service: WindowTerms(), VirtualClock(), lambda event: None)
        task = asyncio.create_task(burst.run(jobs))
        await asyncio.sleep(2.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stage.running["x.test"] == 0
        begun = len(stage.begun)
        await asyncio.sleep(100)
        assert len(stage.begun) == begun

    run(main())


def test_a_fault_in_a_delivery_comes_out() -> None:
    async def act(number: int) -> None:
        await asyncio.sleep(1)
        if number == 3:
            raise ZeroDivisionError("a fault")

    async def main() -> None:
        stage = Stage(act)
        burst = Burst(stage.deliver, lambda service: WindowTerms(), VirtualClock(), lambda event: None)
        with pytest.raises(ExceptionGroup) as caught:
            await burst.run([Job(number) for number in range(100)])
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]

    run(main())


class Watched(ConcurrencyWindow):
    """A window that remembers itself."""

    all: ClassVar[list[Watched]] = []

    def __init__(self, terms: WindowTerms) -> None:
        super().__init__(terms)
        self.all.append(self)


@pytest.mark.plain("a double takes the place of what a module calls")
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.floats(min_value=0, max_value=20), st.booleans()), max_size=80),
    st.integers(1, 8),
    st.integers(0, 12),
    st.floats(min_value=0, max_value=3),
)
@settings(max_examples=60)
def test_whatever_happens_all_are_reported_once_and_no_window_is_overrun(
    plan: list[tuple[str, float, bool]], initial: int, limit: int, cohorts: float
) -> None:
    Watched.all = []
    terms = WindowTerms(initial=initial, limit=limit, failed_cohort_limit=cohorts)
    windows: dict[str, Watched] = {}
    running: Counter[str] = Counter()
    begun: dict[str, list[int]] = {}
    jobs = [Job(number, name) for number, (name, _, _) in enumerate(plan)]

    async def deliver(request: DeliveryRequest) -> DeliveryReport:
        number, name = int(request.queue_id[1:]), request.nexthop
        running[name] += 1
        begun.setdefault(name, []).append(number)
        assert running[name] <= windows[name].width, "more at once than the window is wide"
        await asyncio.sleep(plan[number][1])
        running[name] -= 1
        trouble = LOST if plan[number][2] else None
        return DeliveryReport((DEFERRED if trouble else SENT,), trouble)

    async def main() -> None:
        def of_service(service: str) -> WindowTerms:
            return terms

        burst = Burst(deliver, of_service, VirtualClock(), lambda event: None)
        work = asyncio.create_task(burst.run(jobs))
        await asyncio.sleep(0)  # the windows are made in the order in which destinations appear, before anybody delivers
        windows.update(zip(dict.fromkeys(name for name, _, _ in plan), Watched.all, strict=True))
        await work

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "ConcurrencyWindow", Watched)
        run(main())
    assert [len(job.reports) for job in jobs] == [1] * len(jobs)
    for name, numbers in begun.items():
        assert numbers == [job.number for job in jobs if job.nexthop == name][: len(numbers)]
    for job in jobs:
        started = job.number in begun.get(job.nexthop, [])
        assert started == (not job.text.startswith("delivery temporarily suspended"))


PLAN = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=5),  # before it lends its place
        st.booleans(),  # whether it does
        st.booleans(),  # and waits in a stream of whole messages
        st.floats(min_value=0, max_value=5),  # while it is lent
        st.booleans(),  # whether it needs a place again
        st.floats(min_value=0, max_value=5),  # after that
        st.sampled_from([None, None, None, LOST]),
    ),
    max_size=40,
)


@pytest.mark.plain("a double takes the place of what a module calls")
@given(PLAN, st.integers(1, 5), st.sampled_from([0, 1, 2, 5]), st.sampled_from([0.0, 1.0, 3.0]))
@settings(max_examples=150)
def test_places_that_are_lent_come_back_and_nobody_waits_for_ever(
    plan: list[tuple[float, bool, bool, float, bool, float, DestinationTrouble | None]],
    initial: int,
    limit: int,
    cohorts: float,
) -> None:
    Watched.all = []
    terms = WindowTerms(initial=initial, limit=limit, failed_cohort_limit=cohorts)
    jobs = [Job(number) for number in range(len(plan))]
    held = 0

    def hold() -> None:
        nonlocal held
        held += 1
        width = Watched.all[0].width or 1  # what was under way goes on, one by one, where the window has closed
        assert held <= width, "more places than the window is wide"

    async def deliver(request: DeliveryRequest) -> DeliveryReport:
        nonlocal held
        before, lends, streams, lent, regains, after, trouble = plan[int(request.queue_id[1:])]
        assert request.turn is not None
        hold()
        await asyncio.sleep(before)
        if lends:
            held -= 1
            request.turn.lend(streams=streams)
            request.turn.lend(streams=streams)
            await asyncio.sleep(lent)
        if lends and regains:
            await request.turn.regain()
            hold()
        if regains:
            await request.turn.regain()
            await asyncio.sleep(after)
        if not lends or regains:
            held -= 1
        return DeliveryReport((DEFERRED if trouble else SENT,), trouble)

    async def main() -> None:
        await Burst(deliver, lambda service: terms, VirtualClock(), lambda event: None).run(jobs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "ConcurrencyWindow", Watched)
        run(main())
    assert [len(job.reports) for job in jobs] == [1] * len(jobs)
    assert held == 0
