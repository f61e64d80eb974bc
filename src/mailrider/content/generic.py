"""Generic maps: addresses of this site as the world may see them (generic(5), `smtp_generic_maps`).

The keys that are tried for `user+ext@domain`, in their outside form:

1. `user+ext@domain`
2. `user@domain`
3. `user+ext` and `user`, where the domain is one of our own
4. `@domain`

A result `@other` keeps the user; any other result is an address, whose missing domain is filled in as Postfix's
trivial-rewrite(8) does.  An extension that had to be taken off for a match is put on again where
`propagate_unmatched_extensions` holds `generic`.  The null address is never looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailrider.content.address_lists import find_addresses, outside_form
from mailrider.content.address_tokens import (
    COMMA,
    Token,
    is_plain,
    quote_address,
    quote_local_part,
    tokenize,
    unquote_address,
)
from mailrider.content.whole_address import WITHOUT_ORIGIN, Completion
from mailrider.errors import TableTrouble


class AddressTable(Protocol):
    """What `tables.maps.Maps` is."""

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """The value; a `partial` key is not shown to tables of patterns.  Raises `errors.TableTrouble`."""


def knows_no_domain(domain: str) -> bool:
    """For those who have no domains of their own."""
    return False


def ignore(text: str) -> None:
    """For those who hear no warnings."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """How an extension is set off from the user name (`recipient_delimiter`), and when it is carried over.

    `never_split`: names in lower case that have no extension whatever they hold.  `owner_request_special` exempts
    `owner-list` and `list-request`.
    """

    delimiters: str = ""
    propagate: bool = False
    owner_request_special: bool = True
    never_split: frozenset[str] = frozenset(("postmaster", "mailer-daemon", "double-bounce"))

    def split(self, address: str) -> tuple[str, str]:
        """The address without its extension, and the extension with its delimiter; empty where there is none."""
        local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
        lower = local.lower()
        special = lower.startswith("owner-") or (lower.endswith("-request") and len(lower) > len("-request"))
        if lower in self.never_split or (special and self.owner_request_special and "-" in self.delimiters):
            return address, ""
        length = next((index for index, letter in enumerate(local) if letter in self.delimiters), 0)
        return (local[:length] + at + domain, local[length:]) if length else (address, "")


@dataclass(frozen=True, slots=True)
class Generic:
    """The rewriting of one transport.

    `own_domain` knows the domains whose users may be looked up without one (`myorigin`, `mydestination`, our own
    addresses in brackets).
    """

    table: AddressTable
    extensions: Extensions = Extensions()
    completion: Completion = WITHOUT_ORIGIN
    own_domain: Callable[[str], bool] = knows_no_domain
    title: str = "smtp_generic_maps"
    warn: Callable[[str], None] = ignore

    def rewrite(self, address: str) -> str | None:
        """Inside form to inside form, or None where no entry applies.  Raises `errors.TableTrouble`."""
        if not address:
            return None
        value, extension = self._search(address)
        if value is None:
            return None
        if value.startswith("@"):
            user = address.rpartition("@")[0] if "@" in address else address
            result = quote_address(_encode(user[: len(user) - len(extension)] + value))
        else:
            result = _encode(value)
        if is_plain(result):
            return self._extend(_decode(result), extension)
        results = [self._extend(self._complete(tokens), extension) for tokens in _addresses_in(result)]
        if not results:
            raise TableTrouble(f'{self.title} lookup of {address} returns non-address result "{value}"')
        if len(results) > 1:
            self.warn(f"multi-valued {self.title} result for {address}")
        return results[0]

    def _search(self, address: str) -> tuple[str | None, str]:
        """The value of the first key that has one, and the extension that was left out."""
        bare, extension = self.extensions.split(address)
        if (value := self._find(quote_address, address, partial=False)) is not None:
            return value, ""
        if extension and (value := self._find(quote_address, bare)) is not None:
            return value, extension
        if "@" not in address:
            return None, ""
        local, _, domain = address.rpartition("@")
        if self.own_domain(domain.removesuffix(".") or domain):
            if (value := self._find(quote_local_part, local)) is not None:
                return value, ""
            if extension and (value := self._find(quote_local_part, bare.rpartition("@")[0])) is not None:
                return value, extension
        return self.table.find("@" + domain, partial=True), ""

    def _find(self, quote: Callable[[bytes], bytes], text: str, *, partial: bool = True) -> str | None:
        return self.table.find(_decode(quote(_encode(text))), partial=partial)

    def _complete(self, tokens: list[Token]) -> str:
        """An address of a result, complete, in its inside form."""
        outside = b"".join([b", " if token == COMMA else outside_form(token) for token in tokens])
        return _decode(unquote_address(self.completion.complete(outside)))

    def _extend(self, address: str, extension: str) -> str:
        """The address with the extension that was left out."""
        if not (extension and self.extensions.propagate):
            return address
        local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
        return local + extension + at + domain


def _addresses_in(text: bytes) -> list[list[Token]]:
    """The addresses of a table's result."""
    elements = find_addresses(tokenize(b'""' if text == b"<>" else text))
    return [element for element in elements if isinstance(element, list)]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
