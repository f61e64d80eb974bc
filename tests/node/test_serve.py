"""`mailrider serve` as a process: it says when it is ready, delivers, reloads, stops, and takes up what another one left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.peer_thread import PeerThread
from mailrider.machine import SystemClock
from mailrider.model.request import Envelope, Recipient
from mailrider.spool.spool import Accepted, Submission
from mailrider.spool.sqlite import SqliteSpool

PATIENCE_SECONDS = 120.0
"""Nothing here takes a second on a machine that does nothing else."""


class Site:
    """A configuration, its queue and its log, in a folder that the owner of the mail may enter."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.queue = folder / "queue"
        self.log = folder / "log"
        self.ready = folder / "ready"
        self.set(settings)
        folder.chmod(0o777)  # the log is opened anew by the owner of the mail

    def set(self, settings: str) -> None:
        own = f"queue_directory = {self.queue}\nmaillog_file = {self.log}\nmyhostname = here.example\nmydestination =\n"
        own += "intake_smtp_listen =\n"
        (self.folder / "main.cf").write_text(own + settings)

    @contextmanager
    def serve(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A node that is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.settimeout(PATIENCE_SECONDS)
            name = str(self.ready)
            Path(name).unlink(missing_ok=True)
            ear.bind(name)
            Path(name).chmod(0o777)  # the node is somebody else by then
            self.ear = ear
            node = self.start(*options)
            try:
                self._wait_until_ready(node)
                yield node
            finally:
                if node.poll() is None:
                    node.kill()
                node.wait(PATIENCE_SECONDS)
                assert node.stderr is not None
                node.stderr.close()

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mailrider", "-c", str(self.folder), "serve", *options]
        return subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(self.ready)}, stderr=subprocess.PIPE)

    def _wait_until_ready(self, node: subprocess.Popen[bytes]) -> None:
        self.ear.settimeout(1)
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                assert "READY=1" in self.hear()
            except TimeoutError:
                assert node.stderr is not None
                assert node.poll() is None, node.stderr.read().decode()
                assert time.monotonic() < end, self.log.read_text() if self.log.exists() else "no log"
            else:
                self.ear.settimeout(PATIENCE_SECONDS)
                return

    def hear(self) -> list[str]:
        """What the node tells systemd."""
        return self.ear.recv(4096).decode().split("\n")

    def send(self, *recipients: str) -> str:
        async def accept() -> str:
            async with SqliteSpool(self.queue, SystemClock()) as spool:
                envelope = Envelope("a@here.example", tuple(Recipient(address) for address in recipients))
                answer = await spool.accept(Submission(envelope), b"Subject: x\r\n\r\nhello\r\n")
                assert isinstance(answer, Accepted)
                return answer.queue_id

        return asyncio.run(accept())

    def wait_until_empty(self) -> None:
        """Until nothing is left in the queue; the log may lack the last lines of a process that was killed."""

        async def count() -> int:
            async with SqliteSpool(self.queue, SystemClock()) as spool:
                return (await spool.stats()).messages

        end = time.monotonic() + PATIENCE_SECONDS
        while asyncio.run(count()):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def wait_for(self, text: str) -> str:
        """The log, once it has `text`."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in (seen := self.log.read_text() if self.log.exists() else ""):
            assert time.monotonic() < end, seen
            time.sleep(0.01)
        return seen


@pytest.mark.parameter("queue_directory", "maillog_file", "mail_owner")
def test_a_node_delivers_and_ends_when_it_is_told_to(tmp_path: Path, peer: PeerThread) -> None:
    site = Site(tmp_path, f"relayhost = {peer.nexthop}\n")
    with site.serve() as node:
        queue_id = site.send("b@dest.example")
        log = site.wait_for(f"{queue_id}: removed")
        node.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in site.hear()
        assert node.wait(PATIENCE_SECONDS) == 0
        assert node.stderr is not None
        assert node.stderr.read() == b""
    lines = [line for line in log.splitlines() if queue_id in line]
    assert f"postfix/qmgr[{node.pid}]: {queue_id}: from=<a@here.example>, size=21, nrcpt=1 (queue active)" in lines[0]
    relay = f"relay=127.0.0.1[127.0.0.1]:{peer.server.port}"
    assert f"postfix/smtp[{node.pid}]: {queue_id}: to=<b@dest.example>, {relay}" in lines[1]
    assert "status=sent (250 " in lines[1]
    assert lines[2].endswith(f"postfix/qmgr[{node.pid}]: {queue_id}: removed")
    if os.geteuid() == 0:
        assert (tmp_path / "queue").stat().st_uid != 0


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_files_that_the_owner_of_the_mail_cannot_read_are_told_of_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    closed = tmp_path / "authorities.pem"
    closed.touch(0o600 if os.geteuid() == 0 else 0)
    site = Site(tmp_path, f"smtp_tls_CAfile = {closed}\n")
    with site.serve(*options) as node:
        told = f'postfix/master[{node.pid}]: warning: smtp: cannot load Certification Authority data, CAfile="{closed}"'
        assert site.wait_for("daemon started").count(told) == 1


def test_what_a_node_left_is_taken_up_by_the_next(tmp_path: Path, peer: PeerThread) -> None:
    site = Site(tmp_path, f"relayhost = {peer.nexthop}\ndefer_transports = smtp\n")
    with site.serve() as node:
        queue_id = site.send("b@dest.example")
        site.wait_for("status=deferred (deferred transport)")
        node.kill()
    site.set(f"relayhost = {peer.nexthop}\n")
    command = [sys.executable, "-m", "mailrider", "-c", str(site.folder), "queue", "flush", "--all"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    with site.serve():
        site.wait_for(f"{queue_id}: removed")


def test_a_reload_puts_new_settings_into_effect_and_refuses_bad_ones(tmp_path: Path, peer: PeerThread) -> None:
    site = Site(tmp_path, "default_transport = retry:not yet\n")
    with site.serve() as node:
        site.send("b@dest.example")
        site.wait_for("status=deferred (not yet)")
        site.set("minimal_backoff_time = soon\n")
        node.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in site.hear()
        assert "READY=1" in site.hear()
        site.wait_for("the old settings stay in effect")
        site.set(f"relayhost = {peer.nexthop}\nsmtpd_sasl_auth_enable = yes\n")
        node.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in site.hear()
        assert "READY=1" in site.hear()
        site.wait_for("intake_password_maps must name a table of passwords; the old settings stay in effect")
        second = site.send("d@dest.example")
        assert f"{second}: to=<d@dest.example>, relay=none" in site.wait_for("to=<d@dest.example>"), "those of delivery, too"
        site.log.rename(tmp_path / "log.1")
        site.set(f"relayhost = {peer.nexthop}\nhelpful_warnings = no\n")
        node.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in site.hear()
        assert "READY=1" in site.hear()
        queue_id = site.send("c@dest.example")
        log = site.wait_for(f"{queue_id}: removed")
        assert "warning: reload: helpful_warnings has changed, which counts from the next start on" in log


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("bounce_template_file = /nowhere/bounce.cf\n", b"bounce_template_file = /nowhere/bounce.cf"),
        ("maximal_queue_lifetime = soon\n", b"maximal_queue_lifetime = soon"),
        ("maillog_file = /nowhere/log\n", b"maillog_file = /nowhere/log"),
    ],
)
def test_a_wrong_setting_is_found_at_start_up(tmp_path: Path, setting: str, words: bytes) -> None:
    site = Site(tmp_path, setting)
    node = site.start()
    assert node.wait(PATIENCE_SECONDS) == 78
    assert node.stderr is not None
    assert words in node.stderr.read()
    node.stderr.close()
