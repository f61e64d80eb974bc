"""Which MTA-STS policy binds a domain now: what is kept, what its TXT record announces, and when to fetch (RFC 8461 §3, §5).

A policy that is kept and has not expired binds, whatever the DNS and the policy host say today: they may be an attacker's.
A new id makes us look again; failing that, the old policy goes on.  A domain without a kept policy gets one chance to
answer, within the time limit of a fetch; what failed is not tried again for five minutes, and mail goes as if there were no
policy, which is all that can be done at the first contact.

Policies are fetched again long before they expire: once a day where there is mail, and past the middle of their life where
there is none.  That happens beside the mail, and failures of it are warned of, except where the policy is of mode none.

Deliveries that wait for one domain wait for one fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from mailrider.clock import Clock
from mailrider.resolver.answer import Resolver, Verdict
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname, to_ascii
from mailrider.trust.mta_sts import Mode, StsPolicy, find_policy_id
from mailrider.trust.mta_sts_fetch import Fetched, FetchTerms, NotFetched, fetch_policy, policy_host
from mailrider.trust.mta_sts_store import KeptPolicy, PolicyStore

RETRY_SECONDS = 300.0
"""How long a policy host that failed is left in peace (RFC 8461 §3.3 suggests five minutes or longer)."""

REFRESH_SECONDS = 86400.0
"""How old a policy is when it is fetched again (RFC 8461 §10.2 suggests once a day)."""

SWEEP_SECONDS = 3600.0
"""How often old policies are looked for."""

SWEEP_LIMIT = 20
"""Policies that are fetched again in one sweep, so that a full cache is no flood; the next sweep goes on behind them."""

FILES_AT_ONCE = 10
"""A millisecond of reading; then deliveries have their turn."""

FAILURES_LIMIT = 10_000
"""Domains whose failure is remembered."""


class StsFinding(NamedTuple):
    """What there is for a domain.  Either there is a policy, or `failure` is why the announced one could not be had."""

    domain: str
    kept: KeptPolicy | None
    failure: NotFetched | None = None

    @property
    def policy(self) -> StsPolicy | None:
        """The policy, if there is one."""
        return self.kept.policy if self.kept is not None else None

    @property
    def enforced(self) -> bool:
        """Whether servers are held to it."""
        return self.kept is not None and self.kept.policy.mode is Mode.ENFORCE


class _Failure(NamedTuple):
    what: NotFetched
    until_seconds: float


class StsPolicies:
    """The policies of domains."""

    __slots__ = (
        "_background", "_clock", "_failures", "_fetching", "_resolver", "_store", "_sweep_seconds", "_swept_to", "_terms",
        "_warn",
    )  # fmt: skip

    def __init__(
        self, resolver: Resolver, store: PolicyStore, terms: FetchTerms, clock: Clock, warn: Callable[[str], None]
    ) -> None:
        self._resolver = resolver
        self._store = store
        self._terms = terms
        self._clock = clock
        self._warn = warn
        self._fetching: dict[str, asyncio.Task[KeptPolicy | NotFetched]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._failures: dict[str, _Failure] = {}
        self._sweep_seconds = clock.monotonic_seconds()
        self._swept_to = ""

    async def find(self, nexthop: str, domain: str) -> StsFinding | None:
        """The policy for a next hop, None where there is none or none may be.

        `nexthop` is as it was written, `domain` without brackets and port.
        """
        name = policy_domain(nexthop, domain)
        if name is None:
            return None
        self._begin_sweep()
        now = self._clock.wall_seconds()
        kept = self._store.find(name, now)
        identity = await self._find_id(name)
        if kept is None and identity is None:
            return None
        if identity is not None and (kept is None or kept.id != identity):
            kept = await self._try_fetch(name, identity) or kept
        elif identity is not None and kept is not None and now - kept.fetched_seconds > _refresh_age(kept):
            self._begin(self._refresh(kept, identity))
        if kept is None:
            failure = self._failures.get(name)
            return StsFinding(name, None, failure.what if failure is not None else None)
        return StsFinding(name, kept)

    async def close(self) -> None:
        """Give up what is still being fetched."""
        tasks: list[asyncio.Task[Any]] = [*self._background, *self._fetching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- fetching --------------------------------------------------------------------------------------------------

    async def _find_id(self, domain: str) -> str | None:
        answer = await self._resolver.ask(f"_mta-sts.{domain}", ("TXT",))
        if answer.verdict is not Verdict.FOUND:
            return None
        return find_policy_id([record.data for record in answer.records])

    async def _try_fetch(self, domain: str, identity: str) -> KeptPolicy | None:
        """Fetch what is announced, unless that has just failed."""
        failure = self._failures.get(domain)
        if failure is not None and self._clock.monotonic_seconds() < failure.until_seconds:
            return None
        fetched = await self._fetch(domain, identity)
        return fetched if isinstance(fetched, KeptPolicy) else None

    async def _fetch(self, domain: str, identity: str) -> KeptPolicy | NotFetched:
        """Fetch a policy; whoever else wants it now waits with us, and goes on waiting if we are cancelled."""
        task = self._fetching.get(domain)
        if task is None:
            task = self._fetching[domain] = asyncio.get_running_loop().create_task(self._do_fetch(domain, identity))
            task.add_done_callback(lambda _: self._fetching.pop(domain, None))
        return await asyncio.shield(task)

    async def _do_fetch(self, domain: str, identity: str) -> KeptPolicy | NotFetched:
        answer = await self._resolver.ask(policy_host(domain), ("A", "AAAA"))
        addresses = [record.data for record in answer.records]
        fetched = await fetch_policy(domain, addresses, self._terms)
        if isinstance(fetched, Fetched):
            text = fetched.octets.decode("utf-8")
            kept = KeptPolicy(domain, identity, fetched.policy, text, self._clock.wall_seconds())
            self._failures.pop(domain, None)
            self._store.keep(kept)
            return kept
        if len(self._failures) >= FAILURES_LIMIT:
            self._failures.clear()
        self._failures[domain] = _Failure(fetched, self._clock.monotonic_seconds() + RETRY_SECONDS)
        self._complain(domain, fetched)
        return fetched

    def _complain(self, domain: str, failure: NotFetched) -> None:
        kept = self._store.find(domain, self._clock.wall_seconds())
        if kept is None:
            self._warn(f"MTA-STS policy of {domain} is announced but cannot be had: {failure.text}")
        elif kept.policy.mode is not Mode.NONE:
            left = max(0, round((kept.expires_seconds - self._clock.wall_seconds()) / 3600))
            self._warn(f"MTA-STS policy of {domain} cannot be fetched again: {failure.text}; the old one ends in {left} hours")

    # -- fetching again --------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _refresh(self, kept: KeptPolicy, identity: str) -> None:
        await self._try_fetch(kept.domain, identity)

    def _begin_sweep(self) -> None:
        """From time to time, look after the policies of domains that get no mail just now."""
        now = self._clock.monotonic_seconds()
        if now - self._sweep_seconds >= SWEEP_SECONDS:
            self._sweep_seconds = now
            self._begin(self._sweep())

    async def _sweep(self) -> None:
        old: list[KeptPolicy] = []
        for step, (name, kept) in enumerate(self._store.look_through(self._clock.wall_seconds(), self._swept_to), 1):
            if kept is not None:
                old.append(kept)
                self._swept_to = name
            if len(old) >= SWEEP_LIMIT:
                break
            if step % FILES_AT_ONCE == 0:
                await asyncio.sleep(0)
        for kept in old:
            identity = await self._find_id(kept.domain)
            if identity is not None:
                await self._refresh(kept, identity)


def policy_domain(nexthop: str, domain: str) -> str | None:
    """The domain whose policy counts for a next hop; None for a server that the operator has chosen, or an address."""
    if nexthop.startswith(("[", "/")):
        return None
    name = (to_ascii(domain) or "").lower().rstrip(".")
    if not name or "." not in name or is_valid_address(name) or not is_valid_hostname(name):
        return None
    return name


def _refresh_age(kept: KeptPolicy) -> float:
    return min(REFRESH_SECONDS, kept.policy.max_age_seconds / 2)
