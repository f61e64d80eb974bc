"""Who waits for a destination, and whose turn it is: senders take turns, and so do the messages of one sender.

So neither a sender with many messages nor a mailing to many recipients makes the others wait: each turn takes one delivery, of
`*_destination_recipient_limit` recipients at most.  This gives what the queue manager's preemption is meant to give
(qmgr(8), "SCHEDULER"): a small message gets through while a large one is worked off.

Every operation takes constant time, however many wait: with `OrderedDict`, since a plain dictionary looks through the places of
all that have left it to find its first entry.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Items that wait, by sender and message."""

    __slots__ = ("_senders", "_size")

    def __init__(self) -> None:
        self._senders: OrderedDict[str, OrderedDict[object, deque[T]]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, sender: str, message: object, item: T) -> None:
        """Put an item at the end of its message's."""
        messages = self._senders.get(sender)
        if messages is None:
            messages = self._senders[sender] = OrderedDict()
        items = messages.get(message)
        if items is None:
            messages[message] = deque((item,))
        else:
            items.append(item)
        self._size += 1

    def take(self) -> T:
        """The item whose turn it is.  Raises `IndexError` where none waits."""
        if not self._size:
            raise IndexError("nobody waits")
        self._size -= 1
        senders = self._senders
        sender = next(iter(senders))
        messages = senders[sender]
        message = next(iter(messages))
        items = messages[message]
        item = items.popleft()
        if items:
            messages.move_to_end(message)
        else:
            del messages[message]
        if messages:
            senders.move_to_end(sender)
        else:
            del senders[sender]
        return item

    def drain(self) -> Iterator[T]:
        """Everybody leaves."""
        while self._size:
            yield self.take()
