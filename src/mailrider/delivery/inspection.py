"""Looking at a destination as a delivery would: the same questions, policies and handshakes, and no mail.

The inspector goes the way of a request (`walk`), server by server, with the same parts.  It says EHLO, STARTTLS, EHLO and QUIT
and nothing else: it never logs in, and asks no token endpoint.  Unlike a request it goes on when a server has let it in,
to see the others; what would become of a message is told by the first server that ends it.

Known faults: connections are always new ones; a second try in clear, for mail that has waited, is not made; what a server says
to MAIL and RCPT is not known.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mailrider.clock import Clock
from mailrider.delivery.hop import Hops
from mailrider.delivery.login import find_bindings
from mailrider.delivery.login_policy import LoginPolicy
from mailrider.delivery.opening import open_session
from mailrider.delivery.profile import Profile
from mailrider.delivery.security import SecureTurn, Security
from mailrider.delivery.session import NoSession, Session
from mailrider.delivery.trouble import Disposition, Failure, judge
from mailrider.errors import TableTrouble
from mailrider.events import CommandSent, ConnectionOpened, Event, Noted, Observer, ReplyReceived, TlsFailed, Warned
from mailrider.model import status as status_code
from mailrider.model.request import DeliveryRequest, Envelope
from mailrider.model.server import Server
from mailrider.model.tls import TlsFacts
from mailrider.net.deadline import DeadlineWheel
from mailrider.resolver.recording import Asked, RecordingResolver
from mailrider.route.directory import Directory
from mailrider.route.exchangers import NotFound
from mailrider.route.itinerary import Itinerary
from mailrider.sasl.choice import NoMechanism, choose_mechanism
from mailrider.sasl.mechanism import Identity
from mailrider.sasl.scram import PLUS
from mailrider.smtp.handshake import take_leave
from mailrider.smtp.refusal import Scope
from mailrider.spool.message import MemoryMessage
from mailrider.tls.channel import Channel
from mailrider.trust.policy import NoPolicy, Policy

NOTES_LIMIT = 100
"""Warnings and lines of dialogue that are kept for one server."""


class LoginChoice(NamedTuple):
    """Who we would be to a server and by which mechanism; without a mechanism, `reason` says why not."""

    user: str
    mechanism: str
    reason: str = ""


@dataclass(slots=True)
class ServerReport:
    """One server.

    `policy` is what it must prove.  `obstacle` is why it is passed over without a connection; `failure` why a connection did
    not come to where mail begins.  `dialogue` are pairs of `C` or `S` and a line.  `chain` are the certificates shown, DER.
    """

    server: Server
    policy: Policy | NoPolicy
    obstacle: str = ""
    connected: bool = False
    ready: bool = False
    failure: Failure | None = None
    seconds: float = 0.0
    tls: TlsFacts | None = None
    chain: tuple[bytes, ...] = ()
    login: LoginChoice | None = None
    dialogue: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class DestinationReport:
    """One element of the next hop, or a fallback relay.  `failure` is why it has no servers."""

    text: str
    is_fallback: bool = False
    failure: Failure | None = None
    servers: list[ServerReport] = field(default_factory=list)
    left_out: tuple[Server, ...] = ()


class Forecast(NamedTuple):
    """What would become of a message: None stands for "it goes to `server`"."""

    disposition: Disposition | None
    server: Server | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class Inspection:
    """All that was seen."""

    nexthop: str
    destinations: list[DestinationReport] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forecast: Forecast | None = None


class Inspector:
    """Looks at destinations over one transport.  `timeout_seconds` in `inspect` is for one server, all in all."""

    __slots__ = ("_clock", "_directory", "_login", "_profile", "_security", "_wheel")

    def __init__(
        self, profile: Profile, directory: Directory, security: Security, wheel: DeadlineWheel, clock: Clock
    ) -> None:
        self._login = profile.login
        lookups = replace(profile.lookups, tells_dialogue=lambda name, address: True)
        self._profile = replace(profile, login=None, lookups=lookups)
        self._directory = directory
        self._security = security
        self._wheel = wheel
        self._clock = clock

    async def inspect(
        self, nexthop: str, sender: str = "", *, connect: bool = True, timeout_seconds: float = 60.0
    ) -> Inspection:
        """Look at all servers of a next hop.  Raises `WrongUsage` for one that makes no sense."""
        itinerary = self._directory.itinerary(nexthop)
        found = Inspection(nexthop)
        look = _Look(self, found, itinerary, sender, connect, timeout_seconds)
        try:
            await look.run()
        finally:
            await self._security.trust.close()
            resolver = self._directory.resolver
            if isinstance(resolver, RecordingResolver):
                found.questions = list(resolver.asked)
        return found


class _Look:
    """One inspection under way."""

    def __init__(
        self, owner: Inspector, found: Inspection, itinerary: Itinerary, sender: str, connect: bool, timeout_seconds: float
    ) -> None:
        self._owner = owner
        self._found = found
        self._itinerary = itinerary
        self._connect = connect
        self._timeout_seconds = timeout_seconds
        now = owner._clock.wall_seconds()
        envelope = Envelope(sender, ())
        profile = owner._profile
        self._request = DeliveryRequest(
            envelope, MemoryMessage(b""), found.nexthop, profile.transport, profile.transport.value, "NOQUEUE", now, now
        )
        self._hops = Hops(self._request, profile, owner._security, _gather(found.notes))
        self._latest: Failure | None = None

    async def run(self) -> None:
        while (destination := self._itinerary.next_destination()) is not None:
            report = DestinationReport(destination.text, self._itinerary.at_fallback)
            self._found.destinations.append(report)
            found = await self._owner._directory.find(destination, _gather(self._found.notes))
            if isinstance(found, NotFound):
                report.failure = self._latest = Failure(Scope.SITE, found.status, found.text)
                self._itinerary.servers_not_found(loop=found.loop)
                continue
            self._latest = None
            self._hops.turn_to(destination, found.exchanger)
            self._itinerary.servers_found(found.servers, exchanger_is_self=found.exchanger_is_self)
            while (server := self._itinerary.next_server()) is not None:
                report.servers.append(await self._look_at(server))
            seen = {each.server for each in report.servers}
            report.left_out = tuple(server for server in found.servers if server not in seen)
        if self._connect and self._found.forecast is None:
            self._found.forecast = self._foretell_end()

    async def _look_at(self, server: Server) -> ServerReport:
        policy = await self._hops.find_policy(server)
        report = ServerReport(server, policy)
        if isinstance(policy, NoPolicy):
            report.failure = self._latest = Failure(Scope.SITE, policy.status, policy.text)
            return report
        report.obstacle = self._owner._security.find_obstacle(policy, server)
        if not report.obstacle and self._connect:
            began = self._owner._clock.monotonic_seconds()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._visit(report, policy)
            except TimeoutError:
                text = f"{server.name_and_address} took more than {self._timeout_seconds:g} s"
                report.failure = Failure(Scope.SITE, status_code.CONNECTION_LOST, text)
            report.seconds = self._owner._clock.monotonic_seconds() - began
            self._foretell(report)
        return report

    async def _visit(self, report: ServerReport, policy: Policy) -> None:
        owner, server = self._owner, report.server
        observer = _gather(report.notes, report)
        turn = SecureTurn(owner._security, policy, server, ("probe", server), "NOQUEUE", observer)
        opened = await open_session(
            server,
            owner._profile,
            self._request,
            owner._wheel,
            observer,
            age_seconds=0.0,
            is_best_exchanger=server.preference == self._itinerary.best_preference,
            destination=self._hops.nexthop,
            turn=turn,
        )
        session = opened if isinstance(opened, Session) else opened.session
        report.tls = turn.facts
        if isinstance(turn.channel, Channel) and turn.facts is not None:
            report.chain = tuple(turn.channel.shown_chain())
        if isinstance(opened, NoSession):
            report.failure = opened.failure
        else:
            report.ready = True
            report.login = self._choose_login(opened)
        if session is not None:
            report.connected = True
            await _leave(session)

    # -- the login -------------------------------------------------------------------------------------------------

    def _choose_login(self, session: Session) -> LoginChoice | None:
        policy = self._owner._login
        if policy is None:
            return None
        try:
            return _choose_login(session, policy, self._request.envelope.sender, self._hops.nexthop)
        except TableTrouble as trouble:
            return LoginChoice("", "", str(trouble))

    # -- the forecast ----------------------------------------------------------------------------------------------

    def _foretell(self, report: ServerReport) -> None:
        """The first server that lets us in takes the message; a failure that is final ends it."""
        if self._found.forecast is not None:
            return
        login = report.login
        if report.ready and (login is None or login.mechanism or not login.reason):
            self._found.forecast = Forecast(None, report.server)
            return
        if report.ready and login is not None:
            report.failure = Failure(Scope.SITE, status_code.LOGIN_FAILED, login.reason)
        self._latest = report.failure
        assert self._latest is not None
        if report.connected:
            profile = self._owner._profile
            last = self._itinerary.at_last_server
            disposition = judge(self._latest, last_server=last, soft_bounce=profile.soft_bounce)
            if disposition is not Disposition.KEEP:
                self._found.forecast = Forecast(disposition, report.server, self._latest)

    def _foretell_end(self) -> Forecast:
        """Nobody is left: the latest failure decides, as at the end of a walk."""
        profile, failure = self._owner._profile, self._latest
        if failure is None:
            text = "server unavailable or unable to receive mail"
            failure = Failure(Scope.SITE, status_code.SERVER_UNAVAILABLE, text)
        elif status_code.is_hard(failure.status):
            relays = not profile.lmtp and profile.relayhost and self._itinerary.first_text == profile.relayhost
            if self._itinerary.at_fallback or relays:
                failure = failure._replace(status=status_code.CONFIGURATION_ERROR)
        return Forecast(judge(failure, last_server=True, soft_bounce=profile.soft_bounce), None, failure)


def _choose_login(session: Session, policy: LoginPolicy, sender: str, nexthop: str) -> LoginChoice | None:
    """Raises `TableTrouble`."""
    credential = policy.book.find(sender, session.server.host, nexthop)
    if credential is None:
        return None
    if not session.offered.announces_auth:
        return LoginChoice(credential.user, "")
    accepts = policy.accepts
    offered = tuple(word for word in session.offered.auth if accepts is None or accepts(word))
    identity = Identity(
        user=credential.user,
        secret=credential.secret,
        sends_authzid=policy.sends_authzid,
        service=session.profile.transport.value,
        host=session.server.host,
        own_name=session.profile.own_name,
        bindings=find_bindings(session) if any(word.endswith(PLUS) for word in offered) else (),
    )
    chosen = choose_mechanism(offered, policy.rules_for(session.tls), identity, has_token=bool(credential.token_file))
    if isinstance(chosen, NoMechanism):
        return LoginChoice(credential.user, "", chosen.reason or "no mechanism of the server will do")
    return LoginChoice(credential.user, chosen.name)


async def _leave(session: Session) -> None:
    """Say QUIT and go."""
    connection = session.connection
    try:
        if not connection.is_leaving:
            connection.run(take_leave(connection.wire, await_reply=session.profile.await_quit))
        await connection.left()
    except BaseException:
        connection.close()
        raise


def _gather(notes: list[str], report: ServerReport | None = None) -> Observer:
    """An observer that keeps what a person may want to read."""

    def keep(event: Event) -> None:
        if isinstance(event, Warned | Noted) and len(notes) < NOTES_LIMIT:
            notes.append(event.text)
        elif isinstance(event, TlsFailed) and len(notes) < NOTES_LIMIT:
            notes.append(f"TLS handshake failed: {event.reason}")
        elif report is not None and isinstance(event, CommandSent | ReplyReceived) and len(report.dialogue) < NOTES_LIMIT:
            report.dialogue.append(("C", event.line) if isinstance(event, CommandSent) else ("S", event.text))
        elif report is not None and isinstance(event, ConnectionOpened):
            report.connected = True

    return keep


