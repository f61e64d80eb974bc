"""A burst over real connections: the next envelope follows a message whose end has not been answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.bursts import WITHOUT_PIPELINING, arrived, burst, depart_together
from delivery.scene import KnownDirectory, Scene, at, nobody, server_of
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.record import Session
from mailrider.testkit.rules import Rule
from virtual_time import run


def test_the_next_envelope_leaves_with_the_end_of_the_message_before() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            depart_together(scene)
            jobs = await burst(scene, at(peer), 6, 1)
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 6
            assert [job.use for job in jobs] == [1, 1, 2, 3, 4, 5]  # the first one does not know yet that more will come
            assert arrived(peer) == [f"r{number}" for number in range(6)]
            _, session = peer.sessions
            together = [octets for octets in session.reads if b"\r\n.\r\nRSET\r\nMAIL FROM" in octets]
            assert len(together) == 4
            assert all(octets.endswith(b"DATA\r\n") for octets in together)
            await scene.agent.close()

    run(main())


@pytest.mark.parametrize("keywords", [DEFAULT_KEYWORDS, WITHOUT_PIPELINING, (*DEFAULT_KEYWORDS, "CHUNKING")])
@pytest.mark.parametrize("width", [1, 3])
def test_there_are_never_more_connections_than_the_window_is_wide(keywords: tuple[str, ...], width: int) -> None:
    async def main() -> None:
        slow = Rule(on="dot", delay_seconds=1)
        async with ScriptedServer(slow, keywords=keywords) as peer, Scene() as scene:
            most = 0

            async def count() -> None:
                nonlocal most
                while True:
                    await asyncio.sleep(0.25)
                    most = max(most, sum(not session.ended for session in peer.sessions))

            counting = asyncio.create_task(count())
            jobs = await burst(scene, at(peer), 20, width)
            counting.cancel()
            assert most == width
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 20
            assert sorted(arrived(peer)) == sorted(f"r{number}" for number in range(20))

    run(main())


def test_nothing_is_sent_ahead_without_pipelining() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=WITHOUT_PIPELINING) as peer, Scene() as scene:
            jobs = await burst(scene, at(peer), 5, 1)
            assert [job.use for job in jobs] == [1, 1, 2, 3, 4]
            assert all(octets.count(b"\r\n") == 1 or octets.endswith(b"\r\n.\r\n") for octets in peer.sessions[1].reads)

    run(main())


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_message_behind_one_that_is_lost_goes_another_way(then: str) -> None:
    async def main() -> None:
        lost = Rule(on="dot", nth_total=3, then=then)  # type: ignore[arg-type]
        async with ScriptedServer(lost) as peer, Scene() as scene:
            jobs = await burst(scene, at(peer), 6, 1)
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 2 + ["deferred 4.4.2"] + ["sent 2.0.0"] * 3
            assert [job.use for job in jobs] == [1, 1, 2, 1, 2, 3]
            assert len(peer.sessions) == 3

    run(main())


def test_a_server_that_falls_silent_after_the_dot_holds_up_its_own_connection_only() -> None:
    async def main() -> None:
        silent = Rule(on="dot", connection=4, nth=1, then="silence")
        async with ScriptedServer(silent) as peer, Scene(smtp_data_done_timeout="600s") as scene:
            jobs = await burst(scene, at(peer), 30, 3)
            states = [job.status for job in jobs]
            assert sorted(states) == ["deferred 4.4.2"] + ["sent 2.0.0"] * 29
            assert sorted(arrived(peer)) == sorted(f"r{job.number}" for job in jobs)  # what is in doubt has arrived

    run(main())


@pytest.mark.parametrize(("reply", "status"), [("450 4.2.0 later", "deferred 4.2.0"), ("554 5.6.0 never", "bounced 5.6.0")])
def test_a_message_behind_one_that_is_refused_is_delivered(reply: str, status: str) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="dot", nth_total=3, reply=reply)) as peer, Scene() as scene:
            jobs = await burst(scene, at(peer), 5, 1)
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 2 + [status] + ["sent 2.0.0"] * 2
            assert [job.use for job in jobs] == [1, 1, 2, 3, 4]

    run(main())


def test_a_server_that_has_had_enough_is_dialled_again() -> None:
    """421 to an envelope that rides behind another message is about the connection (RFC 5321 §3.8)."""

    async def main() -> None:
        enough = Rule(match="MAIL", connection=2, nth=3, reply="421 4.7.0 too many messages in this connection", then="close")
        async with ScriptedServer(enough) as peer, Scene() as scene:
            jobs = await burst(scene, at(peer), 5, 1)
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 5
            assert [job.use for job in jobs] == [1, 1, 2, 1, 2]
            assert sorted(arrived(peer)) == sorted(f"r{number}" for number in range(5))

    run(main())


def test_421_to_the_first_envelope_of_a_connection_is_for_the_message() -> None:
    async def main() -> None:
        later = Rule(match="MAIL", reply="421 4.7.0 come back later", then="close")
        async with ScriptedServer(later) as peer, Scene() as scene:
            (job,) = await burst(scene, at(peer), 1, 1)
            assert job.status == "deferred 4.7.0"

    run(main())


def test_a_complaint_about_the_dot_ends_the_connection_and_harms_nobody_else() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="dot", nth_total=3, reply="500 5.5.2 what?")) as peer, Scene() as scene:
            jobs = await burst(scene, at(peer), 5, 1)
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 2 + ["bounced 5.5.2"] + ["sent 2.0.0"] * 2
            assert [job.use for job in jobs] == [1, 1, 2, 1, 2]

    run(main())


def test_who_needs_another_server_waits_for_a_place() -> None:
    """What the first server puts off goes to the second one, and the window holds for both together."""

    async def main() -> None:
        first = ScriptedServer(Rule(on="dot", nth=range(1, 100, 2), reply="450 4.2.0 later"))
        second = ScriptedServer(Rule(on="dot", delay_seconds=1))
        async with first, second, Scene() as scene:
            servers = [server_of(first, "mx1.example.test", 10), server_of(second, "mx2.example.test", 20)]
            assert isinstance(scene.directory, KnownDirectory)
            scene.directory.routes["x.example.test"] = servers
            busy: list[int] = []

            async def count() -> None:
                while True:
                    await asyncio.sleep(0.2)
                    busy.append(sum(is_busy(session) for session in [*first.sessions, *second.sessions]))

            counting = asyncio.create_task(count())
            jobs = await burst(scene, "x.example.test", 16, 2)
            counting.cancel()
            assert [job.status for job in jobs] == ["sent 2.0.0"] * 16
            assert len(second.messages) >= 4
            # A delivery that lent its place may be waiting for its last reply beside those that hold one.
            assert max(busy) <= 4

    run(main())


def is_busy(session: Session) -> bool:
    """Open, and in the middle of something."""
    return not session.ended and bool(session.commands) and session.commands[-1] == "DATA"


def test_a_destination_at_which_nobody_listens() -> None:
    async def main() -> None:
        async with Scene(routes={"gone.example.test": [nobody()]}) as scene:
            jobs = await burst(scene, "gone.example.test", 7, 3)
            assert [job.status for job in jobs] == ["deferred 4.4.1"] * 7

    run(main())


ENDS = (
    None,
    None,
    None,
    Rule(on="dot", reply="450 4.2.0 later"),
    Rule(on="dot", reply="554 5.6.0 never"),
    Rule(on="dot", reply="500 5.5.2 what?"),
    Rule(on="dot", delay_seconds=2),
    Rule(on="dot", then="close"),
    Rule(on="dot", then="reset"),
    Rule(on="dot", then="silence"),
    Rule(on="data", then="close"),
    Rule(match="^DATA", reply="421 4.3.2 tired", then="close"),
    Rule(match="^RCPT", reply="550 5.1.1 unknown"),
    Rule(match="^MAIL", then="reset"),
    Rule(match="^RSET", then="close"),
)
"""What may become of a message, friendly ends first."""


def at_moment(rule: Rule, number: int) -> Rule:
    """The same rule for the how-manieth time it would fit, on whatever connection."""
    given = {name: getattr(rule, name) for name in ("on", "match", "reply", "delay_seconds", "then")}
    return Rule(**given, nth_total=number)


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=14), st.integers(1, 3), st.booleans())
@settings(max_examples=40)
def test_whatever_happens_no_message_is_lost_and_none_is_sent_twice(
    ends: Sequence[Rule | None], width: int, together: bool
) -> None:
    rules = [at_moment(rule, number) for number, rule in enumerate(ends, 1) if rule is not None]

    async def main() -> None:
        async with ScriptedServer(*rules) as peer, Scene() as scene:
            if together:
                depart_together(scene)
            jobs = await burst(scene, at(peer), len(ends) + 2, width)
            came = arrived(peer)
            assert len(came) == len(set(came)), "a message came twice"
            for job in jobs:
                if job.status.startswith("sent"):
                    assert f"r{job.number}" in came, "a message that counts as sent never came"
            await scene.agent.close()

    run(main(), limit_seconds=100_000)
