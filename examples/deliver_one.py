"""Deliver one message, and say what became of it.

python examples/deliver_one.py                                  to a server that this program brings along
python examples/deliver_one.py NEXTHOP SENDER RECIPIENT...      to a real one: example.org, [mx.example.org]:587, ...
"""

from __future__ import annotations

import asyncio
import sys
from email.message import EmailMessage

import mailrider
from mailrider.testkit.peers import ScriptedServer


def write_message(sender: str, recipients: list[str]) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = "One message"
    message.set_content("It was delivered by Mailrider.\n")
    return message


async def deliver(nexthop: str, sender: str, recipients: list[str]) -> bool:
    """Deliver, and print a line for every recipient; True if all were sent."""
    results = await mailrider.deliver(write_message(sender, recipients), sender=sender, recipients=recipients, nexthop=nexthop)
    for result in results:
        print(f"{result.recipient}: {result.status} ({result.text}), by {result.relay}")
    return all(result.status == "sent" for result in results)


async def main(arguments: list[str]) -> int:
    if len(arguments) >= 3:
        nexthop, sender, *recipients = arguments
        return 0 if await deliver(nexthop, sender, recipients) else 1
    async with ScriptedServer() as server:
        done = await deliver(f"[127.0.0.1]:{server.port}", "me@example.com", ["you@example.org"])
        print(f"the server has {len(server.messages)} message of {server.messages[0].size_octets} octets")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
