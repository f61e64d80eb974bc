"""XFORWARD: who submitted the message, for a content filter behind us (Postfix XFORWARD_README).

Two commands at most: where the client is, and what it said.  An attribute is sent where the server lists it and there is
something to say.  What is not known (`unknown`, `[UNAVAILABLE]`, absent) is left out; the origin is always told, since local
mail is a statement too.  Values are xtext.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailrider.model.address import to_octets
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.stage import XFORWARD_HELO, XFORWARD_NAME, Stage

VALUE_LIMIT_OCTETS = 255
"""What Postfix lets an attribute hold; a longer one is cut."""

_UNAVAILABLE = "[unavailable]"
_UNKNOWN = "unknown"
_FIRST = ("NAME", "ADDR", "PORT")
_SECOND = ("PROTO", "HELO", "IDENT", "SOURCE")
_MAY_BE_UNKNOWN = frozenset({"HELO", "IDENT", "SOURCE"})
_SPECIAL = re.compile(rb"[^!-*,-~]")


def forward_client(client: Mapping[str, str], queue_id: str, offered: Capabilities) -> tuple[tuple[Stage, bytes], ...]:
    """The commands that tell a server about `client` (keys: name, addr, port, proto, helo, ident, source).

    Mail from a client that gave no identity is known by our queue id; mail without a client is local and has none.
    """
    if not offered.xforward:
        return ()
    values = {name.upper(): value for name, value in client.items() if _is_known(name.upper(), value)}
    if client:
        values.setdefault("IDENT", queue_id)
    source = values.get("SOURCE", "LOCAL").upper()
    values["SOURCE"] = source if source == "LOCAL" else "REMOTE"
    if values.get("ADDR", "").lower().startswith("ipv6:"):
        values["ADDR"] = "IPv6:" + values["ADDR"][5:]
    commands = []
    for stage, names in ((XFORWARD_NAME, _FIRST), (XFORWARD_HELO, _SECOND)):
        words = [_attribute(name, values[name]) for name in names if name in offered.xforward and name in values]
        if words:
            commands.append((stage, b"XFORWARD " + b" ".join(words) + b"\r\n"))
    return tuple(commands)


def _is_known(name: str, value: str) -> bool:
    if not value or value.lower() == _UNAVAILABLE:
        return False
    return name in _MAY_BE_UNKNOWN or value.lower() != _UNKNOWN


def _attribute(name: str, value: str) -> bytes:
    octets = to_octets(value)[:VALUE_LIMIT_OCTETS]
    return name.encode() + b"=" + _SPECIAL.sub(lambda match: b"+%02X" % match.group()[0], octets)
