"""A script under way: the generator, and the future of whoever waits for its end.

The steps never raise.  They return what the script wants next, or None when it has ended: then its future has the result, or
the exception that the script let through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from mailrider.errors import MailriderError
from mailrider.smtp.reply import Reply
from mailrider.smtp.wire import Want


class Run:
    """One script.  `failed`: it let trouble through, or there is a fault of ours in it."""

    __slots__ = ("_script", "begun", "ended", "failed", "future")

    def __init__(self, script: Generator[Want, Reply | None, Any], future: asyncio.Future[Any]) -> None:
        self._script = script
        self.future = future
        self.begun = False
        self.ended = False
        self.failed = False

    def resume(self, reply: Reply | None) -> Want | None:
        """Let it go on until it wants something."""
        self.begun = True
        try:
            return self._script.send(reply)
        except StopIteration as stop:
            self.ended = True
            if not self.future.done():
                self.future.set_result(stop.value)
        except Exception as fault:
            self.fail(fault)
        return None

    def throw(self, trouble: MailriderError) -> Want | None:
        """Tell it of trouble, at the place where it waits."""
        try:
            return self._script.throw(trouble)
        except StopIteration as stop:
            self.ended = True
            if not self.future.done():
                self.future.set_result(stop.value)
        except Exception as fault:
            self.fail(fault)
        return None

    def fail(self, fault: Exception) -> None:
        """End it with an exception."""
        self.ended = self.failed = True
        if not self.future.done():
            self.future.set_exception(fault)
