"""What the queue itself has to tell, beside the events of deliveries; how it reads is decided in `observe`."""

from __future__ import annotations

from typing import Protocol

from mailrider.model.request import Recipient


class Journal(Protocol):
    """Hears of a message's way through the queue.  Must be quick and must not raise."""

    def activated(self, queue_id: str, sender: str, size_octets: int, recipients: int) -> None:
        """Its turn has come."""

    def removed(self, queue_id: str) -> None:
        """Nobody is left of it."""

    def expired(self, queue_id: str, sender: str) -> None:
        """It is too old, and goes back."""

    def noticed(self, queue_id: str, text: str, notice_id: str) -> None:
        """Somebody is told of it: `sender non-delivery notification`, and the queue id of that."""

    def doubted(self, queue_id: str, recipient: Recipient, server: str) -> None:
        """A recipient has possibly been served by a server that never said so."""

    def warn(self, text: str, queue_id: str = "") -> None:
        """Something a postmaster should look at."""
