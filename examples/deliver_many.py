"""Deliver many messages at once over one agent, which keeps connections between them.

    python examples/deliver_many.py NEXTHOP [COUNT]

The semaphore is the caller's: an agent takes on whatever it is given.
"""

import asyncio
import collections
import sys

import mailrider

AT_ONCE = 20


async def main() -> int:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    nexthop = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    turn = asyncio.Semaphore(AT_ONCE)
    tally: collections.Counter[str] = collections.Counter()

    async with mailrider.Agent() as agent:

        async def deliver(number: int) -> None:
            message = f"From: me@example.com\nSubject: message {number}\n\nNumber {number}.\n".encode()
            async with turn:
                results = await agent.deliver(
                    message, sender="me@example.com", recipients=[f"user{number}@example.org"], nexthop=nexthop
                )
            tally.update(result.status for result in results)

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(deliver(number))

    print(dict(tally))
    return 0 if tally["sent"] == count else 75


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
