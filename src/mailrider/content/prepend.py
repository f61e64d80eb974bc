"""The header fields that a delivery adds (master.cf(5), `flags=` of a smtp or lmtp service).

=====  ===================================================
R      `Return-Path: <sender>`
O      `X-Original-To: recipient`, as it was before aliasing
D      `Delivered-To: recipient`
=====  ===================================================

They come in this order whatever the order of the letters; X (final delivery) adds none.  Addresses pass through the generic
maps and are in their outside form.
"""

from __future__ import annotations

from mailrider.content.address_fields import Rewrite
from mailrider.content.address_tokens import quote_address

RETURN_PATH = "R"
ORIGINAL_TO = "O"
DELIVERED_TO = "D"

_NO_LINE_ENDS = bytes.maketrans(b"\0\r\n", b"???")


def make_delivery_fields(
    flags: str, *, sender: str, original: str, recipient: str, rewrite: Rewrite | None = None
) -> tuple[bytes, ...]:
    """The fields that `flags` asks for, each without a line end.  Raises `errors.TableTrouble` as `rewrite` does.

    An address that holds a line end, which no address from the wire can, has `?` in its place.
    """
    fields = []
    if RETURN_PATH in flags:
        fields.append(b"Return-Path: <" + _outside(sender, rewrite) + b">")
    if ORIGINAL_TO in flags:
        fields.append(b"X-Original-To: " + _outside(original, rewrite))
    if DELIVERED_TO in flags:
        fields.append(b"Delivered-To: " + _outside(recipient, rewrite))
    return tuple(fields)


def _outside(address: str, rewrite: Rewrite | None) -> bytes:
    rewritten = rewrite(address) if rewrite is not None and address else None
    octets = (address if rewritten is None else rewritten).encode("utf-8", "surrogateescape")
    return quote_address(octets.translate(_NO_LINE_ENDS)) if octets else b""
