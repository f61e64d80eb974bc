"""`mailrider deliver` in a process of its own: signals, and a reader that goes away."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailrider.testkit.peers import ScriptedServer

from .deliveries import request_to, to, write_batch
from .peer_thread import PATIENCE_SECONDS, PeerThread


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MAIL_CONFIG"}
    return subprocess.Popen(
        [sys.executable, "-m", "mailrider", "deliver", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def test_sigterm_ends_a_pause_and_every_row_is_written(message: str, tmp_path: Path) -> None:
    with PeerThread(ScriptedServer()) as peer:
        batch = write_batch(
            tmp_path,
            request_to(peer.nexthop, message),
            request_to(peer.nexthop, message, "c@example.test", "d@example.test", pause_before=1e9),
            request_to(peer.nexthop, message, "e@example.test"),
        )
        with start("--batch", batch) as process:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 75
        assert first["status"] == "sent"
        assert [(row["message"], row["dsn"], row["text"]) for row in map(json.loads, rest.splitlines())] == [
            (2, "4.3.2", "delivery agent is shutting down"),
            (2, "4.3.2", "delivery agent is shutting down"),
            (3, "4.3.2", "delivery agent is shutting down"),
        ]
        assert len(peer.server.messages) == 1


class SlowServer:
    """Answers RCPT with 450 once it is told to; everything else in step, and at once."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.nexthop = f"[127.0.0.1]:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb") as file:
            file.write(b"220 slow\r\n")
            file.flush()
            for line in file:
                if line.startswith(b"RCPT"):
                    self.reached.set()
                    assert self.released.wait(PATIENCE_SECONDS)
                    file.write(b"450 4.2.0 later\r\n")
                else:
                    file.write(b"250 ok\r\n")
                file.flush()
                if line.startswith(b"QUIT"):
                    return

    def close(self) -> None:
        self.released.set()
        self._thread.join(PATIENCE_SECONDS)
        self._listening.close()


def has_handled_signals(process: subprocess.Popen[str]) -> bool:
    """No signal is pending and the process sleeps again."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields["State"].startswith("S") and int(fields["ShdPnd"], 16) == int(fields["SigPnd"], 16) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_sigterm_ends_a_delivery_before_its_next_server(message: str) -> None:
    slow = SlowServer()
    with PeerThread(ScriptedServer()) as second:
        try:
            with start(*to(f"{slow.nexthop}, {second.nexthop}"), message) as process:
                assert slow.reached.wait(PATIENCE_SECONDS)
                process.send_signal(signal.SIGTERM)
                while not has_handled_signals(process):
                    assert process.poll() is None
                slow.released.set()
                out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            slow.close()
        row = json.loads(out)
        assert (process.returncode, row["dsn"], row["text"]) == (75, "4.3.2", "delivery agent is shutting down")
        assert not second.server.sessions


def test_ctrl_c_ends_the_reading_of_a_message(message: str) -> None:
    command = [sys.executable, "-m", "mailrider", "deliver", *to("[127.0.0.1]:9"), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("Subject: x\n" * 100_000)  # more than a pipe holds: when it is in, somebody is reading
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out, err.strip()) == (130, "", "mailrider: interrupted")


def test_a_second_signal_breaks_off_and_every_row_is_written(message: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nexthop = f"[127.0.0.1]:{silent.getsockname()[1]}"
        batch = write_batch(tmp_path, request_to(nexthop, message), request_to(nexthop, message, "c@example.test"))
        with start("--batch", batch) as process:
            assert process.stderr is not None
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                assert process.stderr.readline().startswith("warning: interrupted: ")
                process.send_signal(signal.SIGINT)
                out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    rows = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 75
    assert [(row["message"], row["dsn"], row["text"], row.get("in_doubt", False)) for row in rows] == [
        (1, "4.3.2", "delivery was broken off by a signal", True),
        (2, "4.3.2", "delivery was broken off by a signal", False),
    ]


def test_a_reader_that_goes_away_does_not_stop_the_mail(message: str, tmp_path: Path) -> None:
    with PeerThread(ScriptedServer()) as peer:
        batch = write_batch(tmp_path, *[request_to(peer.nexthop, message) for _ in range(3)])
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "mailrider", "deliver", "--batch", batch],
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
        os.close(writing)
        assert done.returncode == 0
        assert done.stderr.count("status=sent") == 3
        assert done.stderr.endswith("warning: 3 rows could not be written to standard output\n")
        assert len(peer.server.messages) == 3
