"""Who fills so much of the queue's memory that others must be let in before more of his mail is.

Whoever waits for a destination is taken in turns (`queue.line`), but only who is in memory can have a turn.  So nobody may
fill the memory: of what it holds at most (`qmgr_message_recipient_limit`)

* one message has a sixteenth, the rest of its recipients follow as they are worked off;
* one sender has half as much as is left for others, and an eighth in any case, before more of his mail is passed over: so
  one who is alone can fill the windows of many slow destinations, and whoever comes next still finds room;
* one domain has a quarter before senders are passed over who have some mail in memory already; at one half everybody is.

Who was passed over may come again when he has half of that.  A decision object: it is told who comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterable

MAILING_PART = 16
SENDER_PART = 8
FREE_PART = 2
DOMAIN_PART = 4
FULL_DOMAIN_PART = 2

SMALL_PART = 200
"""A sender who has less than this part of the memory (100 of 20,000) is not passed over for what others send."""


class Crowds:
    """Counts recipients in memory, at most `limit`."""

    __slots__ = ("_by_domain", "_by_sender", "_crowded_domains", "_crowded_senders", "_limit", "total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_domain: dict[str, int] = {}
        self._by_sender: dict[str, int] = {}
        self._crowded_domains: set[str] = set()
        self._crowded_senders: set[str] = set()
        self.total = 0

    def mailing_limit(self, least: int) -> int:
        """How many recipients of one message may be in memory; `least` is `qmgr_message_recipient_minimum`."""
        return max(least, self._limit // MAILING_PART, 1)

    @property
    def batch_limit(self) -> int:
        """How many recipients may come at a time: nobody is noticed to be a crowd before they have come."""
        return max(self._limit // SENDER_PART, 1)

    def enter(self, sender: str, domains: Iterable[str]) -> None:
        """Recipients of a message come into memory."""
        count = 0
        for domain in domains:
            count += 1
            here = self._by_domain[domain] = self._by_domain.get(domain, 0) + 1
            if here > self._limit // DOMAIN_PART:
                self._crowded_domains.add(domain)
        self.total += count
        his = self._by_sender[sender] = self._by_sender.get(sender, 0) + count
        if his > self._sender_limit:
            self._crowded_senders.add(sender)

    def leave(self, sender: str, domains: Iterable[str]) -> bool:
        """They are gone; whether somebody is no crowd any more."""
        count, eased = 0, False
        for domain in domains:
            count += 1
            eased |= _lessen(self._by_domain, domain, 1, self._crowded_domains, self._limit // DOMAIN_PART // 2)
        self.total -= count
        return _lessen(self._by_sender, sender, count, self._crowded_senders, self._sender_limit // 2) or eased

    @property
    def _sender_limit(self) -> int:
        return max(self._limit // SENDER_PART, (self._limit - self.total) // FREE_PART)

    def __bool__(self) -> bool:
        """Whether anybody is a crowd."""
        return bool(self._crowded_domains or self._crowded_senders)

    def passes_over(self, domain: str) -> bool | None:
        """Whether mail for a domain is passed over; None where that depends on the sender."""
        if self._by_domain.get(domain, 0) > self._limit // FULL_DOMAIN_PART:
            return True
        return None if self._crowded_senders or domain in self._crowded_domains else False

    def passes_over_sender(self, domain: str, sender: str) -> bool:
        """Whether mail of a sender for a domain is passed over."""
        if sender in self._crowded_senders:
            return True
        return domain in self._crowded_domains and self._by_sender.get(sender, 0) > self._limit // SMALL_PART


def _lessen(counts: dict[str, int], name: str, by: int, crowded: set[str], enough: int) -> bool:
    """Count down; whether `name` was crowded and is no more."""
    left = counts[name] - by
    if left > 0:
        counts[name] = left
    else:
        del counts[name]
    if name in crowded and left <= enough:
        crowded.discard(name)
        return True
    return False
