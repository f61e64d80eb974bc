"""The mail that is sent: message files, and batch files for `mailrider deliver --batch`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MESSAGE_OCTETS = 4096
"""The size of a message with CRLF line ends: that of a short letter."""

TEXTS = 100
"""Different messages; they are sent in turn."""

SMALLEST_OCTETS, LARGEST_OCTETS = 1024, 1024 * 1024
"""The sizes of mixed messages."""

_STRIDE = 37
"""Has no divisor in common with `TEXTS`: each size comes once."""

_LINE = "The quick brown fox jumps over the lazy dog, and nobody in the whole wide office minds it.\n"


def sender_address(number: int) -> str:
    """Who sends message `number`."""
    return f"sender{number % 7}@client.example.test"


def recipient_address(number: int) -> str:
    """Who gets message `number`."""
    return f"recipient{number}@example.test"


def make_text(number: int, size_octets: int = MESSAGE_OCTETS) -> str:
    """A message of so many octets once its lines end with CRLF."""
    header = (
        f"Received: from localhost (localhost [127.0.0.1]) by client.example.test with ESMTP id {number:08x}\n"
        f"From: Sender <{sender_address(number)}>\nTo: Recipient <recipient@example.test>\n"
        f"Subject: message {number} of the benchmark\nMessage-ID: <{number:08x}.benchmark@client.example.test>\n"
        "Date: Mon, 01 Jan 2024 12:00:00 +0000\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n"
    )
    missing = size_octets - len(header) - header.count("\n")
    lines, rest = divmod(missing, len(_LINE) + 1)
    last = "x" * (rest - 2) + "\n" if rest > 2 else ""
    return header + _LINE * lines + last


def write_messages(folder: Path) -> None:
    """The message files, as an application writes them: with LF line ends."""
    for number in range(TEXTS):
        (folder / f"{number:04}.eml").write_text(make_text(number))


def write_mixed_messages(folder: Path) -> int:
    """Message files of 1 kB to 1 MB, as many of 1 to 2 kB as of 512 kB to 1 MB, in an order that mixes them; the mean size."""
    sizes: list[int] = [
        round(SMALLEST_OCTETS * (LARGEST_OCTETS / SMALLEST_OCTETS) ** (step / (TEXTS - 1))) for step in range(TEXTS)
    ]
    for number in range(TEXTS):
        (folder / f"{number:04}.eml").write_text(make_text(number, sizes[number * _STRIDE % TEXTS]))
    return sum(sizes) // TEXTS


def write_batch(path: Path, folder: Path, count: int, nexthop: str | Sequence[str]) -> None:
    """A batch of `count` requests in burst mode, one recipient each, to one destination, or to several in turn."""
    nexthops = [nexthop] if isinstance(nexthop, str) else nexthop
    requests = [
        {
            "transport": "smtp",
            "nexthop": nexthops[number % len(nexthops)],
            "sender": sender_address(number),
            "message_file": str(folder / f"{number % TEXTS:04}.eml"),
            "queue_id": f"4BENCH{number:07}",
            "recipients": [{"address": recipient_address(number)}],
        }
        for number in range(count)
    ]
    path.write_text(json.dumps({"mode": "burst", "requests": requests}))
