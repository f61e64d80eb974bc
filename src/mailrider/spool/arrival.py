"""What a submission leaves open: the key of the message, when it came, and when its turn comes."""

from __future__ import annotations

from mailrider.errors import WrongUsage
from mailrider.spool.queue_id import QueueIds, key_of
from mailrider.spool.spool import HELD_SECONDS, Submission


def key_for(submission: Submission, ids: QueueIds) -> int:
    """The key of a new message.  Raises `WrongUsage` where nobody is to get it, or its id is none of this queue."""
    if not submission.envelope.recipients:
        raise WrongUsage("a message must have a recipient")
    key = key_of(submission.queue_id) if submission.queue_id else ids.new_key()
    if key is None:
        raise WrongUsage(f"{submission.queue_id} is no queue id of this queue")
    return key


def times_of(submission: Submission, now_seconds: float) -> tuple[float, float]:
    """When the message came in, and when the turn of its recipients comes."""
    arrival = submission.arrival_seconds or now_seconds
    if submission.on_hold:
        return arrival, HELD_SECONDS
    return arrival, submission.not_before_seconds or min(arrival, now_seconds)
