"""Kill nodes again and again while mail comes in by all doors and the far side misbehaves, then count.

    python -m tests.node.chaos --kills 200

Every recipient that was accepted must have been delivered to, or its sender told; what was delivered twice is counted, and may
only be what was under way when a node was killed.  Exit code 1 where something is missing, came twice without a kill to blame,
or more than `verdict.DUPLICATES_SHARE` came twice.

`--crowd`: the far side takes everything, and says so after up to a second: hundreds of messages are between the dot and the
reply at every kill.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.node.doors import (
    COMMAND,
    PATIENCE_SECONDS,
    ApiNode,
    ListenerDoor,
    Post,
    SendmailDoor,
    SpoolDoor,
    Thread,
    UnixLmtp,
    UnixSmtp,
    tcp_client,
    unix_client,
)  # fmt: skip
from tests.node.far_side import FarProcess
from tests.node.verdict import Verdict, judge
from tests.ports import free_port

from mailrider.machine import SystemClock
from mailrider.spool.sqlite import SqliteSpool

LIFE_SECONDS = (0.1, 1.9)
"""How long a node lives once it is up, before it is killed."""

SHORT_LIFE_SHARE = 0.1
SHORT_LIFE_SECONDS = 0.7
"""How often one is killed after at most so long, most often while it starts up."""

DOWN_SHARE = 0.15
DOWN_SECONDS = 0.7
"""How often it stays down for a while, and how long: there are doors that are open then, too."""

API_SHARE = 0.4
"""How often the program that has a node of its own is killed with it."""

DRAIN_SECONDS = 120.0
"""How long what is left may take at the end; what is left then counts as missing."""

DOMAINS = 7
CROWD_DOMAINS = 60
PAUSE_SECONDS = 0.05
CROWD_PAUSE_SECONDS = 0.01

TIMEOUTS = "".join(
    f"smtp_{stage}_timeout = 4s\n" for stage in ("helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit")
)
"""What a far side that stalls or talks nonsense may cost."""


class Site:
    """A node, and the folder that it lives in."""

    def __init__(self, folder: Path, far_port: int, domains: int) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "queue").mkdir(mode=0o700)
        hops = ", ".join(f"{{ d{number}.example = smtp:[127.0.1.{number + 1}]:{far_port} }}" for number in range(domains))
        self._settings = (
            f"queue_directory = {folder}/queue\nmaillog_file = {folder}/log\nmyhostname = here.example\nmydestination =\n"
            f"myorigin = here.example\nrelayhost = [127.0.0.1]:{far_port}\ntransport_maps = inline:{{ {hops} }}\n"
            f"minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n{TIMEOUTS}"
            f"intake_smtp_listen = 127.0.0.1:{self.port}, unix:{folder}/smtp\nintake_lmtp_listen = unix:{folder}/lmtp\n"
        )
        self.node: subprocess.Popen[bytes] | None = None
        self._number = 0
        self.life = ""

    def configure(self, life: str) -> None:
        """The next process that starts is known by this name to the far side."""
        new = self.folder / "main.cf.new"
        new.write_text(f"{self._settings}smtp_helo_name = {life}\n")
        new.rename(self.folder / "main.cf")

    def is_up(self) -> bool:
        return self.node is not None

    def start(self) -> None:
        self._number += 1
        self.life = f"node-{self._number}.here.example"
        self.configure(self.life)
        command = [*COMMAND, "-c", str(self.folder), "serve"]
        self.node = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": ""})

    def wait_until_up(self) -> None:
        """Until its door answers."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self.node is not None
            assert self.node.poll() is None, f"the node has ended by itself:\n{self.end_of_log()}"
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
            except OSError:
                assert time.monotonic() < end, "the node does not come up"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> tuple[str, float]:
        """End it without a warning; the life that has ended, and when."""
        node, self.node = self.node, None
        assert node is not None
        assert node.poll() is None, f"the node has ended by itself:\n{self.end_of_log()}"
        node.kill()
        dead = time.monotonic()
        node.wait()
        return self.life, dead

    def finish(self) -> None:
        """No more mail comes in: wait until nothing is left, and stop."""
        asyncio.run(self._wait_until_empty())
        assert self.node is not None
        self.node.terminate()
        assert self.node.wait(PATIENCE_SECONDS) == 0
        self.check()

    async def _wait_until_empty(self) -> None:
        end = time.monotonic() + DRAIN_SECONDS
        async with SqliteSpool(self.folder / "queue", SystemClock()) as spool:
            while (await spool.stats()).messages and time.monotonic() < end:
                assert self.node is not None
                assert self.node.poll() is None, f"the node has ended by itself:\n{self.end_of_log()}"
                await asyncio.sleep(0.2)

    def check(self) -> None:
        """A fault of ours that the node has survived is one all the same."""
        log = self.folder / "log"
        text = log.read_text(errors="replace") if log.exists() else ""
        faults = [line for line in text.splitlines() if "internal error" in line]
        assert not faults, faults[0]

    def abandon(self) -> None:
        if self.node is not None and self.node.poll() is None:
            self.node.kill()
            self.node.wait()

    def end_of_log(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


class Chaos:
    """Two nodes, `mailrider serve` and one in a program, all doors, and a far side."""

    def __init__(self, folder: Path, seed: int, *, crowd: bool) -> None:
        domains = CROWD_DOMAINS if crowd else DOMAINS
        self._chance = random.Random(seed)
        self._folder = folder
        self._domains = domains
        self.post = Post(seed, domains, CROWD_PAUSE_SECONDS if crowd else PAUSE_SECONDS)
        self.far = FarProcess(seed, "crowd" if crowd else "wild")
        self.kills: dict[str, float] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything at work; ended whatever happens."""
        self.site = Site(self._folder / "site", self.far.port, self._domains)
        own = Site(self._folder / "api", self.far.port, self._domains)
        self.api = ApiNode(self.post, own.folder, self._domains, own.configure)
        try:
            self.site.start()
            self._threads = self._open_doors()
            yield
        finally:
            self.post.ending.set()
            self.site.abandon()
            self.api.abandon()
            self.far.abandon()

    def _open_doors(self) -> list[Thread]:
        post, site = self.post, self.site
        doors = [
            ListenerDoor(post, "SMTP, TCP", tcp_client(site.port), each=False),
            ListenerDoor(post, "SMTP, unix socket", unix_client(UnixSmtp, site.folder / "smtp"), each=False),
            ListenerDoor(post, "LMTP, unix socket", unix_client(UnixLmtp, site.folder / "lmtp"), each=True),
            SendmailDoor(post, site.folder, site.is_up),
            SpoolDoor(post, site.folder / "queue"),
        ]
        return [Thread(post, door) for door in doors]

    def kill(self) -> None:
        """One node dies, and perhaps the other, and they come back."""
        chance = self._chance
        if chance.random() < SHORT_LIFE_SHARE:
            time.sleep(chance.random() * SHORT_LIFE_SECONDS)
        else:
            self.site.wait_until_up()
            time.sleep(chance.uniform(*LIFE_SECONDS))
        self.kills.update([self.site.kill()])
        if chance.random() < API_SHARE:
            self.kills.update([self.api.kill()])
        if chance.random() < DOWN_SHARE:
            time.sleep(DOWN_SECONDS)
        self.site.start()

    def finish(self) -> None:
        """No more mail, no more trouble: everything is to come to its end."""
        self.post.ending.set()
        for thread in self._threads:
            thread.join()
        self.far.become_friendly()
        self.api.finish()
        self.site.finish()
        self.far.finish()


def run(kills: int, seed: int, *, crowd: bool = False, quiet: bool = False, keep: bool = False) -> Verdict:
    """Kill so many nodes; what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-chaos-"))
    folder.chmod(0o755)
    chaos = Chaos(folder, seed, crowd=crowd)
    began = time.monotonic()
    try:
        with chaos.running():
            for number in range(1, kills + 1):
                chaos.kill()
                if number % 10 == 0:
                    chaos.site.check()
                if not quiet and number % 10 == 0:
                    accepted = sum(chaos.post.counts().values())
                    print(f"{number} kills, {accepted} accepted, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            chaos.finish()
        return judge(chaos.post.accepted, chaos.far.copies, chaos.far.told, chaos.kills, time.monotonic() - began)
    finally:
        if keep:
            print(f"queues and logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.node.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crowd", action="store_true", help="many messages wait for slow replies at every kill")
    parser.add_argument("--keep", action="store_true", help="leave the queues and the logs where they are")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    given = parser.parse_args()
    verdict = run(given.kills, given.seed, crowd=given.crowd, keep=given.keep)
    print(json.dumps(verdict.as_dict(), indent=2) if given.json else verdict.text())
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
