"""The delivery agent: a request goes in, and every recipient comes out settled."""

from __future__ import annotations

import asyncio

from mailrider.clock import Clock
from mailrider.delivery.cache import ConnectionCache
from mailrider.delivery.ledger import Ledger
from mailrider.delivery.peers import PeerMemory
from mailrider.delivery.profile import Profile
from mailrider.delivery.progress import Progress
from mailrider.delivery.security import make_security
from mailrider.delivery.service_flags import meet_flags
from mailrider.delivery.shared_cache import SharedCache
from mailrider.delivery.tls_reporting import Reporting
from mailrider.delivery.traffic import TrafficMemory
from mailrider.delivery.walk import Means, Walk
from mailrider.events import Observer, Warned, ignore_event
from mailrider.model.outcome import DeliveryReport, Recorder
from mailrider.model.request import DeliveryRequest
from mailrider.net.deadline import DeadlineWheel
from mailrider.route.directory import Directory
from mailrider.route.exchanger_set import ExchangerSet, Unknown

FAREWELL_SECONDS = 1.0
"""What a caller waits at the end for servers that do not answer QUIT.

The mail is settled by then, so all of `smtp_quit_timeout` would only keep the caller waiting."""


class DeliveryAgent:
    """Delivers requests over one transport; any number of them at once.

    Cache hints that a request does not give are computed from the traffic to its next hop.  `shared` is where connections are
    kept that other processes may use too.
    """

    __slots__ = ("_clock", "_draining", "_means", "_observer", "_profile", "_traffic", "_walks")

    def __init__(
        self,
        profile: Profile,
        directory: Directory,
        wheel: DeadlineWheel,
        clock: Clock,
        observer: Observer = ignore_event,
        shared: SharedCache | None = None,
    ) -> None:
        self._profile = profile
        security = make_security(profile.settings, directory.resolver, clock, lambda text: observer(Warned(text)))
        reporting = _make_reporting(profile, directory)
        self._means = Means(directory, ConnectionCache(), wheel, PeerMemory(clock), security, reporting, shared)
        self._clock = clock
        self._observer = observer
        self._traffic = TrafficMemory()
        self._walks: set[Walk] = set()
        self._draining = False

    def check_nexthop(self, nexthop: str) -> None:
        """Raises `WrongUsage` for a next hop that makes no sense."""
        self._means.directory.destinations(nexthop)

    async def find_exchangers(self, nexthop: str) -> ExchangerSet | Unknown | None:
        """The exchangers that a next hop names; None where it names none."""
        return await self._means.directory.find_exchangers(nexthop)

    @property
    def needs_self_test(self) -> bool:
        """`test_itself` would ask something."""
        return self._means.security.trust.needs_validation

    async def test_itself(self) -> None:
        """At start-up: warn where the name servers cannot do what the settings need."""
        await self._means.security.trust.check_validation()

    async def deliver(self, request: DeliveryRequest, recorder: Recorder) -> DeliveryReport:
        """Deliver one request: an outcome for every recipient.

        `recorder` hears each outcome as soon as it is final.  Raises `WrongUsage` for a next hop that makes no
        sense, before anything is done.
        """
        itinerary = self._means.directory.itinerary(request.nexthop)
        ledger = Ledger(request, recorder, self._observer)
        progress = Progress(request, self._profile, ledger, self._clock, self._observer)
        if self._profile.flags and not await meet_flags(progress):
            return DeliveryReport(ledger.close(), progress.destination_trouble, None)
        load, store = request.cache_load, request.cache_store
        traffic = None
        if load is None or store is None:
            traffic = self._traffic.of((request.service, request.nexthop))
            traffic.begin(self._clock.monotonic_seconds())
            load = traffic.load if load is None else load
            store = traffic.store if store is None else store
        walk = Walk(progress, itinerary, self._means, load=load, store=store)
        walk.interrupted = self._draining
        self._walks.add(walk)
        try:
            hand_over = await walk.run()
        finally:
            self._walks.discard(walk)
            if traffic is not None:
                traffic.end(self._clock.monotonic_seconds())
        return DeliveryReport(ledger.close(), progress.destination_trouble, hand_over)

    def drain(self) -> None:
        """End running deliveries before their next server; what is left of them, and all later ones, is deferred."""
        self._draining = True
        for walk in self._walks:
            walk.interrupted = True

    async def close(self) -> None:
        """Close kept connections, and let those that are saying QUIT finish, but not for longer than `FAREWELL_SECONDS`."""
        cache = self._means.cache
        cache.close()
        await self._means.security.trust.close()
        leaving = [session.connection for session in cache.open]
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                for connection in leaving:
                    await connection.left()
        except TimeoutError:
            for connection in leaving:
                connection.close()


def _make_reporting(profile: Profile, directory: Directory) -> Reporting | None:
    """Who judges sessions for TLS reports, where anybody wants to hear of them; never for LMTP."""
    settings = profile.settings
    wanted = bool(settings.tls_report_directory) or settings.smtp_tlsrpt_enable
    if not wanted or profile.lmtp or settings.disable_dns_lookups:
        return None
    return Reporting(directory.resolver, skips_resumed=settings.smtp_tlsrpt_skip_reused_handshakes)
