"""The header fields that a mail agent knows by name (RFC 5322 §3.6, RFC 2045).

Names are compared in lower case and without the colon.
"""

from __future__ import annotations

import enum
import re

CONTENT_TYPE = b"content-type"
CONTENT_TRANSFER_ENCODING = b"content-transfer-encoding"

MIME_FIELDS = frozenset(
    (
        b"content-description", b"content-disposition", b"content-id", CONTENT_TRANSFER_ENCODING, CONTENT_TYPE,
        b"mime-version",
    )
)  # fmt: skip
"""Fields that belong to the class of MIME fields wherever they stand."""

ADDRESS_FIELDS = frozenset(
    (
        b"apparently-to", b"bcc", b"cc", b"disposition-notification-to", b"errors-to", b"from", b"mail-followup-to",
        b"reply-to", b"resent-bcc", b"resent-cc", b"resent-from", b"resent-reply-to", b"resent-sender", b"resent-to",
        b"return-path", b"return-receipt-to", b"sender", b"to",
    )
)  # fmt: skip
"""Fields whose addresses `smtp_generic_maps` rewrites."""

FIELD_BEGINNING = re.compile(rb"([!-9;-~]++)[ \t]*+:")
"""The name of a field and its colon.  Blanks before the colon are obsolete syntax (RFC 5322 §4.5)."""


class Place(enum.Enum):
    """Which header block a field stands in, or that no header is being read."""

    PRIMARY = 1
    PART = 2
    NESTED = 3
    BODY = 4


def name_of(field: bytes) -> bytes:
    """The name of a whole field, in lower case."""
    return field.partition(b":")[0].rstrip(b" \t").lower()
