"""Life under master(8): reload, stop, violent deaths, idleness; and what postsuper(1) does in the middle of a delivery."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.postfix.instance import PROGRAM, Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver
from tests.tables.components import LineServer

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

UNDER_WAY = 8
QUEUE = 2000


@contextmanager
def running(line: str = "") -> Iterator[tuple[Postfix, Receiver, Receiver]]:
    """A Postfix, a receiver whose gate is closed, and one that is open."""
    with Receiver() as slow, Receiver() as quick:
        transports = {"slow.test": f"smtp:{slow.hop}", "quick.test": f"smtp:{quick.hop}"}
        settings = {"initial_destination_concurrency": "20", "default_process_limit": "50"}
        with Postfix(transports, [line or agent_line()], settings) as postfix:
            slow.gate.clear()
            yield postfix, slow, quick


def begin(postfix: Postfix, slow: Receiver, count: int = UNDER_WAY) -> list[str]:
    """Messages that wait for the reply to their dot."""
    queue_ids = [postfix.submit([f"to{number}@slow.test"]) for number in range(count)]
    for _ in range(count):
        assert slow.reached.acquire(timeout=90)
    return queue_ids


def still_to_do(postfix: Postfix, queue_id: str) -> bool:
    """Whether the queue file has a recipient that is not done, wherever it lies."""
    listed = postfix.run("postcat", "-e", "-q", queue_id, check=False)
    return "\nrecipient: " in listed


def test_a_reload_neither_stalls_nor_duplicates() -> None:
    with running() as (postfix, slow, quick):
        queue_ids = begin(postfix, slow)
        before = postfix.processes("agent --transport smtp")
        postfix.run("postfix", "reload")
        postfix.submit(["now@quick.test"])
        postfix.wait_for(lambda: quick.taken, "mail to go out while the old agent is busy")
        assert not slow.taken
        assert set(postfix.processes("agent --transport smtp")) - set(before)
        slow.gate.set()
        postfix.wait_for(lambda: len(slow.taken) == UNDER_WAY, "the old agent to finish")
        postfix.wait_for(lambda: not any(still_to_do(postfix, queue_id) for queue_id in queue_ids), "all to be marked")
        assert slow.recipients() == sorted(f"to{number}@slow.test" for number in range(UNDER_WAY))
        postfix.wait_for(lambda: not set(postfix.processes("agent --transport smtp")) & set(before), "the old agent to end")
        assert "throttling" not in postfix.log_text()
        assert slow.sessions <= UNDER_WAY + 1


def test_mail_under_way_when_postfix_stops_is_tried_again() -> None:
    with running() as (postfix, slow, _):
        begin(postfix, slow, 2)
        postfix.run("postfix", "stop")
        postfix.wait_for(lambda: not postfix.processes("agent --transport smtp"), "the agent to be gone")
        slow.gate.set()
        postfix.wait_for(lambda: len(slow.taken) == 2, "the receiver to notice")
        slow.taken.clear()  # nobody has heard its replies
        postfix.run("postfix", "start")
        postfix.run("postqueue", "-f")
        postfix.wait_until_empty(90)
        assert slow.recipients() == ["to0@slow.test", "to1@slow.test"]


def test_a_worker_that_is_killed_loses_nothing() -> None:
    with running(agent_line(options="--workers 1")) as (postfix, slow, _):
        (queue_id,) = begin(postfix, slow, 1)
        supervisor, worker = sorted(postfix.processes("agent --transport smtp"))
        os.kill(worker, signal.SIGKILL)
        postfix.wait_for_log(f"worker process {worker}: killed by signal 9")
        postfix.wait_for(lambda: queue_id in postfix.queue_ids("deferred"), "it to be deferred")
        slow.gate.set()
        postfix.wait_for(lambda: slow.taken, "the receiver to notice")
        slow.taken.clear()
        postfix.run("postqueue", "-i", queue_id)
        postfix.wait_until_empty()
        assert slow.recipients() == ["to0@slow.test"]
        assert supervisor in postfix.processes("agent --transport smtp")
        assert "throttling" not in postfix.log_text()


@pytest.mark.parameter("daemon_timeout")
def test_a_worker_that_hangs_is_ended_and_its_mail_tried_again() -> None:
    answers = threading.Event()
    server = LineServer(lambda waiting: (b"500 nobody\n", len(waiting)) if answers.is_set() else (b"", 0))
    options = f"-o daemon_timeout=2s -o smtp_generic_maps=tcp:127.0.0.1:{server.port}"
    try:
        with running(agent_line(options=options)) as (postfix, _, quick):
            queue_id = postfix.submit(["to@quick.test"])
            postfix.wait_for_log("fatal: watchdog timeout")
            worker = re.findall(r"/smtp\[(\d+)\]: fatal: watchdog timeout", postfix.log_text())[0]
            postfix.wait_for_log(f"worker process {worker}: killed by signal {int(signal.SIGALRM)}; another follows")
            postfix.wait_for(lambda: queue_id in postfix.queue_ids("deferred"), "it to be deferred")
            answers.set()
            postfix.run("postqueue", "-i", queue_id)
            postfix.wait_until_empty()
            assert quick.recipients() == ["to@quick.test"]
            assert "throttling" not in postfix.log_text()
    finally:
        server.close()


def test_a_supervisor_that_is_killed_leaves_no_orphans_at_work() -> None:
    with running() as (postfix, slow, quick):
        (queue_id,) = begin(postfix, slow, 1)
        before = postfix.processes("agent --transport smtp")
        os.kill(before[0], signal.SIGKILL)
        postfix.submit(["now@quick.test"])
        postfix.wait_for(lambda: quick.taken, "another agent to serve")
        slow.gate.set()
        postfix.wait_for_log(f"{queue_id}: removed")
        assert slow.recipients() == ["to0@slow.test"]
        postfix.wait_for(lambda: not set(postfix.processes("agent --transport smtp")) & set(before), "the old workers to end")
        assert "throttling" not in postfix.log_text()


@pytest.mark.parameter("max_idle", "max_use")
@pytest.mark.parametrize("option", ["-i 1", "-o max_use=1"])
def test_an_agent_that_is_idle_or_worn_leaves_and_comes_back(option: str) -> None:
    with running(agent_line(options=option)) as (postfix, _, quick):
        postfix.submit(["one@quick.test"])
        postfix.wait_for(lambda: quick.taken, "the first message")
        postfix.wait_for(lambda: not postfix.processes("agent --transport smtp"), "the agent to leave")
        postfix.submit(["two@quick.test"])
        postfix.wait_until_empty()
        assert quick.recipients() == ["one@quick.test", "two@quick.test"]
        assert "throttling" not in postfix.log_text()


def test_a_wrong_setting_is_told_and_does_no_harm() -> None:
    with running(agent_line(options="-o smtp_connect_timeout=soon")) as (postfix, _, quick):
        postfix.submit(["one@quick.test"])
        postfix.wait_for_log("fatal: -o smtp_connect_timeout=soon: expected")
        assert not quick.taken


@pytest.mark.parameter("syslog_name")
def test_settings_of_the_service_are_heard() -> None:
    options = "-o smtp_helo_name=other.origin.test -o syslog_name=postfix/special -o { unknown_name = x y }"
    with running(agent_line(options=options)) as (postfix, _, quick):
        postfix.submit(["one@quick.test"])
        postfix.wait_until_empty()
        assert "EHLO other.origin.test" in quick.commands
        assert "postfix/special/smtp[" in postfix.log_text()


def test_in_a_chroot() -> None:
    with running(agent_line().replace(" n - 1 ", " y - 1 ")) as (postfix, slow, _):
        slow.gate.set()
        postfix.submit(["one@quick.test", "perm@quick.test"])
        postfix.submit(["two@slow.test"])
        results = {who: status for who, status, _ in postfix.wait_for_results(3)}
        assert results == {"one@quick.test": "sent", "perm@quick.test": "bounced", "two@slow.test": "sent"}
        (worker, *_) = postfix.processes("agent --transport smtp")
        assert os.readlink(f"/proc/{worker}/root") == str(postfix.spool)


def test_messages_that_postsuper_takes_away_in_the_middle() -> None:
    with running() as (postfix, slow, _):
        held, requeued = begin(postfix, slow, 2)
        postfix.run("postsuper", "-h", held)
        postfix.run("postsuper", "-r", requeued)
        slow.gate.set()
        postfix.wait_for(lambda: len(slow.taken) == 2, "both deliveries to end")
        postfix.wait_for(lambda: len(postfix.results()) >= 2, "both to be logged")
        assert not still_to_do(postfix, held)
        postfix.run("postsuper", "-H", "ALL")
        assert slow.recipients().count("to0@slow.test") == 1


def test_a_queue_of_many_messages() -> None:
    with running() as (postfix, _, quick):
        subprocess.run(
            [
                "smtp-source", "-s", "10", "-m", str(QUEUE), "-N", "-f", "me@origin.test", "-t", "to@quick.test",
                f"127.0.0.1:{postfix.port}",
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        postfix.wait_until_empty(120)
        got = quick.recipients()
        assert len(got) == QUEUE
        assert len(set(got)) == QUEUE
        assert "warning: " not in "".join(line for line in postfix.log_text().splitlines() if "/smtp[" in line)


def test_on_a_socket_of_its_own_it_survives_a_reload() -> None:
    with Receiver() as slow, Postfix({"slow.test": f"own:{slow.hop}"}, []) as postfix:
        slow.gate.clear()
        command = [str(PROGRAM), "agent", "-c", str(postfix.etc), "--service", "own", "--workers", "1"]
        agent = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            postfix.wait_for(lambda: (postfix.spool / "private" / "own").exists(), "the socket")
            (queue_id,) = begin(postfix, slow, 1)
            owners = {os.stat(f"/proc/{agent.pid}").st_uid}
            assert 0 not in owners
            postfix.run("postfix", "reload")
            agent.send_signal(signal.SIGTERM)
            slow.gate.set()
            assert agent.wait(30) == 0
        finally:
            agent.kill()
            agent.wait()
        assert slow.recipients() == ["to0@slow.test"]
        assert not still_to_do(postfix, queue_id)
