"""How much is logged of TLS (`smtp_tls_loglevel`): a number, or names of single features; for single servers by tables.

`smtp_tls_loglevel_maps` is asked for the server's name, then for `.parent` of it (`parent` where
`parent_domain_matches_subdomains` names the parameter), then for its address and the networks that it begins with
(`192.0.2`, `192.0`, `192`).  The first answer counts; `DUNNO` ends the search without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mailrider.errors import TableTrouble
from mailrider.model.server import Family, Server
from mailrider.resolver.hostname import is_valid_address, to_ascii
from mailrider.settings import Settings
from mailrider.tables.maps import Maps, open_maps

Warn = Callable[[str], None]


class TlsLog(NamedTuple):
    """`summary`: one line for each handshake.  `untrusted`: why a certificate is not trusted, though nobody demands that it is.

    `certificates`: names and digests of what the server showed.  `matches`: by what it was matched.
    `trace`: what goes over the line is written into a file.
    """

    summary: bool = False
    untrusted: bool = False
    certificates: bool = False
    matches: bool = False
    trace: bool = False


_ALL = TlsLog(summary=True, certificates=True, matches=True)
_LEVELS = {
    "0": TlsLog(), "none": TlsLog(), "1": TlsLog(summary=True), "routine": TlsLog(summary=True), "2": _ALL, "debug": _ALL,
    "3": _ALL, "ssl-expert": _ALL, "4": _ALL, "ssl-developer": _ALL,
    "summary": TlsLog(summary=True), "untrusted": TlsLog(untrusted=True), "peercert": TlsLog(certificates=True),
    "certmatch": TlsLog(matches=True), "verbose": TlsLog(certificates=True, matches=True), "trace": TlsLog(trace=True),
}  # fmt: skip


def read_loglevel(words: Iterable[str]) -> TlsLog:
    """All features of all words; those of Postfix that show the insides of its library have nothing to show here."""
    chosen = [_LEVELS.get(word, TlsLog()) for word in words]
    return TlsLog(*(any(feature) for feature in zip(*chosen, strict=True))) if chosen else TlsLog()


class TlsLogLevels:
    """What is logged of the TLS of each server.  `common` is for those that no table knows."""

    __slots__ = ("_maps", "_parents", "_warn", "common")

    def __init__(self, common: TlsLog, maps: Maps | None, *, parents: bool, warn: Warn) -> None:
        self.common = common
        self._maps = maps
        self._parents = parents
        self._warn = warn

    def find(self, server: Server) -> TlsLog:
        """For one server.  A table that cannot answer is no reason not to deliver."""
        if self._maps is None:
            return self.common
        try:
            found = self._look_up(self._maps, server)
        except TableTrouble as trouble:
            self._warn(str(trouble))
            return self.common
        if found is None or found.strip().upper() == "DUNNO":
            return self.common
        words = found.replace(",", " ").lower().split()
        words = ["4" if word in _MORE_THAN_ALL else word for word in words]
        unknown = [word for word in words if word not in _KNOWN]
        if unknown:
            self._warn(f"{self._maps.title}: unknown TLS log level {unknown[0][:40]!r} for {server.relay}")
        return read_loglevel(words)

    def _look_up(self, maps: Maps, server: Server) -> str | None:
        for key, partial in _keys(server, parents=self._parents):
            found = maps.find(key, partial=partial)
            if found is not None:
                return found
        return None


_MORE_THAN_ALL = frozenset("56789")
_KNOWN = frozenset(
    (*_LEVELS, "cache", "dane", "ssl-debug", "ssl-handshake-packet-dump", "ssl-session-packet-dump")
)  # fmt: skip


def _keys(server: Server, *, parents: bool) -> Iterator[tuple[str, bool]]:
    """The keys of a server, and whether each is only a part of what is looked for."""
    name = to_ascii(server.host) or ""
    if not is_valid_address(server.host) and server.host:
        key, partial = name, False
        while key:
            yield key, partial
            dot = key.find(".", 1)
            key, partial = (key[dot + (1 if parents else 0) :] if dot > 0 else ""), True
    if server.family is Family.UNIX:
        return
    separator = ":" if ":" in server.address else "."
    key, partial = server.address, False
    while key:
        yield key, partial
        key, partial = key.rpartition(separator)[0], True


def open_loglevels(settings: Settings, warn: Warn) -> TlsLogLevels:
    """`smtp_tls_loglevel` and `smtp_tls_loglevel_maps`.  Raises `WrongConfiguration`."""
    maps = None
    if settings.smtp_tls_loglevel_maps:
        title = f"{settings.transport.value}_tls_loglevel_maps"
        tables = " ".join(settings.smtp_tls_loglevel_maps)
        maps = open_maps(title, tables, warn=warn, find_parameter=settings.find_text)
    parents = "smtp_tls_loglevel_maps" in settings.parent_domain_matches_subdomains
    return TlsLogLevels(read_loglevel(settings.smtp_tls_loglevel), maps, parents=parents, warn=warn)
