"""Postfix's own smtp(8) as a contestant: how fast a private Postfix empties a full queue, and what all its processes need.

The queue is filled while no queue manager runs.  For every run its files are copied into `incoming`, the queue manager is
started and told to look, and the end is when the log has `status=sent` for all of them.  Nothing of the machine's own
Postfix is used or changed; it takes root, since Postfix's master(8) does.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postfix.instance import Postfix, why_not

from benchmarks.measuring import Cost, ProgramFailed, processor_seconds, run_measured

POSTFIX = "Postfix smtp(8)"

SERVICES = ("smtp unix - - n - - smtp\n", "tlsproxy unix - - n - 0 tlsproxy\n")
"""What the private instance has beside the services that every instance needs."""

FILLING_CONNECTIONS = 8
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.02
"""Between two looks into the log: the error of an elapsed time."""


def why_no_postfix() -> str:
    """Why Postfix cannot be measured here, or nothing."""
    return why_not()


class Queue:
    """A Postfix that runs without a queue manager, and a folder with the files of a full queue."""

    def __init__(self, postfix: Postfix, kept: Path) -> None:
        self.postfix = postfix
        self._kept = kept
        self._settings = (postfix.etc / "main.cf").read_text()
        self._services = (postfix.etc / "master.cf").read_text()

    def empty(self, count: int, settings: Mapping[str, str]) -> Cost:
        """Let it deliver so many messages with these settings.  Raises `ProgramFailed`."""
        files = sorted(path for path in self._kept.iterdir() if path.is_file())[:count]
        if len(files) < count:
            raise ProgramFailed(f"the queue has {len(files)} messages, not {count}")
        self._fill(files)
        try:
            return self._deliver(count, settings)
        finally:
            self._configure({}, with_queue_manager=False)  # else it would take what is put there for the next run at once

    def _fill(self, files: list[Path]) -> None:
        for name in ("incoming", "active", "deferred", "defer"):
            for path in (self.postfix.spool / name).rglob("*"):
                if path.is_file():
                    path.unlink()
        for path in files:
            copy = self.postfix.spool / "incoming" / path.name
            shutil.copy2(path, copy)  # its mode says that it is complete
            shutil.chown(copy, "postfix", "postfix")

    def _configure(self, settings: Mapping[str, str], *, with_queue_manager: bool) -> None:
        etc = self.postfix.etc
        (etc / "main.cf").write_text(self._settings + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        services = self._services.replace("\n#qmgr ", "\nqmgr ") if with_queue_manager else self._services
        (etc / "master.cf").write_text(services)
        for name in ("main.cf", "master.cf"):
            os.utime(etc / name, (1.6e9, 1.6e9))  # Postfix waits while a file looks freshly written
        # `postfix reload` would also run postsuper(1), which renames copies of queue files while they are being delivered.
        os.kill(self._master(), signal.SIGHUP)
        if with_queue_manager:
            self.postfix.wait_for((self.postfix.spool / "public" / "qmgr").exists, "the queue manager's socket")
        else:
            self.postfix.wait_for(lambda: "qmgr" not in self._children(), "the queue manager to end")

    def _deliver(self, count: int, settings: Mapping[str, str]) -> Cost:
        log = self.postfix.folder / "log" / "maillog"
        with log.open("rb") as reader:
            reader.seek(0, os.SEEK_END)
            spent, began = -self._processor_seconds(), time.monotonic()
            self._configure(settings, with_queue_manager=True)
            # Without that master(8) would wake it after its wakeup time.  It fails while master(8) makes the socket anew.
            self.postfix.wait_for(self._wake_queue_manager, "the queue manager to listen")
            sent, rest = 0, b""
            while sent < count:
                if time.monotonic() > began + PATIENCE_SECONDS:
                    raise ProgramFailed(f"{sent} of {count} messages were sent:\n{self.postfix.log_text()[-3000:]}")
                time.sleep(LOOK_SECONDS)
                lines, _, rest = (rest + reader.read()).rpartition(b"\n")
                if b"status=deferred" in lines or b"status=bounced" in lines:
                    raise ProgramFailed(f"Postfix failed:\n{self.postfix.log_text()[-3000:]}")
                sent += lines.count(b"status=sent")
            elapsed = time.monotonic() - began
            return Cost(spent + self._processor_seconds(), elapsed, 0)

    def _wake_queue_manager(self) -> bool:
        try:
            self.postfix.run("postkick", "public", "qmgr", "I")
        except RuntimeError:
            return False
        return True

    def _processor_seconds(self) -> float:
        """Of master(8), of all that it runs now, and of all that it has run."""
        ended = processor_seconds(self._master(), with_ended_children=True)
        return ended + sum(processor_seconds(pid) for pids in self._children().values() for pid in pids)

    def _master(self) -> int:
        return int((self.postfix.spool / "pid" / "master.pid").read_text())

    def _children(self) -> dict[str, list[int]]:
        """The processes of this instance that run now, by the names of their programs."""
        master = self._master()
        children: dict[str, list[int]] = {}
        for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            with suppress(OSError):
                children.setdefault(Path(f"/proc/{pid}/comm").read_text().strip(), []).append(int(pid))
        return children


@contextmanager
def filled_queue(messages: int, folder: Path) -> Iterator[Queue]:
    """A private Postfix with so many messages in its queue, which are made of the message files in `folder`."""
    settings = {"maximal_queue_lifetime": "5d", "syslog_name": "bench", "transport_maps": ""}
    postfix = Postfix({}, SERVICES, settings)
    master = postfix.etc / "master.cf"
    master.write_text(master.read_text().replace("\nqmgr ", "\n#qmgr "))
    with postfix:
        run_measured((
            sys.executable, "-m", "benchmarks.clients.with_smtplib", "--port", str(postfix.port), "--messages", str(messages),
            "--connections", str(FILLING_CONNECTIONS), "--folder", str(folder),
        ), None, postfix.folder / "filling.err")  # fmt: skip
        kept = postfix.folder / "kept"
        kept.mkdir()
        for path in (postfix.spool / "incoming").rglob("*"):
            if path.is_file():
                path.rename(kept / path.name)
        yield Queue(postfix, kept)


def empty_with(
    queue: Queue, port: int, *, connections: int, settings: Mapping[str, str] | None = None
) -> Callable[[int], Cost]:
    """The `run` of a contestant: everything goes to this port of 127.0.0.1 over so many connections."""
    given = {
        "relayhost": f"[127.0.0.1]:{port}",
        "smtp_destination_concurrency_limit": str(connections),
        "initial_destination_concurrency": str(connections),
        **(settings or {}),
    }
    return lambda count: queue.empty(count, given)
