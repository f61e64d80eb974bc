"""What was said with a client, kept for the postmaster, and when he wants to hear of it (`notify_classes`, smtpd(8)).

========  ==========================================================================================================
protocol  the client does not speak the protocol: commands that do not exist, or out of order, or malformed
policy    it was refused something by our rules: relaying, TLS, logins, too large a message announced
bounce    a message was refused for what it is: too large, too many hops
resource  there is no room for a message
software  a message could not be kept for another reason, or a table could not answer
========  ==========================================================================================================

It is kept only where one of these classes is set.  The notice is sent when the client has gone, or between two messages when
a hundred lines have come together.  What a client says to log in is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from mailrider.dsn.minutes import IN, OUT, Minutes

FLUSH_LINES: Final = 100
"""After how many lines nothing is carried on to the next message (`smtpd_history_flush_threshold`)."""

SECRET: Final = "***"

TIMEOUT: Final = "timeout"
LOST: Final = "lost connection"
ERROR_LIMIT: Final = "too many errors"
"""Why a session ends before its time, as smtpd(8) says it."""

BOUNCE: Final = "bounce"
CLASSES: Final = frozenset({BOUNCE, "policy", "protocol", "resource", "software"})


class Incident(NamedTuple):
    """What the postmaster is to hear.  `bounced`: it is about a message, and for `bounce_notice_recipient`."""

    client: str
    reason: str
    lines: tuple[str, ...]
    bounced: bool


class History:
    """One connection.  `tell` gets what the postmaster wants to hear (`wanted`); `client` is its name and address.

    `reason` is why the session ends before its time.
    """

    __slots__ = ("_classes", "_client", "_minutes", "_tell", "_wanted", "reason")

    def __init__(self, client: str, wanted: frozenset[str], tell: Callable[[Incident], None]) -> None:
        self._client = client
        self._wanted = wanted
        self._tell = tell
        self._minutes = Minutes()
        self._classes: set[str] = set()
        self.reason = ""

    def heard(self, line: bytes, *, secret: bool) -> None:
        """The client has said something; `secret`: in answer to a challenge."""
        text = SECRET if secret else line.decode("utf-8", "replace")
        if text[:5].upper() == "AUTH ":
            words = text.split(maxsplit=2)
            text = " ".join([*words[:2], SECRET] if len(words) > 2 else words)
        self._minutes.add(IN + text)

    def said(self, reply: str) -> None:
        """We have replied."""
        for line in reply.split("\r\n"):
            self._minutes.add(OUT + line)

    def blame(self, reply: str, *, of_message: bool = False) -> None:
        """The reply was a refusal; `of_message`: of the text of a message."""
        self._classes.add(find_class(reply, of_message=of_message))

    def rest(self) -> None:
        """Between two messages."""
        if len(self._minutes) > FLUSH_LINES:
            self._conclude("")

    def end(self) -> None:
        """The client has gone."""
        self._conclude(self.reason)

    def _conclude(self, reason: str) -> None:
        found = self._classes & self._wanted
        if found:
            self._tell(Incident(self._client, reason, self._minutes.lines(), BOUNCE in self._classes))
        self._minutes.clear()
        self._classes = set()


def find_class(reply: str, *, of_message: bool = False) -> str:
    """What kind of trouble a refusal stands for."""
    code, _, rest = reply.partition(" ")
    status = rest.partition(" ")[0]
    if status.startswith(("4.3.", "5.3.")) and status[4:] == "1":
        return "resource"
    if code.startswith("4") and (status.startswith("4.3.") or status == "4.7.0"):
        return "software"
    if of_message and status in ("5.3.4", "5.4.0"):
        return BOUNCE
    if status in ("5.3.4", "4.5.3") or status.startswith("5.7."):
        return "policy"
    return "protocol"
