"""Mail addresses: the form inside the program and the two forms outside.

Inside, an address is a plain `str` without any quoting (`john doe@example.test`), as Postfix keeps it.  On the wire
(RFC 5321 §4.1.2) and in headers, logs and the command line (RFC 5322 §3.4.1) a local part that is not a dot-string is a
quoted-string (`"john doe"@example.test`).  The domain is what follows the *last* `@`.  Non-ASCII text is not quoted
(RFC 6531 §3.3).

Known fault: comments and folding white space in an address (RFC 5322 §3.2.2) are not understood; they are refused by the
caller as characters that need quoting.
"""

from __future__ import annotations

import re

from mailrider.errors import WrongUsage

ADDRESS_LIMIT_OCTETS = 2048
"""An address longer than Postfix's `line_length_limit` cannot have come out of its queue file."""

SHORT_CHARACTERS = ADDRESS_LIMIT_OCTETS // 4
"""So many characters are within the limit, whatever they are: a UTF-8 character has at most four octets."""

_OPENING = ("<", '"')

# What needs no quotes (RFC 5321 §4.1.2 Dot-string, with atext read as generously as Postfix does).
_ATOM = r"[^\x00-\x20\x7f()<>\[\]\\,;:@\".]+"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def quote_local_part(address: str) -> str:
    """Return `address` with its local part quoted where it has to be (RFC 5321 §4.1.2).

    The null address stays empty.  Both outside forms are the same text, so one function serves MAIL, RCPT and the log.
    """
    if not address:
        return address
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if _DOT_STRING.match(local):
        return address
    escaped = local.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\\r").replace("\n", "\\\n")
    return f'"{escaped}"{at}{domain}'


def parse_address(text: str) -> str:
    """Take an address as a person writes it and return its inside form.

    >>> parse_address('"john doe"@example.test')
    'john doe@example.test'

    Raises `WrongUsage` for control characters, half a surrogate pair, an unclosed quote, or more than
    `ADDRESS_LIMIT_OCTETS`.
    """
    if len(text) <= SHORT_CHARACTERS and text.isprintable() and text[:1] not in _OPENING:
        return text  # the common address
    if _CONTROL.search(text):
        raise WrongUsage(f"address {text!r} contains a control character")
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise WrongUsage(f"address {text[:40]!r} contains half a character") from None
    if len(octets) > ADDRESS_LIMIT_OCTETS:
        raise WrongUsage(f"address {text[:40]!r}... is longer than {ADDRESS_LIMIT_OCTETS} octets")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if not text.startswith('"'):
        return text
    end = _end_of_quoted_string(text)
    if end < 0:
        raise WrongUsage(f"address {text!r} has a quoted local part without its closing quote")
    rest = text[end + 1 :]
    if rest and not rest.startswith("@"):
        raise WrongUsage(f"address {text!r} has text between the quoted local part and the @")
    return _QUOTED_PAIR.sub(r"\1", text[1:end]) + rest


def _end_of_quoted_string(text: str) -> int:
    """Index of the quote that closes the one at 0, or -1."""
    position = 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == '"':
            return position
        else:
            position += 1
    return -1


def domain_of(address: str) -> str:
    """The domain of an inside address, empty where there is none."""
    return address.rpartition("@")[2] if "@" in address else ""


def to_octets(address: str) -> bytes:
    """The address as it goes on the wire (UTF-8; bytes that were never text come back as they were)."""
    return address.encode("utf-8", "surrogateescape")
