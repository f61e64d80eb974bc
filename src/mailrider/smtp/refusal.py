"""A server's no, as a value: what it concerns, what status it has, how it reads."""

from __future__ import annotations

import enum
from typing import NamedTuple

from mailrider.model import status as status_code
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import Stage


class Scope(enum.Enum):
    """What a refusal is about.

    A refusal of the SITE makes a queue manager back off from the destination; one of the MESSAGE or of a RECIPIENT
    does not.
    """

    SITE = "site"
    MESSAGE = "message"
    RECIPIENT = "recipient"


class Refusal(NamedTuple):
    """Why something was not accepted.

    `text` is the reason as smtp(8) logs it.  `reply` is the server's, None where we refused by ourselves.
    `soft_before_last` marks a permanent failure that another server may cure: it counts as temporary as
    long as there is one.
    """

    scope: Scope
    status: str
    text: str
    reply: Reply | None = None
    soft_before_last: bool = False


def refuse(scope: Scope, reply: Reply, text: str, *, status: str | None = None) -> Refusal:
    """A refusal by `reply`.  A reply of class 2 where another was due is a protocol error, and is called so."""
    status = reply.status if status is None else status
    if not (status_code.is_soft(status) or status_code.is_hard(status)):
        return Refusal(scope, status_code.PROTOCOL_ERROR, "Protocol error: " + text, reply)
    return Refusal(scope, status, text, reply)


def refuse_command(scope: Scope, reply: Reply, stage: Stage, peer: str) -> Refusal:
    """`host H[A] said: R (in reply to X command)`; `peer` is `H[A]`."""
    return refuse(scope, reply, f"host {peer} said: {reply.text} (in reply to {stage.reply_to})")


def refuse_to_talk(reply: Reply, peer: str, *, status: str | None = None) -> Refusal:
    """`host H[A] refused to talk to me: R`."""
    return refuse(Scope.SITE, reply, f"host {peer} refused to talk to me: {reply.text}", status=status)
