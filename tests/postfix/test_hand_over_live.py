"""`best_mx_transport`: mail whose best exchanger is this host, handed over to other agents of a real Postfix."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.postfix.instance import PATIENCE_SECONDS, Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver

from mailrider.testkit.zone import Zone, ZoneServer

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

ZONE = """
ours.test MX 10 here.test
here.test A 127.0.0.1
theirs.test MX 10 there.test
there.test A 127.0.0.2
"""


@contextmanager
def name_server(text: str) -> Iterator[str]:
    """Serves a zone from a thread of its own; `address:port`."""
    place: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with ZoneServer(Zone(text.strip().splitlines())) as server:
            place.append(f"{server.address}:{server.port}")
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS)
        yield place[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@contextmanager
def a_site(best_mx_transport: str) -> Iterator[Postfix]:
    with name_server(ZONE) as names:
        options = (
            f"-o dns_nameservers={names} -o smtp_dns_support_level=enabled -o smtp_host_lookup=dns -o disable_dns_lookups=no "
            f"-o {{ best_mx_transport = {best_mx_transport} }}"
        )
        with Postfix({"ours.test": "smtp:ours.test"}, [agent_line(options=options)]) as postfix:
            yield postfix


@pytest.mark.parameter("best_mx_transport")
def test_another_agent_delivers_it() -> None:
    with a_site("discard:for us") as postfix:
        queue_id = postfix.submit(["one@ours.test", "two@ours.test"])
        postfix.wait_for_log(f"{queue_id}: removed")
        log = postfix.log_text()
        for name in ("one", "two"):
            (line,) = [line for line in log.splitlines() if f"to=<{name}@ours.test>" in line]
            assert "/discard[" in line
            assert "relay=none" in line
            assert "status=sent (for us)" in line
            assert f"{queue_id}: " in line
            assert "dsn=2.0.0" in line


@pytest.mark.parameter("best_mx_transport")
def test_another_agent_defers_it_and_it_stays_in_the_queue() -> None:
    with a_site("retry:4.3.5 not today") as postfix:
        queue_id = postfix.submit(["one@ours.test"])
        postfix.wait_for(lambda: queue_id in postfix.queue_ids("deferred"), "it to be deferred")
        (line,) = [line for line in postfix.log_text().splitlines() if "to=<one@ours.test>" in line]
        assert "/error[" in line
        assert "dsn=4.3.5, status=deferred (not today)" in line
        assert "not today" in postfix.run("postqueue", "-p")


@pytest.mark.parameter("best_mx_transport")
def test_another_agent_bounces_it_and_the_sender_is_told() -> None:
    with a_site("error:5.1.1 nobody here") as postfix:
        queue_id = postfix.submit(["one@ours.test"])
        postfix.wait_for(postfix.notices, "a notice")
        assert "nobody here" in postfix.notices()[0]
        postfix.wait_for_log(f"{queue_id}: removed")


@pytest.mark.parameter("best_mx_transport")
def test_an_agent_that_is_not_there() -> None:
    with a_site("nowhere") as postfix:
        queue_id = postfix.submit(["one@ours.test"])
        assert postfix.wait_for_results(1) == [("one@ours.test", "deferred", "4.3.0")]
        assert "(mail transport unavailable)" in postfix.log_text()
        postfix.wait_for(lambda: queue_id in postfix.queue_ids("deferred"), "it to wait")


@pytest.mark.parameter("best_mx_transport")
def test_one_of_our_own_agents_may_be_the_other_one() -> None:
    with Receiver() as receiver, a_site(f"csmtp:{receiver.hop}") as postfix:
        queue_id = postfix.submit(["one@ours.test"])
        postfix.wait_for_log(f"{queue_id}: removed")
        assert receiver.recipients() == ["one@ours.test"]
