"""Commands as clients write them (RFC 5321 §4.1, RFC 3461, RFC 6531): a line becomes values, or a reply that says why not.

Addresses are read as generously as smtpd(8) reads them without `strict_rfc821_envelopes`: angle brackets may be missing, a
blank may stand in front of them, a source route is dropped.  What has no place in an address (control characters, half a quote,
an empty or overlong label) is refused.

Nothing here fails for what a client writes: a `Wrong` is the answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailrider.model.request import BodyType, Notify
from mailrider.resolver.hostname import is_valid_address

ADDRESS_LIMIT_CHARACTERS = 1024
"""Four times what RFC 5321 §4.5.3.1.3 asks for."""

DOMAIN_LIMIT_CHARACTERS = 255
"""RFC 5321 §4.5.3.1.2."""

IPV6_PREFIX = "ipv6:"

ENVID_LIMIT_OCTETS = 100
"""RFC 3461 §4.4."""

ORCPT_LIMIT_OCTETS = 500
"""RFC 3461 §4.2."""

SIZE_DIGITS_LIMIT = 20
"""RFC 1870 §4."""

_LOCAL = r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*+"|[^\x00-\x20\x7f<>()\[\],;:"\\@]++)++'
_DOMAIN = r"[^\x00-\x20\x7f<>()\[\],;:\"\\@]++|\[[^\x00-\x20\x7f<>()\[\]\\\"@]*+\]"
_MAILBOX = rf"(?P<local>{_LOCAL})(?:@(?P<domain>{_DOMAIN}))?"
_PATH = re.compile(rf"\s*<(?:(?:@[^\s<>:]+:)?{_MAILBOX})?>(?=\s|\Z)")
_BARE_PATH = re.compile(rf"\s*{_MAILBOX}(?=\s|\Z)")
_LABELS = re.compile(r"[^.]{1,63}(?:\.[^.]{1,63})*\.?")
_NUMBERS = re.compile(r"[0-9.]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_XTEXT_UTF8 = re.compile(r"(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2})*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_NOTIFY = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}
_BODY = {"7BIT": BodyType.SEVEN_BIT, "8BITMIME": BodyType.EIGHT_BIT}


class Wrong(NamedTuple):
    """A reply without its line end."""

    reply: str


class MailFrom(NamedTuple):
    """MAIL.  `size_octets` is what the client says, 0 where it says nothing."""

    sender: str
    size_octets: int = 0
    body: BodyType = BodyType.UNKNOWN
    smtputf8: bool = False
    requiretls: bool = False
    ret: str = ""
    envid: str = ""


class RcptTo(NamedTuple):
    """RCPT."""

    recipient: str
    notify: Notify = Notify.UNSET
    orcpt: str = ""


class Offer(NamedTuple):
    """Which parameters a client may use now."""

    smtputf8: bool = True
    requiretls: bool = False
    auth: bool = False


BAD_SENDER = Wrong("501 5.1.7 Bad sender address syntax")
BAD_RECIPIENT = Wrong("501 5.1.3 Bad recipient address syntax")
MAIL_SYNTAX = Wrong("501 5.5.4 Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Wrong("501 5.5.4 Syntax: RCPT TO:<address>")
UNDECLARED = Wrong("553 5.6.7 Must declare SMTPUTF8 to send unicode address")


def parse_path(text: str) -> tuple[str, str] | None:
    """The inside form of the address at the beginning of `text`, and what follows it; None where there is none."""
    match = _PATH.match(text) or _BARE_PATH.match(text)
    if match is None:
        return None
    local, domain = match["local"], match["domain"]
    if local is None:
        return "", text[match.end() :]
    if '"' in local:
        local = _QUOTED.sub(lambda quoted: _QUOTED_PAIR.sub(r"\1", quoted[1]), local)
    if domain is None:
        address = local
    elif _is_domain(domain):
        address = f"{local}@{domain.removesuffix('.')}"
    else:
        return None
    if not local or len(address) > ADDRESS_LIMIT_CHARACTERS or _CONTROL.search(address):
        return None
    return address, text[match.end() :]


def _is_domain(domain: str) -> bool:
    """Whether mail could ever go there: a name, or a literal with an address in it (RFC 5321 §4.1.3)."""
    if domain.startswith("["):
        inside = domain[1:-1]
        return is_valid_address(inside[len(IPV6_PREFIX) :] if inside[: len(IPV6_PREFIX)].lower() == IPV6_PREFIX else inside)
    if len(domain) > DOMAIN_LIMIT_CHARACTERS or _NUMBERS.fullmatch(domain):
        return False  # an address without brackets
    return _LABELS.fullmatch(domain) is not None


def parse_mail(text: str, offer: Offer) -> MailFrom | Wrong:
    """What follows `MAIL`."""
    if text[:6].upper() != " FROM:":
        return MAIL_SYNTAX
    path = parse_path(text[6:])
    if path is None:
        return BAD_SENDER
    sender, rest = path
    mail = MailFrom(sender)
    for word in rest.split():
        name, _, value = word.partition("=")
        taken = _take_mail_parameter(mail, name.upper(), value, word, offer)
        if isinstance(taken, Wrong):
            return taken
        mail = taken
    return mail if mail.smtputf8 or sender.isascii() else UNDECLARED


def _take_mail_parameter(mail: MailFrom, name: str, value: str, word: str, offer: Offer) -> MailFrom | Wrong:
    match name:
        case "SIZE":
            if not (value.isascii() and value.isdigit()):
                return Wrong("501 5.5.4 Bad message size syntax")
            if len(value) > SIZE_DIGITS_LIMIT:
                return Wrong("552 5.3.4 Message size exceeds file system imposed limit")
            return mail._replace(size_octets=int(value))
        case "BODY" if value.upper() in _BODY:
            return mail._replace(body=_BODY[value.upper()])
        case "SMTPUTF8" if offer.smtputf8 and not value:
            return mail._replace(smtputf8=True)
        case "REQUIRETLS" if offer.requiretls and not value:
            return mail._replace(requiretls=True)
        case "AUTH" if offer.auth and value:
            return mail  # it may be said (RFC 4954 §5), and is not trusted
        case "RET":
            if mail.ret or value.upper() not in ("FULL", "HDRS"):
                return Wrong("501 5.5.4 Bad RET parameter syntax")
            return mail._replace(ret=value.lower())
        case "ENVID":
            envid = decode_xtext(value) if value and len(value) <= ENVID_LIMIT_OCTETS else None
            if mail.envid or envid is None:
                return Wrong("501 5.5.4 Bad ENVID parameter syntax")
            return mail._replace(envid=envid)
    return _unsupported(word)


def parse_rcpt(text: str, *, smtputf8: bool) -> RcptTo | Wrong:
    """What follows `RCPT`; `smtputf8`: the sender has declared it."""
    if text[:4].upper() != " TO:":
        return RCPT_SYNTAX
    path = parse_path(text[4:])
    if path is None or not path[0]:
        return BAD_RECIPIENT
    address, rest = path
    if not smtputf8 and not address.isascii():
        return UNDECLARED
    rcpt = RcptTo(address)
    for word in rest.split():
        name, _, value = word.partition("=")
        match name.upper():
            case "NOTIFY":
                notify = _parse_notify(value)
                if rcpt.notify or notify is None:
                    return Wrong("501 5.5.4 Error: Bad NOTIFY parameter syntax")
                rcpt = rcpt._replace(notify=notify)
            case "ORCPT":
                orcpt = _parse_orcpt(value, smtputf8=smtputf8)
                if rcpt.orcpt or orcpt is None:
                    return Wrong("501 5.5.4 Error: Bad ORCPT parameter syntax")
                rcpt = rcpt._replace(orcpt=orcpt)
            case _:
                return _unsupported(word)
    return rcpt


def _unsupported(word: str) -> Wrong:
    return Wrong(f"555 5.5.4 Unsupported option: {show(word)}")


def _parse_notify(value: str) -> Notify | None:
    if value.upper() == "NEVER":
        return Notify.NEVER
    notify = Notify.UNSET
    for word in value.upper().split(","):
        if word not in _NOTIFY:
            return None
        notify |= _NOTIFY[word]
    return notify


def _parse_orcpt(value: str, *, smtputf8: bool) -> str | None:
    """`type;address` with the address decoded (RFC 3461 §4.2, RFC 6533 §3)."""
    kind, semicolon, encoded = value.partition(";")
    if not semicolon or len(value) > ORCPT_LIMIT_OCTETS or not kind.replace("-", "").isalnum() or not kind.isascii():
        return None
    is_utf8 = kind.lower() == "utf-8"
    address = decode_xtext(encoded, eight_bit=is_utf8 and smtputf8)
    if address is None:
        return None
    if is_utf8:
        address = _UNICODE.sub(_character, address)
    return None if not address or _CONTROL.search(address) else f"{kind};{address}"


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number <= 0x10FFFF else "\x00"  # what is refused as a control character


def decode_xtext(text: str, *, eight_bit: bool = False) -> str | None:
    """RFC 3461 §4 xtext; None where it is none, or holds what does not belong into a header."""
    if (_XTEXT_UTF8 if eight_bit else _XTEXT).fullmatch(text) is None:
        return None
    if "+" in text:
        text = _HEX.sub(lambda match: chr(int(match[1], 16)), text)
    return None if _CONTROL.search(text) else text


def show(text: str) -> str:
    """What a client wrote, as a reply may repeat it."""
    shown = "".join(character if " " <= character <= "~" else "?" for character in text[:100])
    return shown + "..." if len(text) > 100 else shown
