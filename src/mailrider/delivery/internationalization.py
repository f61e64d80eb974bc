"""Whether a message needs SMTPUTF8 (RFC 6531), and what can be done where a server lacks it.

A message needs it that asked for it at submission and has a non-ASCII local part in its envelope, or a non-ASCII header.  A
non-ASCII domain alone does not: its A-label means the same, and every server takes that.
"""

from __future__ import annotations

from dataclasses import replace

from mailrider.errors import ContentUnreadable
from mailrider.model.request import Content, DeliveryRequest, Envelope, Recipient
from mailrider.resolver.hostname import to_ascii


def needs_smtputf8(request: DeliveryRequest) -> bool:
    """True if the message cannot go to a server without SMTPUTF8."""
    envelope = request.envelope
    if not envelope.smtputf8:
        return False
    addresses = [envelope.sender, *(recipient.address for recipient in envelope.recipients)]
    return any(not _local_part(address).isascii() for address in addresses) or _has_utf8_header(request.content)


def to_ascii_domains(envelope: Envelope, *, idna2003: bool) -> Envelope:
    """The envelope with A-labels for U-labels; a domain that has none stays as it is."""
    addresses = [envelope.sender, *(recipient.address for recipient in envelope.recipients)]
    if all(address.isascii() for address in addresses):
        return envelope
    recipients = tuple(
        replace(recipient, address=_with_ascii_domain(recipient.address, idna2003), original=_original(recipient))
        for recipient in envelope.recipients
    )
    return replace(envelope, sender=_with_ascii_domain(envelope.sender, idna2003), recipients=recipients)


def _original(recipient: Recipient) -> str:
    return recipient.original or recipient.address


def _with_ascii_domain(address: str, idna2003: bool) -> str:
    local, at, domain = address.rpartition("@")
    if not at or domain.isascii():
        return address
    return f"{local}@{to_ascii(domain, idna2003=idna2003) or domain}"


def _local_part(address: str) -> str:
    return address.rpartition("@")[0] if "@" in address else address


def _has_utf8_header(content: Content) -> bool:
    """Look for an octet beyond ASCII in the primary header.  A message that cannot be read will say so later."""
    try:
        for chunk in content.chunks():
            end = chunk.find(b"\r\n\r\n")
            if not chunk[: end if end >= 0 else len(chunk)].isascii():
                return True
            if end >= 0:
                return False
    except ContentUnreadable:
        return False
    return False
