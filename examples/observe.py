"""Watch a delivery: an observer is a function that is called with every event.

    python examples/observe.py

Two servers are brought along.  The first one takes no mail today, so the message goes to the second.
"""

from __future__ import annotations

import asyncio
import sys

import mailrider
from mailrider.events import ConnectionOpened, Event, RecipientSettled, ServerFailedSoftly
from mailrider.observe.text import TextLog
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule


class Watcher:
    """Counts what happens, and passes it on to a log in the words of Postfix."""

    def __init__(self) -> None:
        self.log = TextLog(print)
        self.connections = self.failures = 0
        self.slowest_seconds = 0.0

    def __call__(self, event: Event) -> None:
        """Be quick: deliveries wait while this runs."""
        self.log(event)
        match event:
            case ConnectionOpened():
                self.connections += 1
            case ServerFailedSoftly():
                self.failures += 1
            case RecipientSettled():
                self.slowest_seconds = max(self.slowest_seconds, event.outcome.delays.total_seconds)


async def main() -> int:
    watcher = Watcher()
    closed = ScriptedServer(Rule(on="greeting", reply="421 4.3.2 closed for today"))
    async with closed, ScriptedServer() as open_all_day:
        nexthop = f"[127.0.0.1]:{closed.port}, [127.0.0.1]:{open_all_day.port}"
        (result,) = await mailrider.deliver(
            b"Subject: look\r\n\r\nSomebody is watching.\r\n",
            sender="me@example.com",
            recipients=["you@example.org"],
            nexthop=nexthop,
            queue_id="EXAMPLE1",
            observer=watcher,
        )
    print(f"{watcher.connections} connection, {watcher.failures} failure on the way")
    return 0 if result.status == "sent" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
