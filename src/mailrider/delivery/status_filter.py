"""`smtp_delivery_status_filter`: the operator's last word on a status (postconf(5)).

The key is the enhanced status code and the text, `4.2.1 host ... said: ...`; a value of the same shape takes their place.  A
failure may become temporary or permanent that way; a success stays a success and a failure a failure.  A value that is
nothing but a status leaves the text.
"""

from __future__ import annotations

import re

from mailrider.delivery.lookups import Lookup
from mailrider.errors import TableTrouble
from mailrider.events import Observer, Warned

_SHAPE = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t\r\n\f\v]+(.*))?", re.DOTALL)


class StatusFilter:
    """The filter of one transport.  `title` is the name of the parameter, for warnings."""

    __slots__ = ("_find", "_observer", "_title")

    def __init__(self, find: Lookup, title: str, observer: Observer) -> None:
        self._find = find
        self._title = title
        self._observer = observer

    def apply(self, status: str, text: str) -> tuple[str, str]:
        """Status and text as the filter wants them; unchanged, with a warning, where it makes no sense or cannot answer."""
        try:
            value = self._find(f"{status} {text}")
        except TableTrouble as trouble:
            self._observer(Warned(f"{self._title}: {trouble}"))
            return status, text
        if value is None:
            return status, text
        match = _SHAPE.fullmatch(value)
        if match is None or (match[1][0] == "2") != (status[0] == "2"):
            self._observer(Warned(f"{self._title}: bad status code: {value}"))
            return status, text
        return match[1], text if match[2] is None else match[2]
