"""Command lines, as bytes with their CRLF (RFC 5321 §4.1.1, RFC 3461 §4, RFC 6531 §3.4).

Addresses come in their inside form (`model.address`) and are quoted here.  No line can hold a control character: whoever
makes a `DeliveryRequest` has refused those, and `_guard` makes sure, since a CR LF in an address would be a command of its
own.
"""

from __future__ import annotations

import re

from mailrider.errors import BrokenPromise
from mailrider.model.address import quote_local_part, to_octets
from mailrider.model.request import BodyType, Envelope, Notify, Recipient
from mailrider.smtp.capabilities import Capabilities

# Controls, and surrogates that stand for no octet.
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_XTEXT_SPECIAL = re.compile(rb"[^!-*,-<>-~]")  # everything but printable ASCII without + and =
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UXTEXT_SPECIAL = re.compile(r"[^!-*,-<>-\[\]-~]")
_PLAIN_ATOM = "[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_ADDRESS = re.compile(rf"{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*@[0-9A-Za-z.-]+\Z")  # what most addresses are: no need of care

# Looking up a member of an Enum costs as much as all the rest of a line here (until Python 3.12).
_UNKNOWN_BODY, _EIGHT_BIT = BodyType.UNKNOWN, BodyType.EIGHT_BIT
_NOTHING_ASKED = Notify.UNSET
_NOTHING_MORE = ("", "", _NOTHING_ASKED)  # neither another address before aliasing, nor ORCPT, nor NOTIFY
_PLAIN_XTEXT = re.compile(rb"[0-9A-Za-z@._-]+\Z")
_NOTIFY_WORDS = ((Notify.NEVER, "NEVER"), (Notify.SUCCESS, "SUCCESS"), (Notify.FAILURE, "FAILURE"), (Notify.DELAY, "DELAY"))


def encode_xtext(octets: bytes) -> bytes:
    """xtext (RFC 3461 §4): octets outside printable ASCII, `+` and `=` become `+XX`."""
    return _XTEXT_SPECIAL.sub(lambda match: b"+%02X" % match.group()[0], octets)


def encode_uxtext(text: str) -> bytes:
    """utf-8-addr-xtext (RFC 6533 §3): all but printable ASCII, and backslash, `+` and `=`, become `\\x{HEX}`.

    This form is ASCII, so it can go to a server without SMTPUTF8 too.
    """
    return _UXTEXT_SPECIAL.sub(lambda match: rf"\x{{{ord(match.group()):02X}}}", text).encode("ascii", "replace")


def greet(verb: bytes, name: str) -> bytes:
    """`EHLO name`, `HELO name` or `LHLO name`."""
    return b"%b %b\r\n" % (verb, to_octets(_guard(name)))


def mail_from(
    envelope: Envelope, offered: Capabilities, size_octets: int, *, converting: bool = False, quote: bool = True
) -> bytes:
    """MAIL FROM with the parameters that the server can take.

    SIZE is left out while the content is being converted, since what will be sent is not known yet.
    """
    parts = [b"MAIL FROM:<", _address(envelope.sender, quote), b">"]
    if offered.size and not converting:
        parts.append(b" SIZE=%d" % size_octets)
    if offered.eight_bit_mime and envelope.body is not _UNKNOWN_BODY:
        parts.append(b" BODY=8BITMIME" if envelope.body is _EIGHT_BIT else b" BODY=7BIT")
    if offered.dsn:
        if envelope.envid:
            parts.append(b" ENVID=" + encode_xtext(to_octets(envelope.envid)))
        if envelope.ret:
            parts.append(b" RET=" + _guard(envelope.ret).upper().encode("ascii", "replace"))
    if offered.smtputf8 and envelope.smtputf8:
        parts.append(b" SMTPUTF8")
    if envelope.requiretls and offered.requiretls:
        parts.append(b" REQUIRETLS")
    parts.append(b"\r\n")
    return b"".join(parts)


def rcpt_to(recipient: Recipient, offered: Capabilities, *, quote: bool = True) -> bytes:
    """RCPT TO, with ORCPT and NOTIFY where the server knows DSN."""
    address = _address(recipient.address, quote)
    if offered.dsn and recipient[1:4] == _NOTHING_MORE and _PLAIN_XTEXT.match(address):
        return b"RCPT TO:<%b> ORCPT=rfc822;%b\r\n" % (address, address)
    if not offered.dsn:
        return b"RCPT TO:<%b>\r\n" % address
    parts = [b"RCPT TO:<", address, b">"]
    if quote and address and not recipient.orcpt and not recipient.original:
        orcpt = encode_xtext(b"rfc822;" + address)
    else:
        orcpt = _orcpt(recipient)
    if orcpt:
        parts.append(b" ORCPT=" + orcpt)
    if recipient.notify is not _NOTHING_ASKED:
        parts.append(b" NOTIFY=" + ",".join(word for flag, word in _NOTIFY_WORDS if flag in recipient.notify).encode())
    parts.append(b"\r\n")
    return b"".join(parts)


def _orcpt(recipient: Recipient) -> bytes:
    """The ORCPT value: the one given, or one made of the original address (RFC 3461 §4.2).

    One of our making is of type rfc822 even where the address is not ASCII, as Postfix 3.7 has it: xtext can hold any octet.
    """
    value = recipient.orcpt
    if not value:
        original = recipient.original or recipient.address
        if not original:
            return b""
        value = f"rfc822;{quote_local_part(original)}"
    kind, semicolon, address = value.partition(";")
    if kind.lower() == "utf-8":
        # What is no UTF-8 cannot be said in this form, and smtp(8) says nothing then.
        return b"" if _SURROGATE.search(address) else kind.encode("ascii") + semicolon.encode() + encode_uxtext(address)
    return encode_xtext(to_octets(value))


def _address(address: str, quote: bool) -> bytes:
    if _PLAIN_ADDRESS.match(address):
        return address.encode("ascii")
    return to_octets(_guard(quote_local_part(address) if quote else address))


def _guard(text: str) -> str:
    """The last look before a word goes out.  The search is for the rare text that has odd characters at all."""
    if not text.isprintable() and _UNSPEAKABLE.search(text):
        raise BrokenPromise(f"a command line would contain a control character or half a character: {text!r}")
    return text
