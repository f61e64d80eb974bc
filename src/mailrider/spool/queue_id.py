"""Queue ids that look like Postfix's long ones, and the 63-bit keys that storage knows them by.

A long queue id (`enable_long_queue_ids` of postconf(5)) is the time of arrival, in six digits or more to base 52 for the
seconds and four for the microseconds, then `z`, then a number to base 51: 15 characters in our time, letters and digits without
vowels.  With Postfix the last number is that of an inode; here it tells apart the processes that write to one spool.

An id and its key say the same: the key is the microseconds since `EPOCH_SECONDS`, and the slot of the process in the lowest
`SLOT_BITS` bits.  So keys go up with the time, and no index is needed to find a message by its id.

What can go wrong: two processes that share a slot (one pair in 4096) take the same microsecond.  The storage sees
that the key is there and refuses the message as `Unaccepted.FAILED`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

EPOCH_SECONDS = 1_577_836_800
"""2020-01-01: counted from here, 51 bits of microseconds last until 2091."""

SLOT_BITS = 12
SLOTS = 1 << SLOT_BITS

SLOT_OFFSET = 51**3
"""Added to the slot, so that its number always has four digits, as that of an inode mostly has."""

SEPARATOR = "z"
SECONDS_DIGITS = 6
MICROSECONDS_DIGITS = 4
MILLION = 1_000_000
MICROSECONDS_LIMIT = 1 << (63 - SLOT_BITS)

LONGEST_ID = 24
"""Characters; longer ones are not looked at."""

DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_PAIRS = [high + low for high in DIGITS for low in DIGITS]


def _number(text: str, base: int) -> int | None:
    """The value of the digits, or None."""
    value = 0
    for character in text:
        digit = _VALUES.get(character, base)
        if digit >= base:
            return None
        value = value * base + digit
    return value if text else None


@lru_cache(maxsize=1024)
def _digits(value: int, base: int, least: int) -> str:
    """The digits of a number; ids come in crowds that share their second and their slot."""
    text = ""
    while value:
        value, digit = divmod(value, base)
        text = DIGITS[digit] + text
    return text.rjust(least, DIGITS[0])


def queue_id_of(key: int) -> str:
    """The queue id of a key."""
    seconds, microseconds = divmod(key >> SLOT_BITS, MILLION)
    high, low = divmod(microseconds, len(_PAIRS))
    whole = _digits(seconds + EPOCH_SECONDS, len(DIGITS), SECONDS_DIGITS)
    return whole + _PAIRS[high] + _PAIRS[low] + SEPARATOR + _digits((key & (SLOTS - 1)) + SLOT_OFFSET, 51, 1)


def key_of(queue_id: str) -> int | None:
    """The key of a queue id, or None where it is no id that `queue_id_of` gives."""
    time, separator, slot_text = queue_id.rpartition(SEPARATOR)
    if not separator or len(queue_id) > LONGEST_ID or len(time) < SECONDS_DIGITS + MICROSECONDS_DIGITS:
        return None
    seconds = _number(time[:-MICROSECONDS_DIGITS], len(DIGITS))
    microseconds = _number(time[-MICROSECONDS_DIGITS:], len(DIGITS))
    slot = _number(slot_text, 51)
    if seconds is None or microseconds is None or slot is None or microseconds >= MILLION:
        return None
    passed, slot = (seconds - EPOCH_SECONDS) * MILLION + microseconds, slot - SLOT_OFFSET
    if not 0 <= passed < MICROSECONDS_LIMIT or not 0 <= slot < SLOTS:
        return None
    key = passed << SLOT_BITS | slot
    return key if queue_id_of(key) == queue_id else None  # leading zeros would make two names of one message


class QueueIds:
    """Gives keys that nobody else has.  `wall_seconds` is the clock; `slot` that of this process, by default drawn."""

    __slots__ = ("_latest", "_slot", "_wall_seconds")

    def __init__(self, wall_seconds: Callable[[], float], slot: int | None = None) -> None:
        self._wall_seconds = wall_seconds
        self._slot = random.SystemRandom().randrange(SLOTS) if slot is None else slot % SLOTS
        self._latest = 0

    def new_key(self) -> int:
        """A key of this microsecond, or of the next one that is free; a clock that goes back changes nothing."""
        passed = int((self._wall_seconds() - EPOCH_SECONDS) * MILLION)
        self._latest = passed = max(passed, self._latest + 1)
        return (passed << SLOT_BITS | self._slot) & ((1 << 63) - 1)

    def new_queue_id(self) -> str:
        """The same as a queue id."""
        return queue_id_of(self.new_key())
