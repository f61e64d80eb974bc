"""Record what a real qmgr(8) does with its concurrency windows: `python -m tests.queue.record_windows FILE`.

A private Postfix has a full queue for one destination; the server behind it takes messages or hangs up, by lot.  With
`destination_concurrency_feedback_debug` qmgr(8) logs the window after every feedback; `test_recorded_windows` plays the same
successes and failures.  `sqrt_concurrency`, which postconf(5) describes, is not compiled into qmgr(8) 3.7.

Needs root and Debian's postfix.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.postfix.instance import Postfix, why_not

MESSAGES = 90
ANSWER_SECONDS = 0.1
"""Long enough for all places to be taken between two answers."""

WINDOW = re.compile(
    r"qmgr_queue_(throttle|unthrottle): (?:(feedback) \S+|queue \S+: limit \d+ window (-?\d+) success)"
)
CASES: list[tuple[int, int, str, str, str, float]] = [
    # initial, limit, positive, negative, failed cohorts, share of failures
    (5, 20, "1", "1", "1", 0.1),
    (5, 20, "1", "1", "3", 0.3),
    (5, 20, "1/concurrency", "1/concurrency", "10", 0.3),
    (5, 20, "0.7/concurrency", "0.3", "0", 0.4),
    (10, 0, "0.4", "0.5", "5", 0.3),
    (20, 20, "1", "1/3", "1", 0.6),
    (2, 7, "0.5", "1", "2", 0.25),
    (1, 1, "1", "1", "3", 0.4),
    (8, 5, "1", "0.2/concurrency", "4", 0.3),
]


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """Nothing at the end of the connection, however it comes."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


class Server(threading.Thread):
    """Takes a message per connection, or hangs up at once."""

    def __init__(self, seed: int, share: float) -> None:
        super().__init__(daemon=True)
        self._chance = random.Random(seed)
        self._share = share
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self.port = 0
        self.start()
        self._ready.wait()

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=100))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_bad = self._chance.random() < self._share
        await asyncio.sleep(ANSWER_SECONDS * self._chance.uniform(0.7, 1.3))
        if not is_bad:
            writer.write(b"220 far.test\r\n")
            while line := await read_line(reader):
                word = line[:4].upper()
                if word == b"DATA":
                    writer.write(b"354 go\r\n")
                    while await reader.readline() != b".\r\n":
                        pass
                writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
        writer.close()


def record(number: int) -> dict[str, Any]:
    """One case."""
    initial, limit, positive, negative, cohorts, share = CASES[number]
    server = Server(number, share)
    settings = {
        "destination_concurrency_feedback_debug": "yes",
        "initial_destination_concurrency": str(initial),
        "default_destination_concurrency_limit": str(limit),
        "default_destination_concurrency_positive_feedback": positive,
        "default_destination_concurrency_negative_feedback": negative,
        "default_destination_concurrency_failed_cohort_limit": cohorts,
        "smtp_connection_cache_on_demand": "no",
        "smtp_tls_security_level": "none",
    }
    postfix = Postfix({"d.test": f"rec:[127.0.0.1]:{server.port}"}, ["rec unix - - n - - smtp\n"], settings)
    master = postfix.etc / "master.cf"
    complete = master.read_text()
    master.write_text(complete.replace("\nqmgr ", "\n#qmgr "))
    with postfix:
        source = ["smtp-source", "-m", str(MESSAGES), "-l", "200", "-f", "a@origin.test", "-t", "b@d.test"]
        subprocess.run([*source, f"127.0.0.1:{postfix.port}"], check=True, capture_output=True, timeout=60)
        postfix.run("postfix", "stop")
        master.write_text(complete)
        postfix.run("postfix", "start")
        postfix.wait_for(lambda: postfix.log_text().count("status=") >= MESSAGES, "all messages to be tried")
        found = [match.groups() for match in map(WINDOW.search, postfix.log_text().splitlines()) if match is not None]
    steps, windows = read_log(found)
    return {
        "initial": initial, "limit": limit, "positive": positive, "negative": negative, "failed_cohort_limit": cohorts,
        "steps": steps, "windows": windows,
    }  # fmt: skip


def read_log(found: list[tuple[str, str | None, str | None]]) -> tuple[str, list[int]]:
    """`-` a failure, `+` a success, `.` a success that did not count, since few deliveries were under way.

    What comes after a death depends on how many were under way, too, and is left out.
    """
    steps, windows, counts = "", [], False
    for kind, feedback, window in found:
        if feedback is not None or window is None:
            counts = True
            continue
        steps += "-" if kind == "throttle" else "+" if counts else "."
        windows.append(max(0, int(window)))
        counts = False
        if windows[-1] == 0:
            break
    return steps, windows


def main() -> int:
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 69
    cases = [record(number) for number in range(len(CASES))]
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(sys.argv[1]).write_text(f"[\n{lines}\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
