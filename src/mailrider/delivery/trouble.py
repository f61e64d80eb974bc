"""Which failure is the site's, the message's or the recipient's, and what follows from it.

A decision without I/O: a failure, whether another server may be tried, and `soft_bounce` go in; what to do
with the recipients comes out.  The table (semantics of smtp(8)):

===================  ====================  ==========================
failure              another server left   this was the last server
===================  ====================  ==========================
soft                 keep                  defer
hard                 bounce                bounce
hard, soft_bounce    keep                  defer, told as SOFTBOUNCE
===================  ====================  ==========================
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from mailrider.errors import ConnectionLost, ContentDamaged, ContentUnreadable, LocalDataError, TimedOut, UnsuitableContent
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, Status
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.trouble import Trouble

PROTOCOL = "protocol"
DATA = "data"
"""Classes of trouble that the postmaster may want to hear of (`notify_classes`)."""


class Failure(NamedTuple):
    """Why recipients were not served: the latest of these is what a left-over recipient is told.

    `remote_mta` and `reply` are set where a server said it; `notify_class` where the postmaster may want to hear of it.
    """

    scope: Scope
    status: str
    text: str
    remote_mta: str | None = None
    reply: str | None = None
    soft_before_last: bool = False
    notify_class: str = ""


class Disposition(enum.Enum):
    """What happens to a recipient that failed."""

    KEEP = "keep"
    DEFER = "defer"
    BOUNCE = "bounce"
    SOFT_BOUNCE = "soft bounce"


STATUS = {
    Disposition.DEFER: (Status.DEFERRED, Action.DELAYED),
    Disposition.BOUNCE: (Status.BOUNCED, Action.FAILED),
    Disposition.SOFT_BOUNCE: (Status.DEFERRED, Action.DELAYED),
}


def judge(failure: Failure, *, last_server: bool, soft_bounce: bool) -> Disposition:
    """Decide by the table above."""
    soft = status_code.is_soft(failure.status)
    if not last_server and (soft or soft_bounce or failure.soft_before_last):
        return Disposition.KEEP
    if soft:
        return Disposition.DEFER
    return Disposition.SOFT_BOUNCE if soft_bounce else Disposition.BOUNCE


def fail_without_data(peer: str) -> Failure:
    """A table could not answer; `peer` is `H[A]`."""
    text = f"local data error while talking to {peer}"
    return Failure(Scope.SITE, status_code.LOCAL_DATA_ERROR, text, notify_class=DATA)


def failure_of_refusal(refusal: Refusal, remote_mta: str) -> Failure:
    """A server's no, or ours on its behalf."""
    reply = refusal.reply
    return Failure(
        refusal.scope,
        refusal.status,
        refusal.text,
        remote_mta if reply is not None else None,
        reply.text if reply is not None else None,
        refusal.soft_before_last,
        PROTOCOL if reply is not None and reply.is_syntax_complaint else "",
    )


def failure_of_trouble(trouble: Trouble, peer: str) -> Failure:
    """A conversation that broke; `peer` is `H[A]`."""
    cause, doing = trouble.cause, trouble.stage.doing
    if isinstance(cause, ContentDamaged):
        return Failure(Scope.MESSAGE, status_code.CONTENT_DAMAGED, "unreadable mail queue entry")
    if isinstance(cause, ContentUnreadable):
        text = f"message content could not be read: {cause}"
        return Failure(Scope.MESSAGE, status_code.CONTENT_UNREADABLE, text)
    if isinstance(cause, UnsuitableContent):
        return Failure(Scope.MESSAGE, status_code.CONTENT_UNSUITABLE, str(cause))
    if isinstance(cause, LocalDataError):
        return fail_without_data(peer)
    if isinstance(cause, TimedOut):
        text = f"conversation with {peer} timed out while {doing}"
    elif isinstance(cause, ConnectionLost):
        text = f"lost connection with {peer} while {doing}"
    else:
        text = f"conversation with {peer} broken off while {doing}: {cause}"
    return Failure(Scope.SITE, status_code.CONNECTION_LOST, text)
