"""The server of a benchmark, in a process of its own: Postfix's smtp-sink where it is installed, else our own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measuring import PROJECT

SMTP_SINK = "smtp-sink"
BUNDLED = "bundled"

BACKLOG = 1000
"""Connections that may wait to be accepted."""

START_SECONDS = 10.0
"""How long a sink may take to listen."""


def find_smtp_sink() -> str | None:
    """The path of smtp-sink(1), or None."""
    return shutil.which(SMTP_SINK, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def choose_sink(wanted: str | None) -> str:
    """`SMTP_SINK` or `BUNDLED`."""
    if wanted is not None:
        return wanted
    return SMTP_SINK if find_smtp_sink() else BUNDLED


@contextlib.contextmanager
def run_sink(kind: str) -> Iterator[int]:
    """Run a sink of this kind on a free port of 127.0.0.1; gives the port."""
    port = _free_port()
    process = subprocess.Popen(_command(kind, port), stdout=subprocess.DEVNULL, cwd=PROJECT)
    try:
        _wait_until_it_listens(process, port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _command(kind: str, port: int) -> list[str]:
    if kind == BUNDLED:
        return [sys.executable, "-m", "benchmarks.sink", str(port)]
    path = find_smtp_sink()
    if path is None:
        raise SystemExit("smtp-sink is not installed; --sink bundled does without")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    return [path, *user, f"127.0.0.1:{port}", str(BACKLOG)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the sink did not start: {' '.join(map(str, process.args))}") from None  # type: ignore[union-attr]
            time.sleep(0.02)
        else:
            return
