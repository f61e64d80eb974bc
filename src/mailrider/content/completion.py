"""What a message that begins its way here gets: missing header fields, whole addresses, nothing private (cleanup(8)).

* `Message-Id`, `Date` and `From` are added behind the header where they are missing; in a message that is being resent, their
  `Resent-` forms.
* Addresses are made whole (`whole_address`).
* Fields that are not to be seen (`DROPPED`) are taken out.
* Blanks between a name and its colon are taken out.
* What does not belong to the header any more (a line that is no field) begins the body, after an empty line.

Works on canonical text (CRLF); never fails.

Known faults: canonical maps are not there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mailrider.content.address_fields import rewrite_field
from mailrider.content.address_lists import find_addresses
from mailrider.content.address_tokens import Token, join_inside, quote_address, tokenize
from mailrider.content.fields import ADDRESS_FIELDS, FIELD_BEGINNING, name_of
from mailrider.content.whole_address import NULL_SENDER_NAME, Completion

DROPPED = frozenset((b"bcc", b"content-length", b"resent-bcc", b"return-path"))
"""The default of `message_drop_headers` (postconf(5))."""

RECIPIENT_FIELDS = frozenset((b"to", b"cc", b"bcc"))
RESENT_RECIPIENT_FIELDS = frozenset((b"resent-to", b"resent-cc", b"resent-bcc"))
RESENT_FIELDS = RESENT_RECIPIENT_FIELDS | {
    b"resent-date", b"resent-from", b"resent-message-id", b"resent-reply-to", b"resent-sender",
}  # fmt: skip
"""Any of these tells that a message is being resent (RFC 5322 §3.6.6)."""

WORD_OCTETS = 42
"""So much of a name goes into one encoded word, which then has no more than the 75 characters of RFC 2047 §2."""

_ONE_WHOLE_ADDRESS = re.compile(
    rb"[^:]++:[ \t]*+(?:[A-Za-z0-9 .-]*+<)?[A-Za-z0-9.+=_-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++>?\r\n\Z"
)
_CONTROLS = re.compile(r"[\x00-\x20\x7f]+")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")


class Origin(NamedTuple):
    """Who submitted a message, when, and under which id.

    `date` is a whole date field body (RFC 5322 §3.3).  `sender` is the envelope sender in its inside form, `full_name` what
    the submitter is called.
    """

    queue_id: str
    host_name: str
    date: str
    sender: str
    full_name: str = ""


def split_fields(header: bytes) -> tuple[list[bytes], bytes]:
    """The fields of a header, each with its line ends, and what follows the first line that belongs to no field."""
    fields: list[bytes] = []
    position = 0
    for line in _lines(header):
        if line[:1] in b" \t" and fields:
            fields[-1] += line  # even where there is nothing else in it: the header goes on
        elif (beginning := FIELD_BEGINNING.match(line)) is not None:
            fields.append(beginning[1] + line[beginning.end() - 1 :])
        else:
            break
        position += len(line)
    return fields, header[position:]


def is_all_header(beginning: bytes) -> bool:
    """Whether a header goes on to the end of what has come of a message, and perhaps behind it."""
    fields, rest = split_fields(beginning)
    return bool(fields) and b"\n" not in rest  # half a line may become a field


def _lines(text: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(text):
        end = text.find(b"\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def complete_header(fields: Sequence[bytes], origin: Origin, completion: Completion) -> list[bytes]:
    """The fields of a message of this host, with what was missing and without what is private."""
    names = {name_of(field) for field in fields}
    prefix = "Resent-" if not names.isdisjoint(RESENT_FIELDS) else ""
    kept = []
    for field in fields:
        name = name_of(field)
        if name in DROPPED:
            continue
        kept.append(_complete_field(field, completion.whole) if name in ADDRESS_FIELDS else field)

    def is_missing(name: str) -> bool:
        return (prefix + name).lower().encode() not in names

    if is_missing("Message-Id"):
        kept.append(f"{prefix}Message-Id: <{origin.queue_id}@{origin.host_name}>\r\n".encode())
    if is_missing("Date"):
        kept.append(f"{prefix}Date: {origin.date}\r\n".encode())
    if is_missing("From"):
        kept.append(_from_field(prefix, origin, completion.whole))
    return kept


def _complete_field(field: bytes, complete: Callable[[str], str]) -> bytes:
    """The field with whole addresses; as it is where they are whole already."""
    if _ONE_WHOLE_ADDRESS.match(field):
        return field  # the common field is not taken apart

    def rewrite(address: str) -> str | None:
        whole = complete(address)
        return whole if whole != address else None

    colon = field.index(b":")
    rewritten = rewrite_field(colon, field[:-2], rewrite, lambda text: None)
    return field if rewritten is None else b"".join([line + b"\r\n" for line in rewritten])


def _from_field(prefix: str, origin: Origin, complete: Callable[[str], str]) -> bytes:
    sender = complete(origin.sender or NULL_SENDER_NAME).encode("utf-8", "surrogateescape")
    address = quote_address(sender)
    phrase = write_phrase(origin.full_name) if origin.sender else b""
    name = f"{prefix}From: ".encode()
    return name + phrase + b" <" + address + b">\r\n" if phrase else name + address + b"\r\n"


def write_phrase(text: str) -> bytes:
    """A name in front of an address: as it is, quoted, or encoded where it is not ASCII (RFC 2047 §5)."""
    text = _CONTROLS.sub(" ", text).strip()
    if not text.isascii():
        return b"\r\n ".join(b"=?utf-8?B?" + base64.b64encode(word) + b"?=" for word in _cut_between_characters(text))
    if _PHRASE.match(text):
        return text.encode()
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text.encode()) + b'"'


def _cut_between_characters(text: str) -> list[bytes]:
    """Pieces of whole characters: each encoded word must be valid by itself."""
    words = [b""]
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(words[-1]) + len(octets) > WORD_OCTETS:
            words.append(b"")
        words[-1] += octets
    return words


def find_recipients(fields: Sequence[bytes]) -> list[str]:
    """The addresses of To, Cc and Bcc in their inside form, or those of their `Resent-` forms where there are any."""
    ordinary: list[str] = []
    resent: list[str] = []
    is_resent = False
    for field in fields:
        name = name_of(field)
        if name in RESENT_RECIPIENT_FIELDS:
            is_resent = True
            resent += read_addresses(field[field.index(b":") + 1 :])
        elif name in RECIPIENT_FIELDS and not is_resent:
            ordinary += read_addresses(field[field.index(b":") + 1 :])
    return resent if is_resent else ordinary


def read_addresses(text: bytes) -> list[str]:
    """The addresses of a list (RFC 5322 §3.4), in their inside form."""
    elements = find_addresses(tokenize(text))
    return [
        join_inside(element, spaced=False).decode("utf-8", "surrogateescape")
        for element in elements
        if not isinstance(element, Token)
    ]
