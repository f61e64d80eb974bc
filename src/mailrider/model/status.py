"""Enhanced status codes (RFC 3463), and the only place where an error becomes temporary or permanent.

A status is a `str` of the form `class.subject.detail`.  Every code that Mailrider itself gives is named here, with
the class smtp(8) gives it; what a server says is taken from its reply.
"""

from __future__ import annotations

import re

_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=\s|$)", re.ASCII)

OK = "2.0.0"
SOFT_UNSPECIFIED = "4.0.0"
"""For mail that waits because of a failure that would have been permanent for the message that met it."""
PROTOCOL_ERROR = "5.5.0"
"""Given to a reply that has no class of its own, such as 3xx where 2xx was due."""

SERVER_UNAVAILABLE = "4.3.0"
LOCAL_DATA_ERROR = "4.3.0"
SYSTEM_NOT_ACCEPTING = "4.3.2"
CONFIGURATION_ERROR = "4.3.5"
NETWORK_ERROR = "4.4.0"
CONNECT_FAILED = "4.4.1"
CONNECTION_LOST = "4.4.2"
DNS_SOFT = "4.4.3"
DNS_HARD = "5.4.3"
ROUTE_SOFT = "4.4.4"
ROUTE_HARD = "5.4.4"
LOOP_AT_BACKUP = "4.4.6"
LOOP = "5.4.6"
NATIVE_LOOKUP_HARD = "5.3.0"
NULL_MX = "5.1.0"
DNS_POLICY = "4.7.0"
LOGIN_FAILED = "4.7.0"
TLS_NOT_OFFERED = "4.7.4"
TLS_UNAVAILABLE = "4.7.5"
TLS_FAILED = "4.7.5"
TLS_NOT_VERIFIED = "4.7.5"
UNEXPECTED_MESSAGE = "4.7.0"
SIZE_EXCEEDED = "5.3.4"
CONTENT_UNREADABLE = "4.3.0"
CONTENT_DAMAGED = "5.3.0"
CONTENT_UNSUITABLE = "5.6.0"
UTF8_UNSUPPORTED = "5.6.7"


def parse_status(text: str) -> str | None:
    """The enhanced status code at the beginning of `text`, or None (RFC 2034 §4)."""
    match = _ENHANCED.match(text)
    return match.group() if match else None


def is_soft(status: str) -> bool:
    """True for a temporary failure."""
    return status[:1] == "4"


def is_hard(status: str) -> bool:
    """True for a permanent failure."""
    return status[:1] == "5"


def soften(status: str) -> str:
    """The same status as a temporary failure."""
    return "4" + status[1:] if status[:1] == "5" else status


def of_reply_class(digit: str) -> str:
    """The status of a reply that gave none of its own: `digit`.0.0 (RFC 3463 §3.1)."""
    return digit + ".0.0"
