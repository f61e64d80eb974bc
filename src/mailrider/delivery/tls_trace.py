"""The files that traces of TLS go into (`smtp_tls_loglevel` with `trace`, as in Postfix 3.12).

One for each traced connection, in `$queue_directory/tlstrace`, named `smtp-DATE.MICROSECONDS-ADDRESS-XXXXXX`.  The folder is
made where there is none.  No more than `tls_trace_rate_limit` are begun in a minute by all processes that write there, which
the names of the files tell.  Nothing here ever disturbs the mail.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mailrider.events import Noted, Observer, Warned
from mailrider.settings import Settings
from mailrider.tls.trace import Trace

FOLDER = "tlstrace"

RATE_SECONDS = 60.0
"""The default of `anvil_rate_time_unit`."""

_DATE = "%Y%m%d%H%M%S"
_UNSAFE = re.compile(r"[^A-Za-z0-9.:_-]")


class Traces:
    """Begins traces.  `limit_octets` is the size of one, `rate_limit` how many are begun in a minute (0: any number)."""

    __slots__ = ("_folder", "_limit_octets", "_now_seconds", "_prefix", "_rate_limit")

    def __init__(
        self, folder: Path, prefix: str, limit_octets: int, rate_limit: int, now_seconds: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self._limit_octets = limit_octets
        self._rate_limit = rate_limit
        self._now_seconds = now_seconds

    def begin(self, address: str, observer: Observer) -> Trace | None:
        """A trace of the next connection to this address; None where there is to be none."""
        if not self._limit_octets:
            return None
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._rate_limit and self._count_recent() >= self._rate_limit:
                observer(Noted(f"skipping TLS trace output - rate limit ({self._rate_limit}) exceeded"))
                return None
            now = self._now_seconds()
            date = time.strftime(_DATE, time.gmtime(now))
            prefix = f"{self._prefix}-{date}.{int(now % 1 * 1_000_000):06d}-{_UNSAFE.sub('_', address)[:64]}-"
            descriptor, path = tempfile.mkstemp(prefix=prefix, dir=self._folder)
        except OSError as trouble:
            observer(Warned(f"TLS trace: cannot open a file in {self._folder}: {trouble.strerror or trouble}"))
            return None
        observer(Noted(f"TLS protocol trace for {address} saved to {path}"))
        return Trace(partial(os.write, descriptor), partial(os.close, descriptor), self._limit_octets)

    def _count_recent(self) -> int:
        """Files that were begun within the last minute."""
        limit = time.strftime(_DATE, time.gmtime(self._now_seconds() - RATE_SECONDS))
        dates = (name.partition("-")[2][: len(limit)] for name in os.listdir(self._folder))
        return sum(date.isdigit() and date > limit for date in dates)


def open_traces(settings: Settings, now_seconds: Callable[[], float]) -> Traces:
    """What the settings say about traces."""
    folder = Path(settings.queue_directory) / FOLDER
    limit, rate = settings.smtp_tls_trace_size_limit, settings.tls_trace_rate_limit
    return Traces(folder, settings.transport.value, limit, rate, now_seconds)
