"""`mailrider serve --workers`: real processes that share the mail, are killed, reloaded and stopped."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.node.test_serve import PATIENCE_SECONDS, Site
from tests.ports import free_port

from cli.peer_thread import PeerThread
from mailrider.queue.share import choose_worker
from mailrider.spool.tenure import Tenure
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

WORKERS = 2
LINE = re.compile(r"postfix/smtp\[([0-9]+)\]: ([0-9A-Za-z]+): to=<([^>]*)>.* status=([a-z]+)")


@contextmanager
def open_peers(*rules: Rule) -> Iterator[list[PeerThread]]:
    """A server for each worker: `peers[0]` is a destination of worker 0, and so on."""
    with ExitStack() as stack:
        found: dict[int, PeerThread] = {}
        for _ in range(64):
            peer = stack.enter_context(PeerThread(ScriptedServer(*rules)))
            found.setdefault(choose_worker(f"smtp:{peer.nexthop}", WORKERS), peer)
            if len(found) == WORKERS:
                break
        yield [found[number] for number in range(WORKERS)]


def routes(peers: list[PeerThread], more: str = "") -> str:
    """`dest0.example` is at the first of the peers, and so on."""
    table = ", ".join(f"dest{number}.example=smtp:{peer.nexthop}" for number, peer in enumerate(peers))
    return f"transport_maps = inline:{{{table}}}\ndefault_transport = retry:nowhere\n{more}"


def wait_until(condition: Callable[[], object], told: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def read(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def find_workers(site: Site) -> dict[str, int]:
    """The process that has delivered to each destination, by the log; fails where there were several."""
    found: dict[str, set[int]] = {}
    for process, _, address, status in LINE.findall(read(site.log)):
        if status == "sent":
            found.setdefault(address.rpartition("@")[2], set()).add(int(process))
    assert all(len(processes) == 1 for processes in found.values()), found
    return {domain: processes.pop() for domain, processes in found.items()}


def is_alive(process_id: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False


def command(site: Site, *words: str) -> None:
    called = [sys.executable, "-m", "mailrider", "-c", str(site.folder), "queue", *words]
    subprocess.run(called, check=True, capture_output=True, timeout=PATIENCE_SECONDS)


def test_workers_share_the_mail_by_destination_and_end_when_they_are_told_to(tmp_path: Path) -> None:
    with open_peers() as peers:
        site = Site(tmp_path, routes(peers))
        with site.serve("--workers", str(WORKERS)) as node:
            ids = [site.send("a@dest0.example", "b@dest1.example", "c@dest0.example") for _ in range(5)]
            for queue_id in ids:
                log = site.wait_for(f"{queue_id}: removed")
            assert f"postfix/master[{node.pid}]: daemon started -- mailrider, 2 workers, queue " in log
            found = find_workers(site)
            assert found.keys() == {"dest0.example", "dest1.example"}
            assert len({*found.values(), node.pid}) == 3
            node.send_signal(signal.SIGTERM)
            assert "STOPPING=1" in site.hear()
            assert node.wait(PATIENCE_SECONDS) == 0
            assert not any(map(is_alive, found.values()))
            assert node.stderr is not None
            assert node.stderr.read() == b""
        assert [len(peer.server.messages) for peer in peers] == [5, 5], "one message for the recipients of each"
        assert "warning" not in read(site.log)


def test_mail_comes_in_by_the_doors_of_the_supervisor(tmp_path: Path) -> None:
    with open_peers() as peers:
        port = free_port()
        site = Site(tmp_path, routes(peers, f"intake_smtp_listen = 127.0.0.1:{port}\n"))
        with site.serve("--workers", str(WORKERS)):
            with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_SECONDS) as client:
                client.sendmail("a@here.example", ["x@dest0.example", "y@dest1.example"], b"Subject: x\n\nhello\n")
            wait_until(lambda: read(site.log).count("status=sent") == 2, lambda: read(site.log))
        assert [len(peer.server.messages) for peer in peers] == [1, 1]


def test_a_notice_reaches_a_sender_who_is_another_workers(tmp_path: Path) -> None:
    with open_peers(Rule(match="^RCPT TO:<bad", reply="550 5.1.1 nobody")) as peers:
        site = Site(tmp_path, routes(peers))
        with site.serve("--workers", str(WORKERS)):
            called = [sys.executable, "-m", "mailrider", "-c", str(site.folder), "sendmail", "-f", "a@dest1.example"]
            subprocess.run(
                [*called, "bad@dest0.example"], input=b"Subject: x\n\nhello\n", check=True, timeout=PATIENCE_SECONDS
            )
            log = site.wait_for("to=<a@dest1.example>")
        assert "sender non-delivery notification" in log
        assert [list(message.recipients) for message in peers[1].server.messages] == [["a@dest1.example"]]


def test_a_worker_that_is_killed_loses_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    with open_peers(Rule(on="dot", delay_seconds=0.01)) as peers:
        site = Site(tmp_path, routes(peers))
        with site.serve("--workers", str(WORKERS)) as node:
            for number in range(40):
                site.send(f"a{number}@dest0.example", f"b{number}@dest1.example")
            wait_until(lambda: len(find_workers(site)) == 2)
            before = find_workers(site)
            os.kill(before["dest0.example"], signal.SIGKILL)
            site.wait_until_empty()
            dead = before["dest0.example"]
            log = site.wait_for(f"worker process {dead}: killed")
            assert f"postfix/master[{node.pid}]: warning: worker process {dead}: killed by signal 9; another follows" in log
            others = {int(found[0]) for found in LINE.findall(log) if found[2].endswith("@dest1.example")}
            assert others == {before["dest1.example"]}, "the other one has gone on"
            node.send_signal(signal.SIGTERM)
            assert node.wait(PATIENCE_SECONDS) == 0
        got = Counter(address for message in peers[0].server.messages for address in message.recipients)
        assert got.keys() == {f"a{number}@dest0.example" for number in range(40)}
        got = Counter(address for message in peers[1].server.messages for address in message.recipients)
        assert got == Counter(f"b{number}@dest1.example" for number in range(40)), "of the living nothing comes twice"


def test_a_limit_over_all_destinations_makes_them_one_workers(tmp_path: Path) -> None:
    with open_peers() as peers:
        site = Site(tmp_path, routes(peers))
        (tmp_path / "master.cf").write_text("smtp unix - - n - 2 smtp\n")
        with site.serve("--workers", str(WORKERS)):
            for queue_id in [site.send("a@dest0.example", "b@dest1.example") for _ in range(3)]:
                site.wait_for(f"{queue_id}: removed")
            assert len(set(find_workers(site).values())) == 1


def test_orders_of_an_operator_reach_every_worker(tmp_path: Path) -> None:
    with open_peers() as peers:
        site = Site(tmp_path, routes(peers, "defer_transports = smtp\n"))
        with site.serve("--workers", str(WORKERS)):
            queue_id = site.send("a@dest0.example", "b@dest1.example")
            wait_until(lambda: read(site.log).count("status=deferred") == 2)
            command(site, "flush", "--all")
            site.wait_for(f"{queue_id}: removed")
            second = site.send("a@dest0.example", "b@dest1.example")
            wait_until(lambda: len(re.findall(f"{second}: .*status=deferred", read(site.log))) == 2)
            command(site, "hold", second)
            command(site, "flush", "--all")
            third = site.send("a@dest0.example", "b@dest1.example")
            wait_until(lambda: len(re.findall(f"{third}: .*status=", read(site.log))) == 2)  # the flush may be for it, too
            assert f"{second}: removed" not in read(site.log)
            command(site, "release", second)
            command(site, "flush", "--all")
            site.wait_for(f"{second}: removed")


def test_a_reload_reaches_every_worker_or_none(tmp_path: Path) -> None:
    with open_peers() as peers:
        site = Site(tmp_path, "default_transport = retry:not yet\n")
        with site.serve("--workers", str(WORKERS)) as node:
            site.send("a@dest0.example")
            site.wait_for("status=deferred (not yet)")
            site.set("minimal_backoff_time = soon\n")
            node.send_signal(signal.SIGHUP)
            assert "RELOADING=1" in site.hear()
            assert "READY=1" in site.hear()
            log = site.wait_for("the old settings stay in effect")
            assert log.count("the old settings stay in effect") == 1, "all say the same, and it is told once"
            site.set(routes(peers) + "smtpd_sasl_auth_enable = yes\n")
            node.send_signal(signal.SIGHUP)
            assert "RELOADING=1" in site.hear()
            assert "READY=1" in site.hear()
            site.wait_for("intake_password_maps must name a table of passwords; the old settings stay in effect")
            second = site.send("c@dest0.example")
            assert f"{second}: to=<c@dest0.example>, relay=none" in site.wait_for("to=<c@dest0.example>")
            site.log.rename(tmp_path / "log.1")
            site.set(routes(peers))
            node.send_signal(signal.SIGHUP)
            assert "RELOADING=1" in site.hear()
            assert "READY=1" in site.hear()
            site.wait_for("reload: new settings in effect")
            queue_id = site.send("a@dest0.example", "b@dest1.example")
            site.wait_for(f"{queue_id}: removed")
            processes = find_workers(site)
            os.kill(processes["dest0.example"], signal.SIGKILL)
            site.wait_for("another follows")
            after = site.send("a@dest0.example")
            assert "nowhere" not in site.wait_for(f"{after}: removed"), "the next one begins with the new settings"


def test_a_wrong_setting_is_found_at_start_up(tmp_path: Path) -> None:
    site = Site(tmp_path, "bounce_template_file = /nowhere/bounce.cf\n")
    node = site.start("--workers", str(WORKERS))
    assert node.wait(PATIENCE_SECONDS) == 78
    assert node.stderr is not None
    assert b"bounce_template_file = /nowhere/bounce.cf" in node.stderr.read()
    node.stderr.close()


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    """Another supervisor may come at once, and knows nothing of what they hold."""
    with open_peers() as peers:
        site = Site(tmp_path, routes(peers))
        with site.serve("--workers", str(WORKERS)) as node:
            queue_id = site.send("a@dest0.example", "b@dest1.example")
            site.wait_for(f"{queue_id}: removed")
            workers = find_workers(site).values()
            node.kill()
            node.wait(PATIENCE_SECONDS)
            wait_until(lambda: not any(map(is_alive, workers)))
        with site.serve("--workers", "1"):
            queue_id = site.send("a@dest0.example", "b@dest1.example")
            site.wait_for(f"{queue_id}: removed")


def test_without_somebody_who_starts_workers_the_node_ends(tmp_path: Path) -> None:
    site = Site(tmp_path, "")
    with site.serve("--workers", str(WORKERS)) as node:
        children = Path(f"/proc/{node.pid}/task/{node.pid}/children")
        if not children.exists():
            pytest.skip("this kernel does not tell children (CONFIG_PROC_CHILDREN)")
        (nursery,) = map(int, children.read_text().split())
        os.kill(nursery, signal.SIGKILL)
        assert node.wait(PATIENCE_SECONDS) == 70
        assert "the process that starts the workers is gone" in read(site.log)


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_a_second_node_on_a_queue_is_refused_before_anything_is_started(tmp_path: Path, workers: int) -> None:
    site = Site(tmp_path, f"intake_smtp_listen = 127.0.0.1:{free_port()}\nno_such_parameter = 1\n")
    with site.serve("--workers", str(workers)) as node:
        second = site.start("--workers", str(workers))
        assert second.stderr is not None
        sentence = f"another node works on the queue in {site.queue} (process {node.pid})"
        assert sentence in second.stderr.read().decode()
        assert second.wait(PATIENCE_SECONDS) == 75
        second.stderr.close()
        assert f"[{second.pid}]" not in site.wait_for(f"[{node.pid}]: daemon started"), "not even its warnings are told"


def find_descendants(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children")
    if not children.exists():
        pytest.skip("this kernel does not tell children (CONFIG_PROC_CHILDREN)")
    found = list(map(int, children.read_text().split()))
    return found + [process for child in found for process in find_descendants(child)]


def test_the_queue_is_free_when_the_supervisor_is_gone(tmp_path: Path) -> None:
    """Whoever is left of the node does nothing any more but end."""
    site = Site(tmp_path, "")
    with site.serve("--workers", str(WORKERS)) as node:
        left = find_descendants(node.pid)
        assert len(left) == 1 + WORKERS
        for process in left:
            os.kill(process, signal.SIGSTOP)
        try:
            node.kill()
            node.wait(PATIENCE_SECONDS)
            tenure = Tenure(site.queue)
            tenure.take()
            tenure.give_up()
        finally:
            for process in left:
                os.kill(process, signal.SIGCONT)
        wait_until(lambda: not any(map(is_alive, left)))
