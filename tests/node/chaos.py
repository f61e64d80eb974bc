"""Kill a node again and again while mail comes in and the far side misbehaves, then count.

    python -m tests.node.chaos --kills 200

Every message that was accepted must have been delivered, or its sender told; what was delivered twice is counted, and may
only be what was under way when a node was killed.  Exit code 1 where something is
missing or more than `DUPLICATES_SHARE` came twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tests.node.far_side import FarSide

from mailrider.model.request import Envelope, Recipient
from mailrider.spool.spool import Accepted, Submission
from mailrider.spool.sqlite import SqliteSpool
from mailrider.wiring import SystemClock

DUPLICATES_SHARE = 0.01
LIFE_SECONDS = (0.7, 2.5)
"""How long a node lives before it is killed; it takes half a second to be up."""

DRAIN_SECONDS = 180.0
BAD_SHARE = 0.1
COMMAND = (sys.executable, "-m", "mailrider")


class Result(NamedTuple):
    """`missing`: accepted, and neither delivered nor told of.  `twice`: delivered again although the far side had said yes."""

    kills: int
    accepted: int
    delivered: int
    told: int
    missing: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return not self.missing and len(self.twice) <= max(1, self.accepted * DUPLICATES_SHARE)


class Feeder:
    """Puts messages into the spool from another process than the node's, in a thread, and by `mailrider sendmail`."""

    def __init__(self, folder: Path, configuration: Path, seed: int) -> None:
        self._folder = folder
        self._configuration = configuration
        self._random = random.Random(seed)
        self.accepted: list[str] = []
        self._number = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()))
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    async def _feed(self) -> None:
        async with SqliteSpool(self._folder, SystemClock()) as spool:
            while not self._ending.is_set():
                await asyncio.gather(*(self._send(spool) for _ in range(5)))
                if self._random.random() < 0.05:
                    await asyncio.to_thread(self._submit)
                await asyncio.sleep(0.05)

    def _next(self) -> tuple[str, str, bytes]:
        self._number += 1
        token = f"token-{self._number}"
        user = "bad" if self._random.random() < BAD_SHARE else "good"
        text = f"Subject: {token}\r\nMessage-ID: <{token}@here.example>\r\n\r\nhello\r\n".encode()
        return token, f"{user}{self._number}@d{self._number % 7}.example", text

    async def _send(self, spool: SqliteSpool) -> None:
        token, recipient, text = self._next()
        envelope = Envelope("alice@here.example", (Recipient(recipient),))
        if isinstance(await spool.accept(Submission(envelope), text), Accepted):
            self.accepted.append(token)

    def _submit(self) -> None:
        token, recipient, text = self._next()
        command = [*COMMAND, "-c", str(self._configuration), "sendmail", "-f", "alice@here.example", recipient]
        done = subprocess.run(command, input=text.replace(b"\r\n", b"\n"), capture_output=True, timeout=60, check=False)
        if done.returncode == 0:
            self.accepted.append(token)


def configure(folder: Path, port: int) -> None:
    (folder / "main.cf").write_text(
        f"queue_directory = {folder}/queue\nmaillog_file = {folder}/log\nmyhostname = here.example\nmydestination =\n"
        f"relayhost = [127.0.0.1]:{port}\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n"
        "default_destination_concurrency_failed_cohort_limit = 20\nintake_smtp_listen =\n"
    )


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, "-c", str(folder), "serve"], env={**os.environ, "PYTHONWARNINGS": ""})


def run(kills: int, seed: int) -> Result:
    """Kill so many nodes; what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-chaos-"))
    folder.chmod(0o777)
    chance = random.Random(seed)
    try:
        with FarSide(seed) as far:
            configure(folder, far.port)
            (folder / "queue").mkdir(mode=0o700)
            node = start(folder)
            feeder = Feeder(folder / "queue", folder, seed)
            for _ in range(kills):
                time.sleep(chance.uniform(*LIFE_SECONDS))
                assert node.poll() is None, "the node has ended by itself"
                node.kill()
                node.wait()
                node = start(folder)
            feeder.end()
            far.friendly = True
            wait_until_empty(folder / "queue")
            node.terminate()
            assert node.wait(60) == 0
            return judge(kills, feeder.accepted, far)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_empty(folder: Path) -> None:
    async def wait() -> None:
        end = time.monotonic() + DRAIN_SECONDS
        async with SqliteSpool(folder, SystemClock()) as spool:
            while (await spool.stats()).messages and time.monotonic() < end:
                await asyncio.sleep(0.2)

    asyncio.run(wait())


def judge(kills: int, accepted: list[str], far: FarSide) -> Result:
    missing = [token for token in accepted if not far.taken[token] and not far.swallowed[token] and token not in far.told]
    twice = [token for token in accepted if far.taken[token] > 1]
    delivered = sum(1 for token in accepted if far.taken[token])
    return Result(kills, len(accepted), delivered, len(far.told), tuple(missing), tuple(twice))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = run(given.kills, given.seed)
    share = 100 * len(result.twice) / max(1, result.accepted)
    print(
        f"{result.kills} kills, {result.accepted} messages accepted, {result.delivered} delivered, {result.told} told of, "
        f"{len(result.missing)} missing, {len(result.twice)} twice ({share:.2f} %)"
    )
    for token in result.missing[:20]:
        print(f"missing: {token}")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
