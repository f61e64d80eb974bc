"""Access tokens that are always good for a while: read from files, renewed before they end, kept for next time.

One renewal serves all who wait for it, in this process and, through a lock beside the file, in others.  A renewal that
fails is not tried again for `RETRY_SECONDS`, so a broken endpoint is not asked for every message; until the old token has
ended, it is used.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mailrider.sasl.secret import Secret
from mailrider.trust.token_endpoint import EndpointTerms, ask_for_tokens
from mailrider.trust.token_file import TokenFile, read_tokens, write_tokens

RENEW_BEFORE_SECONDS = 300.0
"""A token that ends sooner is renewed: a login must not meet its end, whatever the clocks say."""

RETRY_SECONDS = 60.0
"""Between a renewal that failed, or that did not help, and the next one."""

LOCK_POLL_SECONDS = 0.2
"""Between looks at a lock that another process holds."""

LOCK_SUFFIX = ".lock"

Warn = Callable[[str], None]

__all__ = ["EndpointTerms", "TokenKeeper"]


class TokenKeeper:
    """The tokens of all accounts.  `now_seconds` is a wall clock, since files are in wall-clock time."""

    def __init__(self, terms: EndpointTerms, now_seconds: Callable[[], float], warn: Warn) -> None:
        self._terms = terms
        self._now_seconds = now_seconds
        self._warn = warn
        self._locks: dict[str, asyncio.Lock] = {}
        self._given: dict[str, Secret] = {}
        self._distrusted: dict[str, Secret] = {}
        self._asked_seconds: dict[str, float] = {}
        self._reasons: dict[str, str] = {}
        self._unsaved: dict[str, TokenFile] = {}
        self._told: set[str] = set()

    async def get(self, path: str) -> Secret | str:
        """An access token; as text, why there is none."""
        async with self._locks.setdefault(path, asyncio.Lock()):
            tokens = self._read(path)
            if isinstance(tokens, str):
                return tokens
            token = self._good_token(path, tokens, RENEW_BEFORE_SECONDS)
            if token is None:
                renewed = await self._renew(path)
                token = renewed if isinstance(renewed, Secret) else self._good_token(path, tokens, 0.0)
                if token is None:
                    assert isinstance(renewed, str)
                    return renewed
            self._given[path] = token
            return token

    def distrust(self, path: str) -> None:
        """A server did not take the token that was given last: it is to be renewed even if it has not ended."""
        if path in self._given:
            self._distrusted[path] = self._given[path]

    def _read(self, path: str) -> TokenFile | str:
        tokens = self._unsaved.get(path) or read_tokens(path)
        if isinstance(tokens, TokenFile) and path not in self._told:
            self._told.add(path)
            if _is_open_to_all(path):
                self._warn(f"token file {path} can be read or written by everybody")
        return tokens

    def _good_token(self, path: str, tokens: TokenFile, margin_seconds: float) -> Secret | None:
        """The token in the file, if it is good for so long."""
        token, expiry = tokens.access_token, tokens.expiry_seconds
        if token is None or token == self._distrusted.get(path):
            return None
        return token if expiry is None or expiry - margin_seconds > self._now_seconds() else None

    async def _renew(self, path: str) -> Secret | str:
        """Ask the endpoint, unless another process has just done so; what comes back is good, or a reason."""
        waited = self._now_seconds() - self._asked_seconds.get(path, float("-inf"))
        if 0 <= waited < RETRY_SECONDS:
            return self._reasons.get(path, "the access token was refused, and has been renewed already")
        async with self._hold_file(path) as trouble:
            if trouble:
                return trouble
            tokens = self._read(path)
            if isinstance(tokens, str):
                return tokens
            if (token := self._good_token(path, tokens, RENEW_BEFORE_SECONDS)) is not None:
                return token
            self._asked_seconds[path] = self._now_seconds()
            return await self._ask(path, tokens)

    async def _ask(self, path: str, tokens: TokenFile) -> Secret | str:
        asked = self._now_seconds()
        given = await ask_for_tokens(tokens, self._terms)
        if isinstance(given, str):
            self._warn(f"token file {path}: {given}")
            self._reasons[path] = given
            return given
        self._reasons.pop(path, None)
        expiry = asked + given.lifetime_seconds if given.lifetime_seconds is not None else None
        renewed = tokens.renewed(given.access_token, expiry, given.refresh_token)
        trouble = write_tokens(path, renewed)
        if trouble:
            self._warn(f"token file {path} cannot be written, new tokens will be lost with this process: {trouble}")
            self._unsaved[path] = renewed
        else:
            self._unsaved.pop(path, None)
        assert renewed.access_token is not None
        return renewed.access_token

    @asynccontextmanager
    async def _hold_file(self, path: str) -> AsyncIterator[str]:
        """Keep other processes from renewing at the same time; gives a reason where that cannot be had."""
        try:
            handle = os.open(path + LOCK_SUFFIX, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as trouble:
            if trouble.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                yield ""  # then nobody writes here, and there is nothing to keep apart
            else:
                yield f"token file {path} cannot be locked: {trouble.strerror}"
            return
        try:
            yield "" if await self._lock(handle) else f"token file {path} is locked by another process"
        finally:
            os.close(handle)

    async def _lock(self, handle: int) -> bool:
        try:
            async with asyncio.timeout(self._terms.timeout_seconds):
                while True:
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        return True
                    except BlockingIOError:
                        await asyncio.sleep(LOCK_POLL_SECONDS)
        except TimeoutError:
            return False


def _is_open_to_all(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:
        return False  # it is gone, which is told when it is read again
