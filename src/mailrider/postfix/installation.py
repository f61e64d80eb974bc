"""What a Postfix installation says of itself: where its queue is, who owns it, how its services are called.

Most of these parameters mean nothing outside of Postfix, so they are not in the catalogue of settings; their defaults
are those of Postfix 3.7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mailrider.errors import WrongConfiguration
from mailrider.postfix.queue_file import Hashing
from mailrider.settings import Settings

ANSWER_LIMIT_SECONDS: Final = 600.0
"""A service of ours that is silent for so long is not going to answer; `ipc_timeout` is an hour by default."""

HASH_DEPTH_LIMIT: Final = 3
"""As in Postfix."""

USUAL_RELEASE: Final = (3, 7)
"""What a Postfix is taken for that does not tell."""

# From which release on Postfix's programs talk in another way.
ANNOUNCES_PROTOCOL: Final = (3, 6)
CACHES_PORT: Final = (3, 8)
CACHES_REQUIREMENTS: Final = (3, 11)
PROXIES_FLAGS: Final = (3, 11)

_DEFAULTS: Final = {
    "address_verify_negative_cache": "yes",
    "address_verify_service_name": "verify",
    "bounce_service_name": "bounce",
    "cleanup_service_name": "cleanup",
    "defer_service_name": "defer",
    "fast_flush_domains": "$relay_domains",
    "flush_service_name": "flush",
    "hash_queue_depth": "1",
    "mail_owner": "postfix",
    "postlog_service_name": "postlog",
    "proxymap_service_name": "proxymap",
    "trace_service_name": "trace",
}
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Installation:
    """One instance of Postfix.  Paths of services are relative to its queue directory, where an agent works."""

    queue_directory: str
    mail_owner: str
    bounce_service: str
    defer_service: str
    trace_service: str
    verify_service: str
    flush_service: str
    postlog_service: str
    proxymap_service: str
    fast_flush_domains: str
    caches_negative_probes: bool
    hashing: Hashing
    answer_seconds: float
    release: tuple[int, int] = USUAL_RELEASE

    @property
    def announces(self) -> bool:
        """Whoever is connected to says first which protocol he speaks."""
        return self.release >= ANNOUNCES_PROTOCOL


def read_installation(settings: Settings, *, release: tuple[int, int] = USUAL_RELEASE) -> Installation:
    """Raises `WrongConfiguration`."""

    def text(name: str) -> str:
        return settings.text(name) if settings.is_set(name) else _DEFAULTS[name]

    flush_domains = text("fast_flush_domains")
    depth = text("hash_queue_depth")
    if not depth.isdigit() or not 1 <= int(depth) <= HASH_DEPTH_LIMIT:
        raise WrongConfiguration(f"hash_queue_depth = {depth[:20]}: expected 1 to {HASH_DEPTH_LIMIT}")
    return Installation(
        queue_directory=settings.queue_directory,
        mail_owner=text("mail_owner"),
        bounce_service=text("bounce_service_name"),
        defer_service=text("defer_service_name"),
        trace_service=text("trace_service_name"),
        verify_service=text("address_verify_service_name"),
        flush_service=text("flush_service_name"),
        postlog_service=text("postlog_service_name"),
        proxymap_service=text("proxymap_service_name"),
        fast_flush_domains=settings.text("relay_domains") if flush_domains == "$relay_domains" else flush_domains,
        caches_negative_probes=text("address_verify_negative_cache").lower() != "no",
        hashing=Hashing(frozenset(name.lower() for name in settings.hash_queue_names), int(depth)),
        answer_seconds=min(settings.ipc_timeout, ANSWER_LIMIT_SECONDS),
        release=release,
    )


def read_release(version: str) -> tuple[int, int]:
    """The release that a version is of: (3, 7) of `3.7.11`, (3, 12) of `3.12-20260821`; the usual one of what is neither."""
    match = _VERSION.match(version)
    return USUAL_RELEASE if match is None else (int(match[1]), int(match[2]))
