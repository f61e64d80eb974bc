"""Watch a delivery through an observer: a function that is called with every event.

    python examples/observe.py you@example.org [NEXTHOP]

Events are frozen values (`mailrider.events`); an observer must be quick and must not raise.
"""

import asyncio
import sys

import mailrider
from mailrider import events


def observe(event: events.Event) -> None:
    match event:
        case events.ConnectionOpened():
            print(f"connected to {event.server.relay}, which offers {', '.join(event.features) or 'nothing'}")
        case events.ConnectFailed() | events.ServerFailedSoftly():
            print(f"trying another server: {event.text}")
        case events.RecipientSettled():
            print(f"<{event.recipient.address}> is {event.outcome.status.value}: {event.outcome.text}")
        case events.Warned():
            print(f"warning: {event.text}")
        case _:
            pass


async def main() -> int:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    recipient = sys.argv[1]
    nexthop = sys.argv[2] if len(sys.argv) > 2 else None
    results = await mailrider.deliver(
        b"From: me@example.com\nSubject: watched\n\nHello.\n",
        sender="me@example.com",
        recipients=[recipient],
        nexthop=nexthop,
        observer=observe,
    )
    return 0 if results[0].status == "sent" else 75


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
