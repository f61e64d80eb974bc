"""Durations as the log shows them: two significant digits, and no more decimals than wanted.

The number is rounded half up to the coarser of two steps: the smallest decimal wanted
(`delay_logging_resolution_limit`, postconf(5)) and two significant digits.  From ten seconds on only whole seconds are
shown.  Trailing zeros are left out, so that nothing at all is `0`.
"""

from __future__ import annotations

from collections.abc import Callable

SIGNIFICANT_DIGITS = 2
"""Digits that count in a delay; what Postfix logs."""

DECIMALS_LIMIT = 6
"""The most decimals that can be asked for: the clock counts microseconds."""

EXACT_SECONDS = 1e9
"""Up to here, three decades, a float still tells microseconds apart."""

_SECOND = 1_000_000  # in microseconds

_LONGEST_SECONDS = 1e12  # no delay is longer, and infinity is not a number of microseconds

# Round hundredths, tenths and seconds half up, as microseconds would be: 0.285 s is 28.499999999999996 hundredths to the
# machine, and half a microsecond more puts every such number on its right side.
_HALF_HUNDREDTH_UP = 0.50005
_HALF_TENTH_UP = 0.500005
_HALF_SECOND_UP = 0.5000005


def format_microseconds(duration_microseconds: int, decimals: int, significant_digits: int = SIGNIFICANT_DIGITS) -> str:
    """Write a duration in seconds with at most `decimals` (0..6) digits after the point.

    >>> format_microseconds(1_110_000, 6)
    '1.1'

    A negative duration, which a clock that was set back can bring, is shown as `0`.
    """
    seconds, rest = divmod(max(duration_microseconds, 0), _SECOND)
    step = _rounding_step(seconds, rest, decimals, significant_digits)
    if step > 1:
        rest += step // 2
        if rest >= _SECOND:
            seconds, rest = seconds + 1, rest - _SECOND
    if rest < step:
        return str(seconds)
    rest -= rest % step
    return f"{seconds}.{rest:06d}".rstrip("0")


def _rounding_step(seconds: int, rest: int, decimals: int, significant_digits: int) -> int:
    """The step, in microseconds, to which a duration is rounded."""
    step = int(_SECOND // 10**decimals)
    if step == _SECOND:
        return step
    width = int(10**significant_digits)
    if seconds == 0:
        while rest >= width * step:
            step *= 10
        return step
    digit = 1
    while seconds >= digit and digit <= width // 10:
        digit *= 10
    return _SECOND // width * digit


def duration_format(decimals: int) -> Callable[[float], str]:
    """A quick `format_microseconds` for durations in seconds: the log needs five for each recipient.

    >>> duration_format(2)(0.0049)
    '0'

    Raises `ValueError` unless `decimals` is 0..6.
    """
    if not 0 <= decimals <= DECIMALS_LIMIT:
        raise ValueError(f"a duration has 0 to {DECIMALS_LIMIT} decimals, not {decimals}")
    if decimals != 2:
        return lambda duration_seconds: format_microseconds(_microseconds(duration_seconds), decimals)

    # With the usual two decimals every duration below ten seconds is one of these texts.
    hundredths = tuple([format_microseconds(count * 10_000, 2) for count in range(101)])
    tenths = tuple([format_microseconds(count * 100_000, 2) for count in range(101)])

    def write(duration_seconds: float) -> str:
        if 0.0 <= duration_seconds < 1.0:
            return hundredths[int(duration_seconds * 100.0 + _HALF_HUNDREDTH_UP)]
        if 1.0 <= duration_seconds < 10.0:
            return tenths[int(duration_seconds * 10.0 + _HALF_TENTH_UP)]
        if 10.0 <= duration_seconds < EXACT_SECONDS:
            return str(int(duration_seconds + _HALF_SECOND_UP))
        return format_microseconds(_microseconds(duration_seconds), 2)

    return write


def _microseconds(duration_seconds: float) -> int:
    # In this order max() turns NaN into zero.
    return round(min(max(0.0, duration_seconds), _LONGEST_SECONDS) * 1e6)
