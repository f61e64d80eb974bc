"""Deliver many messages at once over one agent: connections are kept and used again.

python examples/deliver_many.py            100 messages, 10 at a time, to a server that this program brings along
python examples/deliver_many.py 5000 50    5,000 messages, 50 at a time
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

import mailrider
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

MESSAGE = b"Subject: news\r\n\r\nThe same for everybody.\r\n"


async def send_all(agent: mailrider.Agent, nexthop: str, recipients: list[str], at_once: int) -> Counter[str]:
    """A message to each recipient, so many at once; how many had which status."""
    places = asyncio.Semaphore(at_once)
    statuses: Counter[str] = Counter()

    async def send(recipient: str) -> None:
        async with places:
            (result,) = await agent.deliver(MESSAGE, sender="news@example.com", recipients=[recipient], nexthop=nexthop)
        statuses[result.status] += 1
        if result.status == "bounced":
            print(f"{recipient}: {result.text}")

    async with asyncio.TaskGroup() as group:
        for recipient in recipients:
            group.create_task(send(recipient))
    return statuses


async def main(arguments: list[str]) -> int:
    count, at_once = (int(word) for word in (arguments + ["100", "10"][len(arguments) :])[:2])
    recipients = [f"reader{number}@example.org" for number in range(count)]
    moved_away = Rule(match="<reader7@", reply="550 5.1.6 reader7 has moved away")
    async with ScriptedServer(moved_away, keep_content=False) as server:
        async with mailrider.Agent({"smtp_helo_name": "news.example.com"}) as agent:
            statuses = await send_all(agent, f"[127.0.0.1]:{server.port}", recipients, at_once)
        print(f"{statuses['sent']} sent, {statuses['deferred']} deferred, {statuses['bounced']} bounced")
        print(f"{len(server.messages)} messages came over {len(server.sessions)} connections")
    return 0 if not statuses["deferred"] else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
