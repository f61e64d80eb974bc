"""One request on its way from server to server.

Each destination of the itinerary is looked up; kept connections are used where the request may load them; then servers are
dialled in order until no recipient is left or no server is.  Whoever is left over gets the latest failure as the reason
(`left_over`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from mailrider.delivery.attempt import DONE, Course, attempt
from mailrider.delivery.cache import ConnectionCache
from mailrider.delivery.cache_keys import CacheKeys
from mailrider.delivery.hop import Hops
from mailrider.delivery.left_over import find_last_reason
from mailrider.delivery.opening import open_session
from mailrider.delivery.peers import PeerMemory
from mailrider.delivery.progress import Progress
from mailrider.delivery.security import SecureTurn, Security
from mailrider.delivery.session import NoSession, Session
from mailrider.delivery.shared_cache import SharedCache
from mailrider.delivery.sharing import Sharing
from mailrider.delivery.tls_reporting import Reporting
from mailrider.delivery.trouble import Failure
from mailrider.events import ConnectFailed, HandedOver
from mailrider.model import status as status_code
from mailrider.model.outcome import HandOver
from mailrider.model.server import Server
from mailrider.net.deadline import DeadlineWheel
from mailrider.route.directory import Directory
from mailrider.route.exchangers import NotFound
from mailrider.route.itinerary import Itinerary
from mailrider.route.nexthop import Destination
from mailrider.smtp.refusal import Scope
from mailrider.trust.policy import NoPolicy, Policy


class Means(NamedTuple):
    """What a walk works with; one set serves all walks of an agent."""

    directory: Directory
    cache: ConnectionCache
    wheel: DeadlineWheel
    peers: PeerMemory
    security: Security
    reporting: Reporting | None = None
    shared: SharedCache | None = None


class Walk:
    """A request under way.  `interrupted` is set from outside to end it before the next server."""

    __slots__ = (
        "_hops", "_itinerary", "_keys", "_lent", "_load", "_means", "_met_dead", "_overdue", "_progress", "_sharing", "_store",
        "_used_kept", "interrupted",
    )  # fmt: skip

    def __init__(self, progress: Progress, itinerary: Itinerary, means: Means, *, load: bool, store: bool) -> None:
        self._progress = progress
        self._itinerary = itinerary
        self._means = means
        self._load = load
        self._store = store
        self._hops = Hops(progress.request, progress.profile, means.security, progress.observer, progress.tls_status)
        self._sharing: Sharing | None = None
        if means.shared is not None:
            self._sharing = Sharing(means.shared, means.cache, progress, self._hops, means.wheel)
        self._keys = CacheKeys(progress.request, progress.profile, self._hops)
        self._lent: Session | None = None  # what another delivery may have taken already
        self._used_kept: set[tuple[str, int]] = set()
        self._met_dead = False  # a kept connection was dead
        self._overdue = False
        self.interrupted = False

    async def run(self) -> HandOver | None:
        """Go on until every recipient is settled or handed over."""
        progress, itinerary = self._progress, self._itinerary
        while progress.ledger.open and not self.interrupted:
            destination = itinerary.next_destination()
            if destination is None:
                break
            directory = self._means.directory
            found = directory.recall(destination) or await directory.find(destination, progress.observer)
            if isinstance(found, NotFound):
                progress.latest = Failure(Scope.SITE, found.status, found.text)
                itinerary.servers_not_found(loop=found.loop)
                continue
            progress.latest = None
            self._hops.turn_to(destination, found.exchanger)
            servers: Sequence[Server] = found.servers
            if self._used_kept:
                servers = [server for server in servers if (server.address, server.port) not in self._used_kept]
            doubtful = progress.request.doubtful_server
            if doubtful:  # a stable sort: the others stay in their order
                servers = sorted(servers, key=lambda server: server.relay != doubtful)
            itinerary.servers_found(servers, exchanger_is_self=found.exchanger_is_self)
            if itinerary.at_first_destination:
                self._choose_cache_policy(destination)
            if self._load and not doubtful:
                await self._use_kept_sessions()
                if self._sharing is not None and progress.ledger.open:
                    await self._use_shared_sessions(self._sharing)
            if progress.ledger.open:
                await self._try_servers()
        return await self._settle_left_over() if progress.ledger.open else None

    # -- kept connections ------------------------------------------------------------------------------------------

    def _choose_cache_policy(self, destination: Destination) -> None:
        """`smtp_connection_cache_destinations` names the host part; else it goes by demand."""
        cache = self._progress.profile.cache
        if self._progress.profile.lookups.keeps_connections_to(destination.host or destination.path):
            self._load = self._store = True
        elif not cache.on_demand:
            self._load = self._store = False
        if self._load or self._store:
            self._keys.open_destination(destination)

    async def _use_kept_sessions(self) -> None:
        """First one that was kept for the destination, then those to its best servers."""
        itinerary, cache, ledger, keys = self._itinerary, self._means.cache, self._progress.ledger, self._keys
        if itinerary.candidates:
            # The key is looked at each time: it is given up with the first connection that is not kept any more.
            while ledger.open and (key := keys.destination) is not None and (session := cache.take(key)) is not None:
                if not (session.policy is self._hops.plain and session.login is None) and not await keys.still_fits(session):
                    session.connection.close()
                elif await self._use_kept(session):
                    break
        if not ledger.open or not len(cache):
            return
        best = [server for server in itinerary.candidates if server.preference == itinerary.best_preference]
        for server in best:
            policy = await self._hops.find_policy(server)
            if isinstance(policy, NoPolicy):
                continue
            while ledger.open and (session := cache.take(keys.of_endpoint(server, policy))) is not None:
                session.is_best_exchanger = True
                session.serve_as(server)
                if await self._use_kept(session):
                    break
            if not itinerary.candidates:
                break

    async def _use_shared_sessions(self, sharing: Sharing) -> None:
        """The same with those that other processes have kept."""
        itinerary, ledger, keys = self._itinerary, self._progress.ledger, self._keys
        while keys.destination is not None and itinerary.candidates and ledger.open:
            session = await sharing.find_destination(keys.nexthop(), itinerary.candidates)
            if session is None or await self._use_kept(session):
                break
        for server in [one for one in itinerary.candidates if one.preference == itinerary.best_preference]:
            while ledger.open and (session := await self._take_shared(sharing, server)) is not None:
                session.is_best_exchanger = True
                if await self._use_kept(session):
                    break
            if not itinerary.candidates:
                break

    async def _take_shared(self, sharing: Sharing, server: Server) -> Session | None:
        policy = await self._hops.find_policy(server)
        return await sharing.find_endpoint(server, policy) if isinstance(policy, Policy) else None

    async def _use_kept(self, session: Session) -> bool:
        """Deliver over a kept connection; False if it turned out to be dead."""
        server = session.server
        endpoint = (server.address, server.port)
        self._used_kept.add(endpoint)
        itinerary = self._itinerary
        remaining = list(itinerary.candidates)
        itinerary.use_kept(server)
        if self._progress.tls_status is not None:
            self._progress.tls_status.reuse(session, self._hops.strictness)
        course = await self._attempt(session)
        if course is not DONE:
            self._learn(course, session)
            itinerary.undo_kept(remaining)
            self._used_kept.discard(endpoint)
            self._met_dead = True
            return False
        if self._sharing is None or not await self._give_away(self._sharing, session):
            self._put_away(session)
        session.conclude(self._progress.request)
        self._fall_back(session)
        return True

    async def _give_away(self, sharing: Sharing, session: Session) -> bool:
        """Keep the connection for all processes; False if that is not for this one."""
        connection = session.connection
        if session is self._lent or not connection.reusable or not self._keeps(session):
            return False
        if session.is_expired(connection.now_seconds) or not await sharing.save(session, self._keys.nexthop()):
            return False
        self._keys.destination = None
        return True

    def _put_away(self, session: Session) -> None:
        """Keep the connection for the next message, or let it go."""
        connection = session.connection
        if session is self._lent:
            self._lent = None
            self._means.cache.settle(session)
        elif connection.reusable and self._keeps(session) and not session.is_expired(connection.now_seconds):
            self._means.cache.keep(session, self._keys.take(session))
        else:
            if connection.reusable:
                self._keys.destination = None
            if not connection.is_leaving:
                connection.close()

    def _keeps(self, session: Session) -> bool:
        return self._store and session.may_be_kept

    def _fall_back(self, session: Session) -> None:
        """Some mail was caught when TLS broke: it goes to the same server in clear."""
        if session.falls_back:
            self._hops.fall_back(session.server)
            self._itinerary.try_again(session.server)

    async def _attempt(self, session: Session) -> Course:
        """Deliver over this session.  Where deliveries take turns, the next one may follow on it before this one has ended."""
        itinerary, turn = self._itinerary, self._progress.request.turn
        if turn is not None:
            await turn.regain()

        def lend(streams: bool) -> None:
            assert turn is not None
            if self._means.cache.lend(session, self._keys.take(session)):
                self._lent = session
                turn.lend(streams=streams)

        keep = self._keeps(session)
        streams = self._progress.profile.streams and not self._means.peers.no_stream.knows(session.server)
        released = lend if turn is not None and keep and streams and session.transcript is None else None
        try:
            return await attempt(session, self._progress, lambda: itinerary.at_last_server, keep, released)
        except BaseException:
            session.connection.close()  # cancelled in the middle of things: nobody is there any more for the replies
            raise

    # -- new connections -------------------------------------------------------------------------------------------

    async def _try_servers(self) -> None:
        itinerary, progress = self._itinerary, self._progress
        while progress.ledger.open and not self.interrupted:
            server = itinerary.next_server()
            if server is None:
                return
            policy = await self._hops.choose_policy(server)
            if not isinstance(policy, Policy):
                progress.latest = policy or progress.latest
                continue
            if self._progress.request.turn is not None:
                await self._progress.request.turn.regain()
            session = self._take_kept(server, policy)
            if session is None and self._sharing is not None and self._load and server.preference != itinerary.best_preference:
                session = await self._sharing.find_endpoint(server, policy)
            if session is not None and progress.tls_status is not None:
                progress.tls_status.reuse(session, self._hops.strictness)
            if session is None:
                opened = await self._open(server, policy)
                if isinstance(opened, NoSession):
                    await self._account_for_no_session(opened, server)
                    self._look_at_the_time()
                    continue
                session = opened
            itinerary.count_session()
            course = await self._attempt(session)
            if course is not DONE:
                self._learn(course, session)
                itinerary.try_again(server)
                continue
            if self._sharing is None or not await self._give_away(self._sharing, session):
                self._put_away(session)
            session.conclude(self._progress.request)
            self._fall_back(session)
            if progress.ledger.open:
                self._look_at_the_time()

    def _look_at_the_time(self) -> None:
        """End a request before its next server when it has taken all of `daemon_timeout`."""
        progress = self._progress
        if progress.clock.wall_seconds() - progress.handed_seconds > progress.profile.settings.daemon_timeout:
            self._overdue = self.interrupted = True

    def _learn(self, course: Course, session: Session) -> None:
        """Remember why the same server is tried again, and part from this session."""
        peers, server = self._means.peers, session.server
        if course is Course.NO_DSN:
            peers.no_dsn.remember(server)
            session.offered = replace(session.offered, dsn=False)
            self._put_away(session)
            session.conclude(self._progress.request)
            return
        if course is Course.NO_BDAT:
            peers.no_bdat.remember(server)
        elif course is Course.NO_STREAM:
            peers.no_stream.remember(server)
        session.connection.close()

    def _take_kept(self, server: Server, policy: Policy) -> Session | None:
        """Kept connections to the best servers have been used by now; one to a backup may still lie there.

        Where one was dead, others may have dialled the server anew while this delivery waited for its place.
        """
        if not self._load or (server.preference == self._itinerary.best_preference and not self._met_dead):
            return None
        session = self._means.cache.take(self._keys.of_endpoint(server, policy))
        if session is not None:
            session.serve_as(server)
        return session

    async def _open(self, server: Server, policy: Policy) -> Session | NoSession:
        progress, request, hops = self._progress, self._progress.request, self._hops
        turn = SecureTurn(self._means.security, policy, server, self._tls_key(server), request.queue_id, progress.observer)
        turn.strictness = hops.strictness
        opened = await open_session(
            server,
            progress.profile,
            request,
            self._means.wheel,
            progress.observer,
            age_seconds=progress.clock.wall_seconds() - request.arrival_seconds,
            is_best_exchanger=server.preference == self._itinerary.best_preference,
            destination=hops.nexthop,
            turn=turn,
            may_fall_back=hops.may_fall_back(policy, server),
        )
        if progress.tls_status is not None:
            progress.tls_status.open(opened, hops.strictness)
        if self._means.reporting is not None:
            judged = await self._means.reporting.judge(hops.domain, server, turn, opened, progress.clock.wall_seconds())
            if judged is not None:
                progress.observer(judged)
        session = opened if isinstance(opened, Session) else opened.session
        if session is not None and not session.connection.gone:
            self._means.cache.adopt(session)
            peers = self._means.peers
            if session.offered.chunking and peers.no_bdat.knows(server):
                session.offered = replace(session.offered, chunking=False)
            if session.offered.dsn and peers.no_dsn.knows(server):
                session.offered = replace(session.offered, dsn=False)
        return opened

    def _tls_key(self, server: Server) -> Hashable:
        """Whose TLS session may be resumed: this service's, with this server, on the way to this next hop."""
        return (self._progress.request.service, self._hops.nexthop, server.host, server.address, server.port)

    async def _account_for_no_session(self, refused: NoSession, server: Server) -> None:
        progress = self._progress
        if refused.session is None:
            progress.latest = refused.failure
            progress.observer(ConnectFailed(progress.request.queue_id, server, refused.failure.text))
        else:
            progress.connection_use = 1
            last = self._itinerary.at_last_server and not refused.falls_back
            await progress.fail_all(refused.failure, refused.session, last_server=last)
            refused.session.conclude(progress.request)
            if refused.falls_back:
                self._hops.fall_back(server)
                self._itinerary.dial_again(server)

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _settle_left_over(self) -> HandOver | None:
        """Nobody is left to try: the latest failure decides, see `left_over`."""
        progress, profile = self._progress, self._progress.profile
        failure = find_last_reason(progress, self._itinerary, interrupted=self.interrupted, overdue=self._overdue)
        if failure.status == status_code.LOOP and not profile.lmtp and profile.best_mx_transport:
            return self._hand_over(profile.best_mx_transport)
        await progress.fail_all(failure, None, last_server=True)
        return None

    def _hand_over(self, transport: str) -> HandOver:
        progress = self._progress
        recipients = progress.ledger.hand_over()
        for recipient in recipients:
            progress.observer(HandedOver(progress.request.queue_id, recipient, transport))
        return HandOver(transport, recipients)
