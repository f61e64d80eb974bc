"""Connections that go from one process to another through a real scache(8), as conn_use= in the log and the server tell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from tests.postfix.instance import PROGRAM, Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

KEPT = {
    "smtp_connection_cache_destinations": "127.0.0.1",
    "smtp_connection_cache_time_limit": "300s",
    "connection_cache_ttl_limit": "300s",
    "smtp_connection_cache_shared": "yes",
}
"""On a busy machine some time may pass between two messages."""

LINE = re.compile(r"/smtp\[(\d+)\]: (\w+): to=<(.*?)>, relay=(.*?),( conn_use=\d+,)? .*status=(\w+)")


@contextmanager
def agents_of_their_own(postfix: Postfix, names: Sequence[str], *options: str) -> Iterator[None]:
    """Agents that all call themselves `csmtp`, like Postfix's own smtp(8) there, each on its own socket."""
    with ExitStack() as stack:
        for name in names:
            words = ["agent", "-c", str(postfix.etc), "--service", "csmtp", "--listen", f"private/{name}", *options]
            agent = subprocess.Popen([str(PROGRAM), *words], stdin=subprocess.DEVNULL)

            def end(agent: subprocess.Popen[bytes] = agent) -> None:
                agent.send_signal(signal.SIGTERM)
                try:
                    agent.wait(60)
                finally:
                    agent.kill()
                    agent.wait()

            stack.callback(end)
        for name in names:
            postfix.wait_for((postfix.spool / "private" / name).exists, f"the socket of {name}")
        yield


def deliver(postfix: Postfix, *recipients: str) -> list[tuple[str, str]]:
    """One after the other; the process of each delivery, and its conn_use= or nothing."""
    found = []
    for recipient in recipients:
        queue_id = postfix.submit([recipient])
        postfix.wait_for_log(f"{queue_id}: removed")
        (match,) = [match for match in map(LINE.search, postfix.log_text().splitlines()) if match and match[2] == queue_id]
        assert match[6] == "sent", match[0]
        found.append((match[1], (match[5] or "").strip(" ,")))
    return found


@contextmanager
def a_site(settings: dict[str, str] | None = None) -> Iterator[tuple[Postfix, Receiver]]:
    with Receiver() as receiver:
        transports = {
            "theirs.test": f"csmtp:{receiver.hop}",
            "one.test": f"one:{receiver.hop}",
            "two.test": f"two:{receiver.hop}",
        }
        with Postfix(transports, [], {**KEPT, **(settings or {})}) as postfix:
            yield postfix, receiver


@pytest.mark.parameter("smtp_connection_cache_shared", "connection_cache_service_name")
def test_two_agents_share_a_connection() -> None:
    with a_site() as (postfix, receiver), agents_of_their_own(postfix, ("one", "two"), "-o", "helpful_warnings=no"):
        found = deliver(postfix, "a@one.test", "b@two.test", "c@one.test", "d@one.test")
        assert [use for _, use in found] == ["", "conn_use=2", "conn_use=3", "conn_use=4"]
        assert found[0][0] == found[2][0] == found[3][0] != found[1][0]
        assert receiver.sessions == 1
        assert receiver.commands.count("RSET") == 3
        assert receiver.recipients() == ["a@one.test", "b@two.test", "c@one.test", "d@one.test"]


@pytest.mark.parameter("smtp_connection_cache_shared")
def test_an_agent_and_smtp_share_a_connection_both_ways() -> None:
    with a_site() as (postfix, receiver), agents_of_their_own(postfix, ("one",)):
        found = deliver(postfix, "a@theirs.test", "b@one.test", "c@theirs.test", "d@one.test")
        assert [use for _, use in found] == ["", "conn_use=2", "conn_use=3", "conn_use=4"]
        assert receiver.sessions == 1
        assert "bad cached" not in postfix.log_text()


def test_without_the_parameter_nothing_is_shared() -> None:
    settings = {"smtp_connection_cache_shared": "no"}
    with a_site(settings) as (postfix, receiver), agents_of_their_own(postfix, ("one", "two")):
        found = deliver(postfix, "a@one.test", "b@two.test", "c@one.test")
        assert [use for _, use in found] == ["", "", "conn_use=2"]
        assert receiver.sessions == 2


@pytest.mark.parameter("smtp_connection_reuse_count_limit")
def test_how_often_it_was_used_goes_along() -> None:
    settings = {"smtp_connection_reuse_count_limit": "2"}
    with a_site(settings) as (postfix, receiver), agents_of_their_own(postfix, ("one", "two")):
        found = deliver(postfix, "a@one.test", "b@two.test", "c@one.test", "d@two.test", "e@theirs.test")
        assert [use for _, use in found] == ["", "conn_use=2", "conn_use=3", "", "conn_use=2"]
        assert receiver.sessions == 2


def test_a_connection_that_died_meanwhile_is_no_harm() -> None:
    with a_site() as (postfix, receiver), agents_of_their_own(postfix, ("one", "two")):
        deliver(postfix, "a@one.test")
        receiver.hang_up()
        found = deliver(postfix, "b@two.test", "c@one.test")
        assert [use for _, use in found] == ["", "conn_use=2"]
        assert receiver.sessions == 2


def test_without_the_service_each_keeps_its_own() -> None:
    settings = {"connection_cache_service_name": "nowhere"}
    with a_site(settings) as (postfix, _), agents_of_their_own(postfix, ("one", "two")):
        found = deliver(postfix, "a@one.test", "b@two.test", "c@one.test")
        assert [use for _, use in found] == ["", "", "conn_use=2"]
        warning = "problem talking to service private/nowhere: No such file or directory; no connection is shared"
        assert postfix.log_text().count(warning) == 2


def test_a_cache_that_has_been_started_anew_is_found_again() -> None:
    with a_site() as (postfix, receiver), agents_of_their_own(postfix, ("one", "two")):
        deliver(postfix, "a@one.test", "b@two.test")
        processes = set(postfix.processes("scache"))
        for process in processes:
            os.kill(process, signal.SIGTERM)
        postfix.wait_for(lambda: not processes & set(postfix.processes("scache")), "the cache to end")
        found = deliver(postfix, "c@one.test", "d@two.test")
        assert [use for _, use in found] == ["", "conn_use=2"]
        assert "problem talking" not in postfix.log_text()
        assert receiver.sessions == 2


def agents_and_caches(postfix: Postfix) -> set[int]:
    return {*postfix.processes("agent --transport"), *postfix.processes("scache")}


def test_under_master_too() -> None:
    with Receiver() as receiver:
        options = "-o smtp_helo_timeout=60"
        transports = {"sink.test": f"smtp:{receiver.hop}"}
        with Postfix(transports, [agent_line(options=options)], KEPT) as postfix:
            deliver(postfix, "a@sink.test")
            old = agents_and_caches(postfix)
            postfix.run("postfix", "reload")  # scache(8) goes with all that it has
            postfix.wait_for(lambda: not old & agents_and_caches(postfix), "all of before to end")
            found = deliver(postfix, "b@sink.test", "c@sink.test")
            assert [use for _, use in found] == ["", "conn_use=2"]
            assert receiver.sessions == 2
