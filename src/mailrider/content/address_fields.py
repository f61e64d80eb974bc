"""Rewriting the addresses of one header field (`smtp_generic_maps`).

A field without an address that changes is not touched at all.  One with such an address is written anew: all of its
addresses in the simplest quoting, comments behind the address they stood in, folded at `address_lists.FOLD_OCTETS`.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.content.address_lists import find_addresses, fold_list, write_list
from mailrider.content.address_tokens import Sort, Token, is_plain, join_inside, quote_address, tokenize

Rewrite = Callable[[str], str | None]
"""An address in its inside form to another, or None where it stays.  Raises `errors.TableTrouble`."""


def rewrite_field(name_octets: int, field: bytes, rewrite: Rewrite, warn: Callable[[str], None]) -> list[bytes] | None:
    """The lines of the rewritten field, or None where nothing changes.

    `name_octets` is the length of its name without the colon.
    """
    changed = False
    tokens: list[Token] = []
    for element in find_addresses(tokenize(field[name_octets + 1 :])):
        if isinstance(element, Token):
            tokens.append(element)
            continue
        inside = join_inside(element, spaced=False)
        rewritten = rewrite(inside.decode("utf-8", "surrogateescape"))
        if rewritten is not None:
            changed = True
            inside = rewritten.encode("utf-8", "surrogateescape")
        tokens.append(Token(Sort.ADDRESS, _write_address(inside)))
    return fold_list(write_list(field[:name_octets] + b": ", tokens, warn)) if changed else None


def _write_address(inside: bytes) -> bytes:
    """The outside form, with words that were separated by more than a blank, or by none, separated by one."""
    if is_plain(inside):
        return inside
    return quote_address(join_inside(tokenize(quote_address(inside)), spaced=True))
