"""How much is logged of TLS (`smtp_tls_loglevel`): a number, or names of single features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class TlsLog(NamedTuple):
    """`summary`: one line for each handshake.  `untrusted`: why a certificate is not trusted, though nobody demands that it is.

    `certificates`: names and digests of what the server showed.  `matches`: by what it was matched.
    """

    summary: bool = False
    untrusted: bool = False
    certificates: bool = False
    matches: bool = False


_ALL = TlsLog(summary=True, certificates=True, matches=True)
_LEVELS = {
    "0": TlsLog(), "none": TlsLog(), "1": TlsLog(summary=True), "routine": TlsLog(summary=True), "2": _ALL, "debug": _ALL,
    "3": _ALL, "ssl-expert": _ALL, "4": _ALL, "ssl-developer": _ALL,
    "summary": TlsLog(summary=True), "untrusted": TlsLog(untrusted=True), "peercert": TlsLog(certificates=True),
    "certmatch": TlsLog(matches=True), "verbose": TlsLog(certificates=True, matches=True),
}  # fmt: skip


def read_loglevel(words: Iterable[str]) -> TlsLog:
    """All features of all words; those of Postfix that show the insides of its library have nothing to show here."""
    chosen = [_LEVELS.get(word, TlsLog()) for word in words]
    return TlsLog(*(any(feature) for feature in zip(*chosen, strict=True))) if chosen else TlsLog()
