"""The server of a benchmark, in a process of its own: Postfix's smtp-sink where it is installed, else our own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import PROJECT, processor_seconds

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


class Server:
    """A server in a process of its own.  `counted` is what it told at its end, where it tells anything."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port
        self.counted: dict[str, Any] = {}

    def processor_seconds(self) -> float:
        """What it has needed until now."""
        return processor_seconds(self._process.pid)


@contextlib.contextmanager
def run_bundled(*, chunking: bool = False, certificate: Path | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run our own sink; `certificate` is a PEM file with key and certificates and makes it offer STARTTLS."""
    options = ["--host", host, *(["--chunking"] if chunking else [])]
    options += ["--certificate", str(certificate)] if certificate is not None else []
    with _serve("benchmarks.sink", options) as server:
        yield server


@contextlib.contextmanager
def run_relay(target_port: int, round_trip_milliseconds: int) -> Iterator[Server]:
    """Run a relay that makes this port of 127.0.0.1 so far away."""
    with _serve("benchmarks.relay", [str(target_port), str(round_trip_milliseconds)]) as server:
        yield server


@contextlib.contextmanager
def run_names(zone: Path) -> Iterator[Server]:
    """Run a name server with the records in this file."""
    with _serve("benchmarks.names", [str(zone)]) as server:
        yield server


@contextlib.contextmanager
def _serve(module: str, options: Sequence[str]) -> Iterator[Server]:
    port = _free_port()
    command = [sys.executable, "-m", module, str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT)
    server = Server(process, port)
    try:
        _wait_until_it_listens(process, port)
        yield server
    finally:
        process.terminate()
        said, _ = process.communicate()
        if said:
            server.counted = json.loads(said)


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
