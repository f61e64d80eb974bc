"""A program for `test_memory`: opens many connections, and says how much memory they hold.

The server is a process of its own, made before anything of Mailrider is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import sys

COUNT = 1000
DESCRIPTORS = COUNT + 200
HELLO = b"250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n"


def serve(listening: socket.socket) -> None:
    """Greet everybody, answer EHLO, and wait."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.test ESMTP\r\n")
        await reader.readline()
        writer.write(HELLO)
        await reader.read()
        writer.close()

    async def main() -> None:
        await asyncio.start_server(talk, sock=listening)
        await asyncio.Event().wait()

    asyncio.run(main())


def resident_octets() -> int:
    """What the process holds in memory (proc(5), VmRSS)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


async def connect(port: int) -> dict[str, int]:
    from mailrider.delivery.opening import open_session
    from mailrider.delivery.profile import make_profile
    from mailrider.delivery.session import Session
    from mailrider.model.request import DeliveryRequest, Envelope, Recipient
    from mailrider.model.server import Family, Server
    from mailrider.net.deadline import DeadlineWheel
    from mailrider.settings import HostFacts
    from mailrider.settings.loading import load_settings
    from mailrider.spool.message import MemoryMessage

    settings = load_settings(None, host=HostFacts("me.example.test"))
    profile = make_profile(settings, print)
    wheel = DeadlineWheel(asyncio.get_running_loop())
    envelope = Envelope("a@example.test", (Recipient("b@example.test"),))
    request = DeliveryRequest(envelope, MemoryMessage(b"x"), "example.test")

    async def open_one() -> Session:
        server = Server("mx.example.test", "127.0.0.1", port, Family.IPV4)
        opened = await open_session(
            server, profile, request, wheel, lambda event: None, age_seconds=0.0, is_best_exchanger=True, turn=None
        )
        assert isinstance(opened, Session), opened
        return opened

    first = await open_one()
    before = resident_octets()
    sessions = [first]
    while len(sessions) < COUNT:
        sessions += await asyncio.gather(*(open_one() for _ in range(50)))
    after = resident_octets()
    for session in sessions:
        session.connection.close()
    return {"connections": len(sessions), "octets": after - before, "all": after}


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    child = os.fork()
    if child == 0:
        serve(listening)
        os._exit(1)
    port = listening.getsockname()[1]
    listening.close()
    try:
        json.dump(asyncio.run(connect(port)), sys.stdout)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
