"""Builds the running whole out of the rooms; decides nothing.

`Engine` is the delivery core with its world: one resolver with its cache, one deadline wheel, one delivery agent for each
transport and service.  It belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from mailrider.delivery.agent import DeliveryAgent
from mailrider.delivery.inspection import Inspector
from mailrider.delivery.profile import Profile, make_profile
from mailrider.delivery.security import make_security
from mailrider.delivery.shared_cache import SharedCache
from mailrider.events import Event, Observer, TlsJudged, Warned
from mailrider.machine import SystemClock
from mailrider.model.request import Transport
from mailrider.model.server import Family
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.departures import Departures
from mailrider.observe.tls_reports import Collector, Journal
from mailrider.queue.window import WindowTerms
from mailrider.resolver.answer import Resolver
from mailrider.resolver.cache import CachingResolver
from mailrider.resolver.hostname import family_of
from mailrider.resolver.interfaces import read_interface_addresses
from mailrider.resolver.native import ask_system
from mailrider.resolver.recording import RecordingResolver
from mailrider.resolver.reply_filter import FilteringResolver
from mailrider.resolver.stub import StubResolver
from mailrider.resolver.system import configure
from mailrider.route.directory import Directory, Roads
from mailrider.route.own_addresses import find_interface_addresses, find_own_addresses
from mailrider.route.policy import RoutePolicy, enabled_families, route_policy
from mailrider.settings import Settings
from mailrider.tables.maps import open_maps


class Engine:
    """The delivery core, ready to work on the running event loop.

    `tell_dialogues`: the observer hears each command and reply of every conversation, not only of those with
    `debug_peer_list`.  `shared` is a cache of connections outside of this process.  `self_test` is under way since
    `begin_self_test`, if there was anything to test.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        *,
        tell_dialogues: bool = False,
        shared: SharedCache | None = None,
    ) -> None:
        self._shared = shared
        self._tell_dialogues = tell_dialogues
        self.settings = settings
        self.observer = observer = add_reports(observer, settings)
        self.clock = SystemClock()
        loop = asyncio.get_running_loop()
        self._wheel = DeadlineWheel(loop, Departures(loop))
        servers = [(address, port) for address, port in settings.dns_nameservers]
        self._resolver = CachingResolver(StubResolver(configure(servers)), self.clock)
        self._agents: dict[tuple[Transport, str], DeliveryAgent] = {}
        self._profiles: dict[tuple[Transport, str], Profile] = {}
        self._draining = False
        self.self_test: asyncio.Task[None] | None = None

    def profile(self, transport: Transport, service: str = "") -> Profile:
        """What the settings mean for a service, or for the one that is named like its transport."""
        key = transport, service or transport.value
        profile = self._profiles.get(key)
        if profile is None:
            settings = self.settings.for_service(key[1], transport)
            made = make_profile(settings, self._warn)
            if self._tell_dialogues:
                made = replace(made, lookups=replace(made.lookups, tells_dialogue=lambda name, address: True))
            profile = self._profiles[key] = _with_source_addresses(made)
        return profile

    def agent(self, transport: Transport, service: str) -> DeliveryAgent:
        """The delivery agent of a transport and service."""
        agent = self._agents.get((transport, service))
        if agent is None:
            profile = self.profile(transport, service)
            directory = Directory(self._resolver_for(profile), _route_policy(profile.settings, self._warn), _roads(profile))
            agent = DeliveryAgent(profile, directory, self._wheel, self.clock, self.observer, self._shared)
            self._agents[transport, service] = agent
            if self._draining:
                agent.drain()
        return agent

    def inspector(self, transport: Transport, service: str) -> Inspector:
        """Who looks at destinations as the agent of a transport and service would."""
        profile = self.profile(transport, service)
        resolver = RecordingResolver(self._resolver_for(profile))
        directory = Directory(resolver, _route_policy(profile.settings, self._warn), _roads(profile))
        security = make_security(profile.settings, resolver, self.clock, self._warn)
        return Inspector(profile, directory, security, self._wheel, self.clock)

    def _warn(self, text: str) -> None:
        self.observer(Warned(text))

    def _resolver_for(self, profile: Profile) -> Resolver:
        """The resolver, behind the reply filter of the transport where it has one."""
        tables = profile.settings.smtp_dns_reply_filter
        if not tables:
            return self._resolver
        title = f"{profile.transport.value}_dns_reply_filter"
        maps = open_maps(title, " ".join(tables), warn=self._warn, find_parameter=profile.settings.find_text)
        return FilteringResolver(self._resolver, maps.find, title=title, observer=self.observer)

    def check(self) -> None:
        """Build everything that can be built before mail comes, so that a wrong setting is found at start-up."""
        for transport in Transport:
            self.agent(transport, transport.value)
        self.begin_self_test()

    def begin_self_test(self) -> None:
        """Let the agents that are there find out whether the name servers will do; nothing waits for it."""
        testing = [agent for agent in self._agents.values() if agent.needs_self_test]
        if testing and self.self_test is None:
            self.self_test = asyncio.get_running_loop().create_task(_test(testing))

    def window_terms(self, service: str) -> WindowTerms:
        """The concurrency window of a service (postconf(5), `transport_destination_concurrency_limit` and friends)."""
        settings = self.settings
        return WindowTerms(
            initial=settings.of_service(service, "initial_destination_concurrency"),
            limit=settings.of_service(service, "destination_concurrency_limit"),
            positive=settings.of_service(service, "destination_concurrency_positive_feedback").at,
            negative=settings.of_service(service, "destination_concurrency_negative_feedback").at,
            failed_cohort_limit=settings.of_service(service, "destination_concurrency_failed_cohort_limit"),
            dead_seconds=settings.minimal_backoff_time,
        )

    def recipient_limit(self, service: str) -> int:
        """How many recipients of one destination go into one request; 0 for any number."""
        return self.settings.of_service(service, "destination_recipient_limit")

    def drain(self) -> None:
        """End running deliveries at the next safe point, and let no other begin."""
        self._draining = True
        for agent in self._agents.values():
            agent.drain()

    async def close(self) -> None:
        """Close what is kept open, and wait for connections that are being ended politely."""
        if self.self_test is not None:
            self.self_test.cancel()
            await asyncio.wait([self.self_test])
        for agent in self._agents.values():
            await agent.close()


async def _test(agents: Sequence[DeliveryAgent]) -> None:
    for agent in agents:
        await agent.test_itself()


def add_reports(observer: Observer, settings: Settings) -> Observer:
    """An observer that keeps and passes on what reports are made of, where that is wanted."""
    directory, name = settings.tls_report_directory, settings.smtp_tlsrpt_socket_name
    takers: list[Callable[[TlsJudged], None]] = []

    def warn(text: str) -> None:
        observer(Warned(text))

    if directory:
        takers.append(Journal(directory, warn).write)
    if settings.smtp_tlsrpt_enable:
        if name:
            takers.append(Collector(os.path.join(settings.queue_directory, name), warn).send)
        else:
            warn("TLSRPT support: parameter smtp_tlsrpt_socket_name has empty value -- TLSRPT support will be disabled")
    if not takers:
        return observer

    def observe(event: Event) -> None:
        if isinstance(event, TlsJudged):
            for take in takers:
                take(event)
        else:
            observer(event)

    return observe


def _route_policy(settings: Settings, warn: Callable[[str], None]) -> RoutePolicy:
    families = enabled_families(settings)
    own = find_own_addresses(
        settings.inet_interfaces,
        settings.proxy_interfaces,
        families,
        read_interfaces=read_interface_addresses,
        look_up=ask_system,
    )
    return route_policy(settings, own, families=families, warn=warn)


def _roads(profile: Profile) -> Roads:
    settings = profile.settings
    return Roads(
        default_service=settings.smtp_tcp_port,
        known_ports=settings.known_tcp_ports,
        fallbacks=profile.fallbacks,
        address_limit=profile.address_limit,
        session_limit=profile.session_limit,
    )


def _with_source_addresses(profile: Profile) -> Profile:
    """Bind to the address of `inet_interfaces` where it names a single one, as a virtual host does.

    `smtp_bind_address` goes first; a loopback address is never bound to, since nobody else could be reached from it.
    """
    settings = profile.settings
    own = find_interface_addresses(
        settings.inet_interfaces,
        enabled_families(settings),
        read_interfaces=read_interface_addresses,
        look_up=ask_system,
    )
    bound = dict(profile.dialling.bind_addresses)
    for family in (Family.IPV4, Family.IPV6):
        addresses = [address for address in own if family_of(address) is family]
        if len(addresses) == 1 and not ipaddress.ip_address(addresses[0]).is_loopback:
            bound.setdefault(family, addresses[0])
    return replace(profile, dialling=replace(profile.dialling, bind_addresses=tuple(bound.items())))
