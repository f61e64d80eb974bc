"""Who we are to a server: user and password out of `smtp_sasl_password_maps`.

The keys are tried in the order of smtp(8), and the first that has an entry decides:

1. the sender, where `smtp_sender_dependent_authentication` is on, over SMTP, and there is one: `user+ext@domain`,
   `user@domain`, `user+ext` and `user` where the domain is our own, `@domain`;
2. the host name of the server, as the log shows it;
3. the destination, as it stands in the next hop, with its brackets and port.

No entry is no login.  A table that cannot answer is a deferral, so that mail never goes out unauthenticated by mistake.

An entry is `user:password`, parted at the first `smtp_sasl_password_result_delimiter`; without one the password is empty.
Where bearer tokens are in use (`smtp_sasl_extra_mechanisms`), a password that begins with `/` is the name of a token file
(`tokens`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailrider.content.generic import Extensions, knows_no_domain
from mailrider.model.address import quote_local_part
from mailrider.sasl.secret import Secret

FINGERPRINT_KEY_OCTETS = 32
"""As many as the digest has (RFC 2104 §3)."""

NO_EXTENSIONS = Extensions()


class PasswordMaps(Protocol):
    """What `tables.maps.Maps` is."""

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """The value; a `partial` key is not shown to tables of patterns.  Raises `errors.TableTrouble`."""


class Credential(NamedTuple):
    """A user and what proves it: a password, or the name of a file with tokens (then `token_file` is not empty).

    `identity` tells this credential from others without giving it away: connections that are kept for it are found by it.
    """

    user: str
    secret: Secret
    token_file: str
    identity: tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class CredentialRules:
    """How entries are found and read; `extensions` and `own_domain` as in `content.generic`."""

    delimiter: str = ":"
    by_sender: bool = False
    takes_tokens: bool = False
    extensions: Extensions = NO_EXTENSIONS
    own_domain: Callable[[str], bool] = knows_no_domain


class CredentialBook:
    """The password maps, open.  Nothing is kept but what the tables keep."""

    __slots__ = ("_key", "_maps", "_rules")

    def __init__(self, maps: PasswordMaps, rules: CredentialRules) -> None:
        self._maps = maps
        self._rules = rules
        self._key = secrets.token_bytes(FINGERPRINT_KEY_OCTETS)

    def find(self, sender: str, host: str, destination: str) -> Credential | None:
        """The credential for a server, or None.  Raises `errors.TableTrouble`."""
        found = self.find_for_sender(sender)
        if found is not None:
            return found
        value = self._maps.find(host)
        if value is None:
            value = self._maps.find(destination)
        return self._read(value) if value is not None else None

    def find_for_sender(self, sender: str) -> Credential | None:
        """The credential of a sender, whatever the server.  Raises `errors.TableTrouble`."""
        if not (self._rules.by_sender and sender):
            return None
        value = self._search(sender)
        return self._read(value) if value is not None else None

    def _read(self, value: str) -> Credential:
        user, _, password = value.partition(self._rules.delimiter)
        secret = Secret(password)
        token_file = password if self._rules.takes_tokens and password.startswith("/") else ""
        return Credential(user, secret, token_file, (user, secret.fingerprint(self._key)))

    def _search(self, sender: str) -> str | None:
        """An entry for a sender or for a part of it (mail_addr_find(3))."""
        bare, extension = self._rules.extensions.split(sender)
        value = self._find(sender, partial=False)
        if value is None and extension:
            value = self._find(bare)
        if value is not None or "@" not in sender:
            return value
        local, _, domain = sender.rpartition("@")
        if self._rules.own_domain(domain.removesuffix(".") or domain):
            value = self._find(local)
            if value is None and extension:
                value = self._find(bare.rpartition("@")[0])
            if value is not None:
                return value
        return self._maps.find("@" + domain, partial=True)

    def _find(self, address: str, *, partial: bool = True) -> str | None:
        """By the outside form of an address, then by the inside form where that is another."""
        outside = quote_local_part(address)
        value = self._maps.find(outside, partial=partial)
        if value is None and outside != address:
            value = self._maps.find(address, partial=partial)
        return value
