"""REQUIRETLS and its opposite (RFC 8689): mail that must not go without TLS, and mail that would rather go without than not go.

A sender who asks for REQUIRETLS wants every hop to prove itself and to promise the same for the next one.  How strictly that is
taken at a destination is the operator's choice (`smtp_requiretls_policy`, as in Postfix 3.11):

======================  ===========================================================================================
`enforce`               a level that proves who the server is, a proof, and REQUIRETLS announced inside TLS; else 5.7.10 or
                        5.7.30, when no other server is left
`opportunistic+starttls`  TLS; the rest where it can be had
`opportunistic`         what the TLS level says; REQUIRETLS is passed on where it is announced
`disable`               as if nobody had asked
======================  ===========================================================================================

Mail with a header `TLS-Required: no` (`tls_required_enable`) gets level may at most, and no policy table, DANE or MTA-STS is
asked about it; REQUIRETLS goes before the header.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from mailrider.errors import ContentDamaged, ContentUnreadable, TableTrouble, WrongConfiguration
from mailrider.model import status as status_code
from mailrider.model.request import Content
from mailrider.model.tls import TlsFacts, TlsLevel
from mailrider.resolver.hostname import is_valid_address, to_ascii
from mailrider.settings import Settings
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.tables.opening import open_table
from mailrider.tables.table import Table, takes_partial_keys

HEADER_LIMIT_OCTETS = 102_400
"""A header section is searched no further than this (`header_size_limit`)."""

REQUIRETLS_REFUSED = "5.7.10"
REQUIRETLS_UNSUPPORTED = "5.7.30"
REQUIRETLS_UNDECIDED = "4.7.10"
"""RFC 8689 §5."""

_TLS_REQUIRED_NO = re.compile(rb"^TLS-Required[ \t]*:[ \t]*no[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_HOSTNAME_MISMATCH = "num=62:"

Warn = Callable[[str], None]


class Strictness(enum.IntEnum):
    """How strictly a wish for REQUIRETLS is taken."""

    ERROR = -1
    """Nobody knows, since a table did not answer sensibly."""
    DISABLE = 0
    OPPORTUNISTIC = 1
    STARTTLS = 2
    ENFORCE = 3


_WORDS = {
    "enforce": Strictness.ENFORCE,
    "opportunistic+starttls": Strictness.STARTTLS,
    "opportunistic": Strictness.OPPORTUNISTIC,
    "disable": Strictness.DISABLE,
    "error": Strictness.ERROR,
}


@dataclass(frozen=True, slots=True)
class RequiredTls:
    """What the settings say.  `members` are actions and tables, asked in this order; None where REQUIRETLS is off."""

    title: str
    members: tuple[Strictness | Table, ...] | None
    heeds_header: bool
    warn: Warn

    def judge(self, domain: str) -> Strictness:
        """How strictly it is taken at a domain: a next hop without brackets and port.  Nothing that fits means `enforce`."""
        if self.members is None:
            return Strictness.DISABLE
        name = domain if domain.isascii() else to_ascii(domain)
        if name is None:
            self.warn(f"{self.title}: malformed next-hop destination: '{domain}' -- using default policy 'enforce'")
            return Strictness.ENFORCE
        for member in self.members:
            if isinstance(member, Strictness):
                return member
            try:
                action = _ask(member, name)
            except TableTrouble as trouble:
                self.warn(f"{self.title}: {trouble}")
                return Strictness.ERROR
            if action is not None:
                return self._understand(member.title, action)
        return Strictness.ENFORCE

    def _understand(self, title: str, action: str) -> Strictness:
        found = _WORDS.get(action.lower())
        if found is None:
            self.warn(f"table {title}: lookup result \"{action[:100]}\" is no action -- ignoring remainder of policy")
            return Strictness.ERROR
        return found


def open_required_tls(settings: Settings, warn: Warn) -> RequiredTls:
    """Read the settings and open the tables.  Raises `WrongConfiguration`."""
    title = f"{settings.transport.value}_requiretls_policy"
    members: list[Strictness | Table] = []
    for word in settings.smtp_requiretls_policy:
        if ":" in word:
            members.append(open_table(word, warn=warn))
        elif word.lower() in _WORDS:
            members.append(_WORDS[word.lower()])
        else:
            known = ", ".join(_WORDS)
            raise WrongConfiguration(f"{title}: unknown policy action: '{word}'; there are {known}, and tables")
    chosen = tuple(members) if settings.requiretls_enable else None
    return RequiredTls(title, chosen, settings.tls_required_enable, warn)


def _ask(table: Table, name: str) -> str | None:
    """The first answer for a name or, in tables of fixed keys, for `.parent`.  Raises `TableTrouble`."""
    is_whole = is_valid_address(name) or not takes_partial_keys(table)
    while name:
        found = table.find(name)
        if found is not None or is_whole:
            return found
        position = name.find(".", 1)
        name = name[position:] if position > 0 else ""
    return None


def says_no_tls_required(content: Content) -> bool:
    """Whether the header section has `TLS-Required: no`; no where it cannot be read."""
    head = bytearray()
    try:
        for chunk in content.chunks():
            head += chunk
            if b"\r\n\r\n" in head or len(head) >= HEADER_LIMIT_OCTETS:
                break
    except (ContentUnreadable, ContentDamaged):
        return False
    return _TLS_REQUIRED_NO.search(bytes(head).partition(b"\r\n\r\n")[0]) is not None


class Complaint(NamedTuple):
    """Why a server will not do: an enhanced status code and a text."""

    status: str
    text: str


def object_to_level(strictness: Strictness, level: TlsLevel, host: str) -> Complaint | None:
    """Why a level is too weak for the sender's wish, or None."""
    if strictness is Strictness.ERROR:
        text = f"REQUIRETLS policy configuration error. The last attempted server was {host}"
        return Complaint(REQUIRETLS_UNDECIDED, text)
    if strictness is Strictness.ENFORCE and not level.must_match:
        what = "certificate matching"
    elif strictness is Strictness.STARTTLS and level is TlsLevel.NONE:
        what = "encryption"
    else:
        return None
    return Complaint(
        REQUIRETLS_REFUSED,
        f"Sender requested REQUIRETLS, but my configured TLS security level '{level.word}' disables {what}."
        f" The last attempted server was {host}",
    )


def note_level(strictness: Strictness, level: TlsLevel, host: str) -> str:
    """What the log says of a level that does, and that would not if the wish were enforced; empty for nothing."""
    if strictness is not Strictness.STARTTLS or level is TlsLevel.NONE or level.must_match:
        return ""
    return (
        f"Sender requested REQUIRETLS, but my configured TLS security level '{level.word}' disables certificate matching."
        f" The last attempted server was {host}"
    )


def object_to_server(strictness: Strictness, offered: Capabilities, peer: str) -> Refusal | None:
    """Asked inside TLS: why a server that announces this will not do."""
    if strictness is not Strictness.ENFORCE or offered.requiretls:
        return None
    text = (
        "Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS."
        f" The last attempted server was {peer}"
    )
    return Refusal(Scope.MESSAGE, REQUIRETLS_UNSUPPORTED, text, soft_before_last=True)


def restate(refusal: Refusal, strictness: Strictness, facts: TlsFacts | None, peer: str) -> Refusal:
    """A refusal of the TLS level, as it reads where the sender's wish stands in the way as well."""
    if strictness < Strictness.STARTTLS:
        return refusal
    if refusal.status == status_code.TLS_NOT_OFFERED and refusal.reply is None:
        status, text = REQUIRETLS_UNSUPPORTED, f"Sender requested REQUIRETLS, but TLS service was not offered by host {peer}"
    elif facts is None and refusal.reply is not None and refusal.text.startswith("TLS is required, but host "):
        status = REQUIRETLS_REFUSED
        text = f"Sender requested REQUIRETLS, but host {peer} refused to start TLS: {refusal.reply.text}"
    elif strictness is Strictness.ENFORCE and refusal.reply is None and facts is not None and _is_unproved(refusal, facts):
        kind = "matching" if _HOSTNAME_MISMATCH in facts.peer.problem else "trusted"
        status = REQUIRETLS_REFUSED
        text = (
            f"Sender requested REQUIRETLS, but no {kind} server certificate was found."
            f" The last attempted server was {peer}"
        )
    else:
        return refusal
    return Refusal(Scope.MESSAGE, status, text, soft_before_last=True)


def _is_unproved(refusal: Refusal, facts: TlsFacts) -> bool:
    return refusal.status == status_code.TLS_NOT_VERIFIED and facts.level.must_match and not facts.peer.matched
