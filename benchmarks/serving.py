"""A node that is measured: `mailrider serve` in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import ProgramFailed, processor_seconds

PROGRAM = (sys.executable, "-m", "mailrider")
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.02
FILLING_TOGETHER = 500

_TEXT = b"From: a@origin.test\r\nSubject: measured\r\n\r\n" + (b"x" * 78 + b"\r\n") * 50
"""4 kB."""


class MeasuredNode:
    """A node, its queue and its log."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.queue = folder / "queue"
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._sent = 0
        self._read = 0
        folder.chmod(0o777)
        self.queue.mkdir(mode=0o700)
        (folder / "main.cf").write_text(
            f"queue_directory = {self.queue}\nmaillog_file = {self.log}\nmyhostname = client.origin.test\n"
            f"mydestination =\nintake_smtp_listen =\n{settings}"
        )

    def fill(self, recipients: Iterator[str]) -> None:
        """Put a message for each of them into the queue, as another process would."""
        asyncio.run(self._fill(recipients))

    async def _fill(self, recipients: Iterator[str]) -> None:
        from mailrider.model.request import Envelope, Recipient
        from mailrider.spool.opening import open_spool
        from mailrider.spool.spool import Accepted, Submission

        async with open_spool(str(self.queue)) as spool:

            async def caller() -> None:
                for recipient in recipients:
                    envelope = Envelope("a@origin.test", (Recipient(recipient),))
                    if not isinstance(await spool.accept(Submission(envelope), _TEXT), Accepted):
                        raise ProgramFailed("the queue did not take a message")

            await asyncio.gather(*(caller() for _ in range(FILLING_TOGETHER)))

    def start(self) -> float:
        """Start it; how long it took until it said that it was ready."""
        began = time.monotonic()
        self.process = subprocess.Popen([*PROGRAM, "-c", str(self.folder), "serve"])
        self.wait(lambda: self.log.exists() and b"daemon started" in self.log.read_bytes()[:100_000])
        return time.monotonic() - began

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def wait(self, condition: Callable[[], bool]) -> None:
        """Raises `ProgramFailed` where it does not come."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > end or (self.process is not None and self.process.poll() is not None):
                raise ProgramFailed(f"the node has ended or does not come to an end:\n{self.log.read_text()[-2000:]}")
            time.sleep(LOOK_SECONDS)

    def sent(self) -> int:
        """How many recipients have been delivered to until now."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            lines, _, _ = file.read().rpartition(b"\n")
        self._read += len(lines)
        self._sent += lines.count(b"status=sent")
        return self._sent

    def peak_megabytes(self) -> float:
        """Resident memory at most (proc(5), `VmHWM`)."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def processor_seconds(self) -> float:
        """User and system time."""
        assert self.process is not None
        return processor_seconds(self.process.pid)


@contextmanager
def measured_node(settings: str) -> Iterator[MeasuredNode]:
    """A node that is not started yet; everything of it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-benchmark-", dir=os.environ.get("TMPDIR")))
    node = MeasuredNode(folder, settings)
    try:
        yield node
    finally:
        node.stop()
        shutil.rmtree(folder, ignore_errors=True)
