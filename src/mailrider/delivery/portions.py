"""Recipients in portions: by destination, and no more at once than a request may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailrider.model.address import domain_of
from mailrider.model.request import Recipient


def split_recipients(recipients: Sequence[Recipient], limit: int) -> Iterator[tuple[Recipient, ...]]:
    """Portions of at most `limit` recipients in the order given; 0 is no limit (`smtp_destination_recipient_limit`)."""
    step = limit or max(1, len(recipients))
    for start in range(0, len(recipients), step):
        yield tuple(recipients[start : start + step])


def name_destination(nexthop: str, recipients: Sequence[Recipient], limit: int) -> str:
    """What a portion for `nexthop` waits for: the next hop, or with one recipient per request the mailbox there.

    So a limit of one makes every mailbox a destination with a concurrency and failures of its own.  Known fault: an address
    extension counts as part of the mailbox.
    """
    if limit != 1:
        return nexthop
    return f"{recipients[0].address.rpartition('@')[0]}@{nexthop}"


def group_by_domain(recipients: Sequence[Recipient]) -> dict[str, list[Recipient]]:
    """Recipients by the domain that is their next hop, lower case, in order of first appearance."""
    groups: dict[str, list[Recipient]] = {}
    for recipient in recipients:
        groups.setdefault(domain_of(recipient.address).lower(), []).append(recipient)
    return groups
