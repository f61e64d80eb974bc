"""MTA-STS policies that were fetched, in memory and in a folder, so that they outlive the process (RFC 8461 §5.1).

A policy protects from the second delivery on, and only while it is remembered: a restart must not forget it.  Each domain has a
JSON file of its own (`id`, `fetched` in seconds since 1970, `policy` as it came), which is replaced as a whole by renaming, so
that several processes may use one folder.  A file that cannot be understood counts as none; nothing in the folder is trusted to
be well-formed.  Where the folder cannot be written, that is said once and policies live as long as the process.

The folder and the memory hold `limit` policies each; the oldest make place for new ones.

Known fault: files are not synced, so a power failure may lose what was fetched in the last seconds.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mailrider.trust.mta_sts import POLICY_LIMIT_OCTETS, StsPolicy, parse_policy

FILE_LIMIT_OCTETS = 6 * POLICY_LIMIT_OCTETS + 4096
"""A policy, each octet of which JSON may write as six, and what stands beside it."""

NAME_LIMIT_CHARACTERS = 200
"""Longer domains have files that are named for their digest: a file name has 255 octets at most."""

ROOM_SHARE = 10
"""One in so many policies goes when the folder is full, so that it is not listed for each new one."""

_SUFFIX = ".json"


class KeptPolicy(NamedTuple):
    """A policy with its id, its text, and when it was fetched (seconds since the epoch)."""

    domain: str
    id: str
    policy: StsPolicy
    text: str
    fetched_seconds: float

    @property
    def expires_seconds(self) -> float:
        """When it is forgotten, if it is not fetched again."""
        return self.fetched_seconds + self.policy.max_age_seconds

    def is_old(self, now_seconds: float) -> bool:
        """Whether it is past the middle of its life, and lives."""
        return self.policy.max_age_seconds / 2 < now_seconds - self.fetched_seconds < self.policy.max_age_seconds


class PolicyStore:
    """Policies by domain (A-labels in lower case).  `directory` is empty for "in memory only"."""

    __slots__ = ("_count", "_directory", "_limit", "_memory", "_warn")

    def __init__(self, directory: str, limit: int, warn: Callable[[str], None]) -> None:
        self._directory = directory
        self._limit = limit
        self._warn = warn
        self._memory: dict[str, KeptPolicy] = {}
        self._count: int | None = None  # files in the folder, as far as we know

    def find(self, domain: str, now_seconds: float) -> KeptPolicy | None:
        """The policy of a domain, if one is kept that has not expired."""
        kept = self._memory.get(domain)
        if kept is None or kept.expires_seconds <= now_seconds:
            kept = self._read(domain, now_seconds)  # another process may have fetched it
            if kept is None:
                return None
            self._remember(kept)
        return kept if kept.expires_seconds > now_seconds else None

    def keep(self, kept: KeptPolicy) -> None:
        """Keep a policy in the place of what was there for its domain."""
        self._remember(kept)
        if self._directory:
            self._write(kept)

    def look_through(self, now_seconds: float, after: str = "") -> Iterator[tuple[str, KeptPolicy | None]]:
        """Every name in memory or in the folder, in their order from behind `after` and round.

        With it the policy, where it is past the middle of its life and has not expired.  One file is read for each step, so
        that a caller who has other things to do can do them in between.
        """
        known = {_stem(domain): kept for domain, kept in self._memory.items()}
        names = sorted(known.keys() | {os.path.basename(path).removesuffix(_SUFFIX) for path in self._files()})
        first = bisect.bisect_right(names, after)
        for name in names[first:] + names[:first]:
            path = os.path.join(self._directory, name + _SUFFIX)
            candidates = (known.get(name), self._load(path, now_seconds) if self._directory else None)
            latest = max(filter(None, candidates), key=lambda one: one.fetched_seconds, default=None)
            yield name, latest if latest is not None and latest.is_old(now_seconds) else None

    # -- memory ----------------------------------------------------------------------------------------------------

    def _remember(self, kept: KeptPolicy) -> None:
        self._memory.pop(kept.domain, None)
        while len(self._memory) >= self._limit:
            del self._memory[next(iter(self._memory))]
        self._memory[kept.domain] = kept

    # -- the folder ------------------------------------------------------------------------------------------------

    def _path(self, domain: str) -> str:
        return os.path.join(self._directory, _stem(domain) + _SUFFIX)

    def _read(self, domain: str, now_seconds: float) -> KeptPolicy | None:
        if not self._directory:
            return None
        kept = self._load(self._path(domain), now_seconds)
        return kept if kept is not None and kept.domain == domain else None

    def _load(self, path: str, now_seconds: float) -> KeptPolicy | None:
        try:
            with open(path, "rb") as file:
                octets = file.read(FILE_LIMIT_OCTETS + 1)
            return _understand(json.loads(octets), now_seconds) if len(octets) <= FILE_LIMIT_OCTETS else None
        except (OSError, ValueError, RecursionError):
            return None

    def _write(self, kept: KeptPolicy) -> None:
        temporary = ""
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            self._make_room()
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self._directory)
            with open(handle, "w", encoding="utf-8") as file:
                json.dump({"domain": kept.domain, "id": kept.id, "fetched": kept.fetched_seconds, "policy": kept.text}, file)
                file.write("\n")
            path = self._path(kept.domain)
            is_new = not os.path.exists(path)
            os.replace(temporary, path)
            temporary = ""
            if is_new and self._count is not None:
                self._count += 1
        except OSError as trouble:
            self._warn(
                f"MTA-STS policies cannot be kept in {self._directory}: {trouble.strerror or trouble}; they will be forgotten"
                " when this process ends"
            )
            self._directory = ""
        finally:
            if temporary:
                _remove(temporary)

    def _make_room(self) -> None:
        """Let the oldest files go when the folder is full."""
        if self._count is None or self._count >= self._limit:
            files = list(self._files())
            self._count = len(files)
            if self._count >= self._limit:
                goes = self._count - self._limit + max(1, self._limit // ROOM_SHARE)
                for path in sorted(files, key=_modified_seconds)[:goes]:
                    _remove(path)
                    self._count -= 1

    def _files(self) -> Iterator[str]:
        if not self._directory:
            return
        try:
            with os.scandir(self._directory) as entries:
                found = [entry.path for entry in entries if entry.name.endswith(_SUFFIX)]
        except OSError:
            return
        yield from found


def _stem(domain: str) -> str:
    return domain if len(domain) <= NAME_LIMIT_CHARACTERS else hashlib.sha256(domain.encode()).hexdigest()


def _understand(found: object, now_seconds: float) -> KeptPolicy | None:
    """What a file holds, if that makes sense.  A policy from the future counts as fetched now: the clock was set."""
    if not isinstance(found, dict):
        return None
    domain, identity, text, fetched = (found.get(name) for name in ("domain", "id", "policy", "fetched"))
    if not isinstance(domain, str) or not isinstance(identity, str) or not isinstance(text, str):
        return None
    if isinstance(fetched, bool) or not isinstance(fetched, int | float) or not fetched >= 0:
        return None
    policy = parse_policy(text.encode("utf-8", "surrogatepass"))
    if isinstance(policy, str):
        return None
    return KeptPolicy(domain, identity, policy, text, min(float(fetched), now_seconds))


def _modified_seconds(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
