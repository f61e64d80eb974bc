"""Mail by every door of a node at once, each in a thread of its own; every recipient has an address that no other one has."""

from __future__ import annotations

import asyncio
import random
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.node.far_side import SENDER

from mailrider.machine import SystemClock
from mailrider.model.request import Envelope, Recipient
from mailrider.spool.spool import Accepted, Submission
from mailrider.spool.sqlite import SqliteSpool

COMMAND = (sys.executable, "-m", "mailrider")
BAD_SHARE = 0.1
LARGE_SHARE = 0.02
LARGE_LINES = 3000
"""Some 200 kB: more than a spool keeps in its database."""

PATIENCE_SECONDS = 60.0
UNHEARD_SECONDS = 0.05
"""Before a door that did not answer is tried again."""


class Letter(NamedTuple):
    """A message that asks to be taken."""

    recipients: list[str]
    text: bytes


class Post:
    """What comes in, and what of it was accepted, by door."""

    def __init__(self, seed: int, domains: int, pause_seconds: float) -> None:
        self._random = random.Random(seed)
        self._domains = domains
        self._lock = threading.Lock()
        self._number = 0
        self.pause_seconds = pause_seconds
        self.ending = threading.Event()
        self.accepted: dict[str, str] = {}
        """Recipients, and by which door they came."""

    def write(self) -> Letter:
        with self._lock:
            chance = self._random
            self._number += 1
            number = self._number
            users = ["bad" if chance.random() < BAD_SHARE else "good" for _ in range(chance.choice((1, 1, 1, 2, 3)))]
            lines = LARGE_LINES if chance.random() < LARGE_SHARE else 20
        text = f"Subject: {number}\r\nMessage-ID: <{number}@here.example>\r\n\r\n" + (("x" * 64) + "\r\n") * lines
        recipients = [
            f"{user}{number}.{index}@d{(number + index) % self._domains}.example" for index, user in enumerate(users)
        ]
        return Letter(recipients, text.encode())

    def accept(self, door: str, recipients: list[str]) -> None:
        with self._lock:
            self.accepted.update((recipient, door) for recipient in recipients)

    def counts(self) -> Counter[str]:
        with self._lock:
            return Counter(self.accepted.values())


class Thread:
    """Does `work` again and again until the post ends; what a killed node makes of it is a matter of course."""

    def __init__(self, post: Post, work: Callable[[], None]) -> None:
        self._post = post
        self._work = work
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._post.ending.is_set():
                try:
                    self._work()
                    time.sleep(self._post.pause_seconds)
                except (OSError, smtplib.SMTPException):
                    time.sleep(UNHEARD_SECONDS)
        except BaseException as fault:
            self.fault = fault

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        if self.fault is not None:
            raise self.fault


class _UnixMixin:
    """smtplib goes to a unix socket with LMTP alone."""

    path = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(self.path)
        return connection


class UnixSmtp(_UnixMixin, smtplib.SMTP):
    pass


class UnixLmtp(_UnixMixin, smtplib.SMTP):
    ehlo_msg = "lhlo"


class ListenerDoor:
    """SMTP or LMTP to a listener: some messages over each connection."""

    def __init__(self, post: Post, name: str, connect: Callable[[], smtplib.SMTP], *, each: bool) -> None:
        self._post = post
        self._name = name
        self._connect = connect
        self._each = each  # whether every recipient has a reply of its own

    def __call__(self) -> None:
        client = self._connect()
        try:
            client.ehlo_or_helo_if_needed()
            for _ in range(5):
                self._send(client, self._post.write())
                time.sleep(self._post.pause_seconds)
            client.quit()
        finally:
            client.close()

    def _send(self, client: smtplib.SMTP, letter: Letter) -> None:
        expect(client.mail(SENDER))
        for recipient in letter.recipients:
            expect(client.rcpt(recipient))
        expect(client.docmd("DATA"))
        client.send(letter.text + b".\r\n")
        for recipients in [[it] for it in letter.recipients] if self._each else [letter.recipients]:
            code, _ = client.getreply()
            if code == 250:
                self._post.accept(self._name, recipients)


def expect(reply: tuple[int, bytes]) -> None:
    if reply[0] not in (250, 251, 354):
        raise smtplib.SMTPResponseException(*reply)


class SendmailDoor:
    """`mailrider sendmail`; `is_up` tells whether the node is."""

    def __init__(self, post: Post, configuration: Path, is_up: Callable[[], bool]) -> None:
        self._post = post
        self._command = [*COMMAND, "sendmail", "-C", str(configuration), "-f", SENDER]
        self._is_up = is_up

    def __call__(self) -> None:
        letter = self._post.write()
        was_up = self._is_up()
        done = subprocess.run(
            [*self._command, *letter.recipients], input=letter.text.replace(b"\r\n", b"\n"), capture_output=True,
            timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            still = was_up and self._is_up()
            self._post.accept("sendmail, node up" if still else "sendmail, node down", letter.recipients)
        elif done.returncode != 75:
            raise AssertionError(f"sendmail ended with {done.returncode}: {done.stderr.decode()}")


class SpoolDoor:
    """Another process that puts mail into the queue, several messages at once (what sendmail does, without its start-up)."""

    NAME = "queue, from beside"

    def __init__(self, post: Post, folder: Path) -> None:
        self._post = post
        self._folder = folder

    def __call__(self) -> None:
        asyncio.run(self._feed())

    async def _feed(self) -> None:
        async with SqliteSpool(self._folder, SystemClock()) as spool:
            while not self._post.ending.is_set():
                await asyncio.gather(*(self._send(spool) for _ in range(5)))
                await asyncio.sleep(self._post.pause_seconds * 5)

    async def _send(self, spool: SqliteSpool) -> None:
        letter = self._post.write()
        envelope = Envelope(SENDER, tuple(Recipient(address) for address in letter.recipients))
        if isinstance(await spool.accept(Submission(envelope), letter.text), Accepted):
            self._post.accept(self.NAME, letter.recipients)


class ApiNode:
    """`mailrider.Node` in a program of its own (`tests.node.api_program`), which is killed and started again."""

    NAME = "Python API"

    def __init__(self, post: Post, folder: Path, domains: int, configure: Callable[[str], None]) -> None:
        self._post = post
        self._folder = folder
        self._domains = domains
        self._configure = configure
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        self.life = f"api-{self._number}.here.example"
        self._configure(self.life)
        command = [sys.executable, "-m", "tests.node.api_program", str(self._folder), str(self._domains), str(self._number)]
        command.append(str(self._post.pause_seconds))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in complete_lines(process.stdout):
            self._post.accept(self.NAME, line.split())

    def kill(self) -> tuple[str, float]:
        """End it without a warning, and begin anew; the life that has ended, and when."""
        life = self.life
        assert self._process.poll() is None, "the program has ended by itself"
        self._process.kill()
        dead = time.monotonic()
        self._settle()
        self._begin()
        return life, dead

    def finish(self) -> None:
        """No more mail; returns when its queue is empty."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        assert self._process.wait(PATIENCE_SECONDS * 5) == 0
        self._settle()

    def _settle(self) -> None:
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)


def complete_lines(lines: Iterator[str] | object) -> Iterator[str]:
    """Without the half of one that a kill leaves."""
    for line in lines:  # type: ignore[attr-defined]
        if line.endswith("\n"):
            yield line


def tcp_client(port: int) -> Callable[[], smtplib.SMTP]:
    return lambda: smtplib.SMTP("127.0.0.1", port, "client.example", timeout=PATIENCE_SECONDS)


def unix_client(kind: type[UnixSmtp] | type[UnixLmtp], path: Path) -> Callable[[], smtplib.SMTP]:
    own = type(kind.__name__, (kind,), {"path": str(path)})
    return lambda: own("unix", 0, "client.example")  # type: ignore[no-any-return]
