"""What is offered to a client (RFC 5321 §4.1.1.1), what XFORWARD claims, and how a message is introduced to the door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from mailrider.intake.envelope import Transaction
from mailrider.intake.heading import Heading, Trace, make_heading
from mailrider.intake.syntax import Wrong, decode_xtext, show
from mailrider.intake.terms import UNKNOWN, Client, Door, Mail, Terms, TlsFacts
from mailrider.model.request import BodyType, Transport

XFORWARD_NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")

VALUE_LIMIT_OCTETS = 255
"""What an attribute holds (XFORWARD_README)."""

UNAVAILABLE = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")

_PORT = re.compile(r"[0-9]{1,5}")
_ADDRESS = re.compile(r"(?:IPv6:)?[0-9A-Fa-f.:]{2,45}", re.IGNORECASE)


def write_capabilities(terms: Terms, client: Client, tls: TlsFacts | None, login_name: str) -> str:
    """The reply to EHLO and LHLO, in the order of smtpd(8)."""
    words = ["PIPELINING", f"SIZE {terms.message_size_limit}" if terms.message_size_limit else "SIZE"]
    if terms.has_tls and tls is None:
        words.append("STARTTLS")
    if terms.login_mechanisms and not login_name and (tls is not None or not terms.login_needs_tls):
        words.append(" ".join(("AUTH", *terms.login_mechanisms)))
    if client.may_forward:
        words.append(" ".join(("XFORWARD", *XFORWARD_NAMES)))
    words += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN"]
    if terms.smtputf8:
        words.append("SMTPUTF8")
    if tls is not None:
        words.append("REQUIRETLS")
    words.append("CHUNKING")
    kept = [word for word in words if word.partition(" ")[0].lower() not in terms.hidden_keywords]
    lines = [terms.host_name, *kept]
    return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])


def parse_xforward(text: str) -> Mapping[str, str] | Wrong:
    """What follows `XFORWARD`: names in lower case with their values, empty where one is unavailable."""
    claims: dict[str, str] = {}
    words = text.split()
    if not words:
        return Wrong("501 5.5.4 Syntax: XFORWARD attribute=value...")
    for word in words:
        name, equals, encoded = word.partition("=")
        name = name.upper()
        if not equals:
            return Wrong("501 5.5.4 Error: attribute=value expected")
        if name not in XFORWARD_NAMES:
            return Wrong(f"501 5.5.4 Bad XFORWARD attribute name: {show(name)}")
        value = decode_xtext(encoded)
        if value is None or not _is_sound(name, value):
            return Wrong(f"501 5.5.4 Bad {name} syntax: {show(encoded)}")
        claims[name.lower()] = "" if value.upper() in UNAVAILABLE else value
    return claims


def _is_sound(name: str, value: str) -> bool:
    if not value or len(value) > VALUE_LIMIT_OCTETS or not value.isascii():
        return False
    if value.upper() in UNAVAILABLE:
        return True
    match name:
        case "PORT":
            return _PORT.fullmatch(value) is not None
        case "ADDR":
            return _ADDRESS.fullmatch(value) is not None
        case "SOURCE":
            return value.upper() in ("LOCAL", "REMOTE")
    return True


class Introduction(NamedTuple):
    """Who brings a message, and how."""

    client: Client
    helo: str
    protocol: str
    transport: Transport
    tls: TlsFacts | None
    login_name: str
    claims: Mapping[str, str]

    def attributes(self) -> Mapping[str, str]:
        """The client as XFORWARD tells it (`Submission.client`): what was claimed goes before what we see."""
        client = self.client
        if self.claims:
            return {name: value for name, value in self.claims.items() if value}
        seen = {
            "name": client.name if client.name != UNKNOWN else "", "addr": client.address, "port": client.port,
            "proto": self.protocol, "helo": self.helo, "source": "LOCAL" if client.is_local else "REMOTE",
        }  # fmt: skip
        return {name: value for name, value in seen.items() if value}


def open_at_door(header: bytes, mail: Transaction, who: Introduction, terms: Terms, door: Door) -> Heading:
    """Complete the header of a message and begin it at the door."""
    queue_id = door.new_queue_id()
    trace = Trace(
        helo=who.helo or UNKNOWN,
        client=f"{who.client.name} [{who.client.address}]",
        host_name=terms.host_name,
        mail_name=terms.mail_name,
        protocol=who.protocol,
        queue_id=queue_id,
        date=door.date(),
        tls=who.tls.shown if who.tls is not None and terms.tells_tls else "",
        login=who.login_name if terms.tells_login else "",
    )
    completes = who.client.is_local or terms.completes_all
    heading = make_heading(
        header, trace, mail.envelope(BodyType.UNKNOWN), completes=completes, completion=terms.completion,
        passes_requiretls=terms.passes_requiretls,
    )  # fmt: skip
    envelope = mail.envelope(BodyType.EIGHT_BIT if heading.labelled_8bit else BodyType.UNKNOWN)
    if heading.asks_requiretls:
        envelope = envelope._replace(requiretls=True)
    login = f", sasl_username={show(who.login_name)}" if who.login_name else ""
    door.tell(f"{queue_id}: client={who.client.shown}{login}")
    if heading.message_id:
        door.tell(f"{queue_id}: message-id={heading.message_id}")
    door.begin(Mail(queue_id, envelope, who.attributes(), who.transport))
    return heading
