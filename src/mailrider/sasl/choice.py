"""Which mechanism is used, of those that a server offers.

The order is that in which Cyrus SASL 2.1.28 chooses, measured with all of its mechanisms against each other, with three
additions at places of their own: `-PLUS` forms, which need a TLS connection to bind to, go before all others of their
kind; GSSAPI goes first; bearer tokens come after passwords.

What the operator has to allow by name (`smtp_sasl_extra_mechanisms`): EXTERNAL, GSSAPI, OAUTHBEARER, XOAUTH2.  As with
Cyrus SASL, a server that offers EXTERNAL and nothing stronger is one that smtp(8) cannot log in to, even if it offers
PLAIN too; the remedy there, `smtp_sasl_mechanism_filter = !external, static:all`, is one here.

The security options rule out mechanisms that do not have a property:

=================  ===========================================================================================
`noplaintext`      what was overheard does not give the password or token away
`noactive`         nor does what a false server gets to see
`nodictionary`     nor can the password be guessed from it offline
`noanonymous`      somebody logs in
`mutual_auth`      the server proves that it knows us
`forward_secrecy`  a password that is found out later does not open sessions of today: no mechanism here
=================  ===========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailrider.sasl import kerberos, ntlm
from mailrider.sasl.bearer import OAuthBearer, XOAuth2
from mailrider.sasl.cram_md5 import CramMd5
from mailrider.sasl.digest_md5 import DigestMd5
from mailrider.sasl.mechanism import FAILURE, NO_MECHANISM, Identity, Mechanism
from mailrider.sasl.scram import DIGESTS, PLUS, Scram
from mailrider.sasl.simple import Anonymous, External, Login, Plain
from mailrider.settings.catalogue.login import EXTRA_MECHANISMS

_STRONG = frozenset(("noplaintext", "noactive", "noanonymous", "mutual_auth"))
_DIGEST = frozenset(("noplaintext", "noanonymous"))

Maker = Callable[[Identity], Mechanism]


def _make_scram(name: str) -> Maker:
    if not name.endswith(PLUS):
        return lambda identity: Scram(identity, name)
    return lambda identity: Scram(identity, name, identity.bindings[0])


@dataclass(frozen=True, slots=True)
class Kind:
    """A mechanism as the choice sees it.

    `takes_token`: it takes a bearer token, which others have no use for.  `package`: what has to be installed for it.
    """

    name: str
    properties: frozenset[str]
    make: Maker
    takes_token: bool = False
    package: str = ""

    @property
    def is_extra(self) -> bool:
        """Only where it is allowed by name."""
        return self.name.lower() in EXTRA_MECHANISMS

    @property
    def is_there(self) -> bool:
        """Whether the package that it needs is installed."""
        return {"gssapi": kerberos.is_there, "pyspnego": ntlm.is_there}.get(self.package, bool)() if self.package else True


_SCRAMS = sorted(DIGESTS, key=lambda name: int(name.rpartition("-")[2]), reverse=True)
_SCRAMS.remove("SCRAM-SHA-1")
_SCRAMS.append("SCRAM-SHA-1")  # its number is no size

KINDS: tuple[Kind, ...] = (
    Kind("GSSAPI", _STRONG, kerberos.Gssapi, package="gssapi"),
    *(Kind(name + PLUS, _STRONG, _make_scram(name + PLUS)) for name in _SCRAMS),
    *(Kind(name, _STRONG, _make_scram(name)) for name in _SCRAMS),
    Kind("DIGEST-MD5", frozenset(("noplaintext", "noanonymous", "mutual_auth")), DigestMd5),
    Kind("EXTERNAL", frozenset(("noplaintext", "noanonymous", "nodictionary")), External),
    Kind("CRAM-MD5", _DIGEST, CramMd5),
    Kind("NTLM", _DIGEST, ntlm.Ntlm, package="pyspnego"),
    Kind("PLAIN", frozenset(("noanonymous",)), Plain),
    Kind("LOGIN", frozenset(("noanonymous",)), Login),
    Kind("OAUTHBEARER", frozenset(("noanonymous",)), OAuthBearer, takes_token=True),
    Kind("XOAUTH2", frozenset(("noanonymous",)), XOAuth2, takes_token=True),
    Kind("ANONYMOUS", frozenset(("noplaintext",)), Anonymous),
)
"""All mechanisms, the preferred ones first."""

_NAME = re.compile(r"[A-Z0-9_-]+")


class NoMechanism(NamedTuple):
    """Why none can be used: the reason as the bounce has it, and what the log says besides."""

    reason: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a mechanism must be: `demands` are security options, `allowed` are extra mechanisms in lower case."""

    demands: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def read_offer(words: Iterable[str]) -> frozenset[str]:
    """The mechanisms in a server's list.  Names are read as Cyrus SASL reads them: any other character ends one."""
    return frozenset(_NAME.findall(" ".join(words).upper()))


def choose_mechanism(
    offered: Sequence[str], rules: Rules, identity: Identity, *, has_token: bool = False
) -> Mechanism | NoMechanism:
    """The best mechanism for this identity.  `has_token`: its secret is a bearer token and no password."""
    names = read_offer(offered)
    warnings: list[str] = []
    for kind in KINDS:
        if kind.name not in names or not rules.demands <= kind.properties:
            continue
        if kind.name.endswith(PLUS) and not identity.bindings:
            continue
        if has_token and not kind.takes_token:
            continue
        if kind.is_extra and kind.name.lower() not in rules.allowed:
            if kind.name == "EXTERNAL":
                text = "EXTERNAL is offered and not in smtp_sasl_extra_mechanisms; smtp_sasl_mechanism_filter can hide it"
                return NoMechanism(NO_MECHANISM, (text,))
            continue
        if not kind.is_there:
            extra = kind.name.lower()
            warnings.append(f"SASL mechanism {kind.name} needs the package {kind.package}: pip install mailrider[{extra}]")
            continue
        return kind.make(identity)
    return NoMechanism(NO_MECHANISM, (*warnings, FAILURE + "No worthy mechs found"))
