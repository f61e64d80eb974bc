"""Whether a message needs SMTPUTF8 (RFC 6531), and what can be done where a server lacks it.

A message needs it that asked for it at submission and has a non-ASCII local part in its envelope, or a non-ASCII header.  A
non-ASCII domain alone does not: its A-label means the same, and every server takes that.  A domain that has no A-label does.
"""

from __future__ import annotations

from mailrider.errors import ContentUnreadable
from mailrider.model.request import Content, DeliveryRequest, Envelope, Recipient
from mailrider.resolver.hostname import to_ascii


def needs_smtputf8(request: DeliveryRequest) -> bool:
    """True if the message cannot go to a server without SMTPUTF8."""
    envelope = request.envelope
    if not envelope.smtputf8:
        return False
    addresses = [envelope.sender, *(recipient.address for recipient in envelope.recipients)]
    return any(_needs_smtputf8(address) for address in addresses) or _has_utf8_header(request.content)


def _needs_smtputf8(address: str) -> bool:
    """Whether an address cannot be written in ASCII."""
    if address.isascii():
        return False
    local, at, domain = address.rpartition("@")
    return not at or not local.isascii() or to_ascii(domain) is None


def to_ascii_domains(envelope: Envelope, *, idna2003: bool) -> Envelope:
    """The envelope with A-labels for U-labels; a domain that has none stays as it is."""
    if envelope.sender.isascii():
        for recipient in envelope.recipients:
            if not recipient.address.isascii():
                break
        else:
            return envelope
    recipients = tuple(
        recipient._replace(address=_with_ascii_domain(recipient.address, idna2003), original=_original(recipient))
        for recipient in envelope.recipients
    )
    return envelope._replace(sender=_with_ascii_domain(envelope.sender, idna2003), recipients=recipients)


def _original(recipient: Recipient) -> str:
    return recipient.original or recipient.address


def _with_ascii_domain(address: str, idna2003: bool) -> str:
    local, at, domain = address.rpartition("@")
    if not at or domain.isascii():
        return address
    return f"{local}@{to_ascii(domain, idna2003=idna2003) or domain}"


def _has_utf8_header(content: Content) -> bool:
    """Look for an octet beyond ASCII in the primary header.  A message that cannot be read will say so later."""
    before = b"\r\n"  # the end of what has been looked at: an empty line may be cut, and the first line may be empty
    try:
        for chunk in content.chunks():
            text = before + chunk
            end = text.find(b"\r\n\r\n")
            if not text[: end if end >= 0 else len(text)].isascii():
                return True
            if end >= 0:
                return False
            before = text[-3:]
    except ContentUnreadable:
        return False
    return False
