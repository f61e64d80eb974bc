"""What every process of an agent has to know: it is made up before there are workers, and they share it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from mailrider.model.request import Transport
from mailrider.postfix.installation import Installation
from mailrider.postfix.mail_log import MailLog
from mailrider.postfix.privileges import drop_privileges
from mailrider.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker has to know."""

    settings: Settings
    installation: Installation
    transport: Transport
    service: str
    listeners: Sequence[socket.socket]
    log: MailLog
    most_at_once: int
    verbose: int
    unprivileged: bool
    chroot: str

    def give_up_privileges(self) -> None:
        """Become the owner of the mail.  Raises `WrongConfiguration`."""
        if self.unprivileged:
            drop_privileges(self.installation.mail_owner, chroot=self.chroot)
