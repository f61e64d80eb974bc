"""Addresses as trivial-rewrite(8) writes them: whole, without a source route, the domain without a dot at its end.

`user` becomes `user@$myorigin`, `site!user` and `user%site` become `user@site` where there is no `@`, and a domain of one word
gets `$mydomain`; each of these can be switched off (postconf(5): `append_at_myorigin`, `swap_bangpath`, `allow_percent_hack`,
`append_dot_mydomain`).  Mail that begins its way here has its addresses written so, in the envelope and in the header, and the
results of `smtp_generic_maps` are.

Never fails.  Known faults: in the inside form, a quoted local part that looks like a source route (`"@a:b"@c`) is taken for
one, as by Postfix.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailrider.content.address_tokens import (
    AT,
    COLON,
    Sort,
    Token,
    is_plain,
    join_inside,
    quote_address,
    tokenize,
    unquote_address,
)
from mailrider.settings import Settings

NULL_SENDER_NAME = "MAILER-DAEMON"
"""Who writes what has no sender."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How an address that is not complete is completed (trivial-rewrite(8), postconf(5)).

    An empty `origin` or `domain` completes nothing: `append_at_myorigin` and `append_dot_mydomain` off.
    """

    origin: str = ""
    domain: str = ""
    swap_bangpath: bool = True
    allow_percent_hack: bool = True

    def complete(self, address: bytes) -> bytes:
        """An address in its outside form, complete."""
        tokens = _strip_route(tokenize(address))
        if not tokens or (len(tokens) == 1 and tokens[0] in (AT, _EMPTY)):
            return b'""'
        if AT not in tokens:
            tokens = self._add_origin(tokens)
        at = _last_index(tokens, AT)
        domain = tokens[at + 1 :]
        if at >= 0 and self.domain and domain and not any(t == _DOT or t.sort is Sort.LITERAL for t in domain):
            tokens += [_DOT, *tokenize(_encode(self.domain))]
        if len(tokens) > 1 and tokens[-1] == _DOT and tokens[-2] not in (_DOT, AT):
            tokens.pop()
        return quote_address(join_inside(tokens, spaced=True))

    def whole(self, address: str) -> str:
        """The same for an address in its inside form; the null address stays."""
        octets = _encode(address)
        if not octets or is_plain(octets):
            return address  # the common address is not taken apart
        return unquote_address(self.complete(quote_address(octets))).decode("utf-8", "surrogateescape")

    def whole_sender(self, address: str) -> str:
        """The same for who sends: whoever sends as MAILER-DAEMON of this site wants no answer (cleanup(8))."""
        whole = self.whole(address)
        if whole[: len(NULL_SENDER_NAME)].upper() == NULL_SENDER_NAME and whole.lower() == self.whole(NULL_SENDER_NAME).lower():
            return ""
        return whole

    def _add_origin(self, tokens: list[Token]) -> list[Token]:
        if self.swap_bangpath and _BANG in tokens:
            bang = tokens.index(_BANG)
            return [*tokens[bang + 1 :], AT, *tokens[:bang]]
        percent = _last_index(tokens, _PERCENT)
        if self.allow_percent_hack and percent >= 0:
            return [*tokens[:percent], AT, *tokens[percent + 1 :]]
        return [*tokens, AT, *tokenize(_encode(self.origin))] if self.origin else tokens


_DOT = Token(Sort.SIGN, b".")
_BANG = Token(Sort.SIGN, b"!")
_PERCENT = Token(Sort.SIGN, b"%")
_EMPTY = Token(Sort.QUOTED, b"")


def _strip_route(tokens: list[Token]) -> list[Token]:
    """Without a source route (`@a,@b:` in front; RFC 5321 appendix C)."""
    if tokens[:1] == [AT] and COLON in tokens[:-1]:
        return tokens[tokens.index(COLON) + 1 :]
    return tokens


def _last_index(tokens: list[Token], token: Token) -> int:
    return len(tokens) - 1 - tokens[::-1].index(token) if token in tokens else -1


def write_orcpt(address: str) -> str:
    """The ORCPT of a recipient whose mail begins its way here (RFC 6533 §3): one that is ASCII needs none of its own."""
    return "" if address.isascii() else f"utf-8;{address}"


WITHOUT_ORIGIN = Completion()
"""For those who know no domain to add."""


def make_completion(settings: Settings) -> Completion:
    """How this site completes addresses."""
    return Completion(
        origin=settings.myorigin if settings.append_at_myorigin else "",
        domain=settings.mydomain if settings.append_dot_mydomain else "",
        swap_bangpath=settings.swap_bangpath,
        allow_percent_hack=settings.allow_percent_hack,
    )


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
