"""A node whose disk is full to the brim: a real file system of its own, small and in memory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.node.doors import PATIENCE_SECONDS, UnixLmtp, expect, unix_client
from tests.node.test_serve import Site
from tests.ports import free_port

from cli.peer_thread import PeerThread
from mailrider.spool.files import RESERVE_OCTETS

DISK_MEBIBYTES = 48
"""More than the log of the database grows to (`sqlite_schema.CHECKPOINT_PAGES`), as it does where mail is deferred each second
on a slow machine.
"""

SMALL = b"Subject: x\r\n\r\nhello\r\n"
LARGE = SMALL + (b"x" * 70 + b"\r\n") * 2000
"""140 kB: a file of its own in the spool."""

WAITING = 12
COMMAND = (sys.executable, "-m", "mailrider")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few messages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("mounting a file system needs root and mount(8) (package mount)")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m,mode=0777", "mailrider-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Filler:
    """Takes the room on a disk, and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"
        self._disk = disk

    def leave(self, octets: int) -> None:
        facts = os.statvfs(self._disk)
        free = facts.f_bavail * facts.f_frsize
        with self._path.open("ab") as file:
            file.write(b"x" * max(0, free - octets))

    def fill(self) -> None:
        """Not an octet is left."""
        with self._path.open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def remove(self) -> None:
        self._path.unlink()


class DiskSite(Site):
    """A site whose queue is on that disk, with doors."""

    def __init__(self, folder: Path, disk: Path, settings: str) -> None:
        self.place = disk / "queue"
        self.port = free_port()
        super().__init__(folder, settings)

    def set(self, settings: str) -> None:
        (self.folder / "main.cf").write_text(
            f"queue_directory = {self.place}\nmaillog_file = {self.log}\nmyhostname = here.example\nmydestination =\n"
            "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n"
            "notify_classes =\n"  # else the postmaster gets mail about each client whose message had no room
            f"intake_smtp_listen = 127.0.0.1:{self.port}\nintake_lmtp_listen = unix:{self.folder}/lmtp\n{settings}"
        )

    def by_smtp(self, recipient: str, text: bytes) -> int:
        with smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=PATIENCE_SECONDS) as client:
            return talk(client, recipient, text)

    def by_lmtp(self, recipient: str, text: bytes) -> int:
        with unix_client(UnixLmtp, self.folder / "lmtp")() as client:
            return talk(client, recipient, text)

    def by_sendmail(self, recipient: str, text: bytes) -> int:
        command = [*COMMAND, "sendmail", "-C", str(self.folder), "-f", "a@here.example", recipient]
        done = subprocess.run(
            command, input=text.replace(b"\r\n", b"\n"), capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
        return done.returncode

    def wait_until(self, condition: Callable[[str], bool]) -> str:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition(seen := self.log.read_text() if self.log.exists() else ""):
            assert time.monotonic() < end, seen[-3000:]
            time.sleep(0.02)
        return seen


def talk(client: smtplib.SMTP, recipient: str, text: bytes) -> int:
    """The code of the last reply."""
    client.ehlo_or_helo_if_needed()
    for reply in (client.mail("a@here.example"), client.rcpt(recipient)):
        if reply[0] != 250:
            return reply[0]
    expect(client.docmd("DATA"))
    client.send(text + b".\r\n")
    return client.getreply()[0]


def count(text: str, log: str) -> int:
    return len(re.findall(text, log))


@pytest.mark.parametrize("rest", [RESERVE_OCTETS // 2, 0], ids=["below-the-reserve", "to-the-brim"])
def test_nothing_is_taken_while_the_disk_is_full_and_nothing_of_it_stays(
    tmp_path: Path, disk: Path, peer: PeerThread, rest: int
) -> None:
    site, filler = DiskSite(tmp_path, disk, f"relayhost = {peer.nexthop}\n"), Filler(disk)
    with site.serve() as node:
        doors = (site.by_smtp, site.by_lmtp, site.by_sendmail)
        assert [door(f"b{number}@dest.example", SMALL) for number, door in enumerate(doors)] == [250, 250, 0]
        site.wait_until(lambda log: count(": removed", log) == len(doors))
        filler.leave(rest)
        if not rest:
            filler.fill()
        for text in (SMALL, LARGE):
            assert [door("lost@dest.example", text) for door in doors] == [452, 452, 75]
        filler.remove()
        assert [door(f"c{number}@dest.example", LARGE) for number, door in enumerate(doors)] == [250, 250, 0]
        site.wait_until(lambda log: count(": removed", log) == 2 * len(doors))
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE_SECONDS) == 0
    assert os.listdir(site.place / "content") == []
    recipients = [line for session in peer.server.sessions for line in session.commands if line.startswith("RCPT")]
    assert len(recipients) == 2 * len(doors)


def test_what_was_accepted_is_delivered_once_while_nothing_can_be_written(
    tmp_path: Path, disk: Path, peer: PeerThread
) -> None:
    """What cannot be recorded is remembered, and recorded when there is room again."""
    settings = f"relayhost = {peer.nexthop}\n"
    site, filler = DiskSite(tmp_path, disk, settings + "defer_transports = smtp\n"), Filler(disk)
    with site.serve() as node:
        for number in range(WAITING):
            assert site.by_smtp(f"b{number}@dest.example", SMALL) == 250
        site.wait_until(lambda log: count("status=deferred", log) >= WAITING)
        filler.fill()
        site.set(settings)
        node.send_signal(signal.SIGHUP)
        site.wait_until(lambda log: count("status=sent", log) >= WAITING)
        assert site.by_smtp("lost@dest.example", SMALL) == 452
        filler.remove()
        site.wait_until(lambda log: count(": removed", log) == WAITING)
        assert site.by_smtp("c@dest.example", SMALL) == 250
        site.wait_until(lambda log: count(": removed", log) == WAITING + 1)
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE_SECONDS) == 0
    recipients = [line for session in peer.server.sessions for line in session.commands if line.startswith("RCPT")]
    assert len(recipients) == len(set(recipients)) == WAITING + 1


def test_a_node_that_dies_on_a_full_disk_is_followed_by_one_that_knows_all(
    tmp_path: Path, disk: Path, peer: PeerThread
) -> None:
    settings = f"relayhost = {peer.nexthop}\n"
    site, filler = DiskSite(tmp_path, disk, settings + "defer_transports = smtp\n"), Filler(disk)
    with site.serve() as node:
        for number in range(WAITING):
            assert site.by_smtp(f"b{number}@dest.example", LARGE if number % 4 == 0 else SMALL) == 250
        site.wait_until(lambda log: count("status=deferred", log) >= WAITING)
        filler.fill()
        assert site.by_smtp("lost@dest.example", LARGE) == 452
        node.kill()
    site.set(settings)
    filler.remove()
    with site.serve():
        site.wait_until(lambda log: count(": removed", log) == WAITING)
    recipients = {line for session in peer.server.sessions for line in session.commands if line.startswith("RCPT")}
    assert len(recipients) == WAITING
