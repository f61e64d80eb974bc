"""The process that starts the workers of a node.

A process with threads and an open database must not fork.  So this one is forked before there are any; it has loaded
everything, has given up its rights, and does nothing but wait for orders and for the deaths of its children.  Workers share
with it what was loaded, and need neither rights nor files to begin.

The one who has made it orders a worker by sending its number and one end of a stream socket, and hears of births and deaths.
When that one is gone, so is the nursery; the workers hear of it by their sockets.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from mailrider.children import Alarm, bear, bury

ORDER_LIMIT_OCTETS = 1024
"""Of one order, or of one report."""

Live = Callable[[int, bool, socket.socket], int]
"""The life of a worker: its number, whether it is one of the first, its end of the socket; gives the exit code."""


class Event(NamedTuple):
    """A worker was born, or is dead.  `status`: its exit code, or the number of the signal that has killed it, negative."""

    what: Literal["born", "dead"]
    number: int
    process_id: int
    status: int = 0


class Nursery:
    """The side of the one who gives orders.  `end` becomes readable when there is something to `hear`."""

    def __init__(self, live: Live, prepare: Callable[[], None]) -> None:
        """Fork.  `prepare` is called in the nursery, and `live` in each worker."""
        self.end, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def keep() -> int:
            self.end.close()
            prepare()
            return _Keeper(far, live).run()

        self.process_id = bear(keep)
        far.close()
        self.end.setblocking(False)

    def order(self, number: int, *, is_first: bool) -> socket.socket:
        """Let a worker begin; our end of its socket.  Raises `OSError` where the nursery is gone."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            socket.send_fds(self.end, [json.dumps([number, is_first]).encode()], [far.fileno()])
        except OSError:
            near.close()
            raise
        finally:
            far.close()
        return near

    def hear(self) -> Event | None:
        """What has happened; None when the nursery is gone.  Raises `BlockingIOError` where there is nothing."""
        try:
            report = self.end.recv(ORDER_LIMIT_OCTETS)
        except BlockingIOError:
            raise
        except OSError:
            return None
        return Event(*json.loads(report)) if report else None

    def close(self) -> None:
        """The nursery ends; the workers, too, as soon as they hear it."""
        self.end.close()
        with suppress(ChildProcessError):
            os.waitpid(self.process_id, 0)


class _Keeper:
    """The nursery itself."""

    def __init__(self, orders: socket.socket, live: Live) -> None:
        self._orders = orders
        self._live = live
        self._numbers: dict[int, int] = {}

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # who has made us says when it is time
        alarm = Alarm()
        poll = select.poll()
        poll.register(alarm.descriptor, select.POLLIN)
        poll.register(self._orders, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == alarm.descriptor:
                    alarm.silence()
                elif not self._obey():
                    return 0
            for death in bury():
                self._report("dead", self._numbers.pop(death.process_id), *death)

    def _obey(self) -> bool:
        """Take one order; False when there will be no more."""
        order, descriptors, _, _ = socket.recv_fds(self._orders, ORDER_LIMIT_OCTETS, 1)
        if not order:
            return False
        number, is_first = json.loads(order)
        end = socket.socket(fileno=descriptors[0])

        def work() -> int:
            self._orders.close()
            return self._live(number, is_first, end)

        child = bear(work)
        end.close()
        self._numbers[child] = number
        self._report("born", number, child)
        return True

    def _report(self, *event: object) -> None:
        with suppress(OSError):  # nobody wants to know any more
            self._orders.send(json.dumps(event).encode())
