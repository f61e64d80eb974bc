"""What a request has lived through so far, and how its recipients are settled from it.

The attempts of one request share a `Progress`: who is still open, the latest failure, whether the site as a whole has failed.
Every recipient passes through `accept` or `fail`, and so does the operator's `smtp_delivery_status_filter`.
"""

from __future__ import annotations

from mailrider.clock import Clock
from mailrider.delivery.ledger import Ledger
from mailrider.delivery.profile import Profile
from mailrider.delivery.session import Session
from mailrider.delivery.status_filter import StatusFilter
from mailrider.delivery.tls_status import TlsStatus
from mailrider.delivery.trouble import STATUS, Disposition, Failure, judge
from mailrider.events import Observer, ServerFailedSoftly
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, Delays, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest
from mailrider.smtp.refusal import Scope
from mailrider.smtp.reply import Reply

# For every recipient; looking up a member of an Enum is dear until Python 3.12.
_SENT, _DELIVERABLE = Status.SENT, Status.DELIVERABLE
_RELAYED, _DELIVERED = Action.RELAYED, Action.DELIVERED


class Progress:
    """What a request has lived through so far: the state that its attempts share."""

    __slots__ = (
        "_status_filter",
        "clock",
        "connection_use",
        "destination_trouble",
        "had_complete_session",
        "handed_seconds",
        "in_doubt",
        "latest",
        "ledger",
        "observer",
        "profile",
        "request",
        "setup_seconds",
        "tls_status",
    )  # fmt: skip

    def __init__(
        self, request: DeliveryRequest, profile: Profile, ledger: Ledger, clock: Clock, observer: Observer
    ) -> None:
        self.request = request
        self.profile = profile
        self.ledger = ledger
        self.clock = clock
        self.observer = observer
        self.latest: Failure | None = None
        self.destination_trouble: DestinationTrouble | None = None
        self.had_complete_session = False
        self.in_doubt = False  # a server may have taken the message although it never said so
        self.handed_seconds = clock.wall_seconds()
        self.setup_seconds = 0.0
        self.tls_status = TlsStatus() if profile.settings.smtp_log_tls_feature_status else None
        self.connection_use = 1  # how many messages the connection has carried, this one among them
        find = profile.lookups.status_filter
        self._status_filter: StatusFilter | None = None
        if find is not None:
            title = f"{profile.transport.value}_delivery_status_filter"
            self._status_filter = StatusFilter(find, title, observer)

    def delays(self) -> Delays:
        """The four delays as of now (semantics of `delays=a/b/c/d`)."""
        now = self.clock.wall_seconds()
        request = self.request
        setup = self.setup_seconds or now
        handed, active = self.handed_seconds, request.active_seconds
        before, queue = active - request.arrival_seconds, handed - active
        connecting, transmission = setup - handed, now - setup
        # A clock that was set back must not show.  This is for every recipient, and max() would cost more than all the rest.
        return Delays(
            before if before > 0.0 else 0.0,
            queue if queue > 0.0 else 0.0,
            connecting if connecting > 0.0 else 0.0,
            transmission if transmission > 0.0 else 0.0,
        )

    async def fail_all(self, failure: Failure, session: Session | None, *, last_server: bool) -> None:
        """The same failure for every open recipient."""
        await self.fail(list(self.ledger.open), failure, session, last_server=last_server)

    async def fail(
        self, indexes: list[int], failure: Failure, session: Session | None, *, last_server: bool, in_doubt: bool = False
    ) -> None:
        """Keep, defer or bounce these recipients, as `trouble.judge` has it."""
        self.latest = failure
        if session is not None and session.transcript is not None:
            session.transcript.blame(failure)
        disposition = judge(failure, last_server=last_server, soft_bounce=self.profile.soft_bounce)
        if disposition is Disposition.KEEP:
            self.observer(ServerFailedSoftly(self.request.queue_id, failure.text))
            return
        told = failure
        if self._status_filter is not None:
            status, text = self._status_filter.apply(failure.status, failure.text)
            told = failure._replace(status=status, text=text)
            disposition = judge(told, last_server=True, soft_bounce=self.profile.soft_bounce)
        outcome = self._failed_outcome(disposition, told, session)
        if in_doubt or self.in_doubt:
            outcome = outcome._replace(in_doubt=True)
        for index in indexes:
            await self.ledger.settle(index, outcome)
        deferred = disposition is Disposition.DEFER or disposition is Disposition.SOFT_BOUNCE
        # A probe leaves nothing behind that would have to wait, so it does not slow down its destination either.
        site = failure.scope is Scope.SITE and deferred and not self.had_complete_session and not self.request.probe
        if site and indexes and self.destination_trouble is None:
            status = failure.status if status_code.is_soft(failure.status) else status_code.SOFT_UNSPECIFIED
            self.destination_trouble = DestinationTrouble(status, failure.text)

    def _failed_outcome(self, disposition: Disposition, failure: Failure, session: Session | None) -> Outcome:
        status, action = STATUS[disposition]
        if self.request.probe:
            status = Status.UNDELIVERABLE
        soft_bounced = disposition is Disposition.SOFT_BOUNCE and not self.request.probe  # a probe's answer is told as it is
        return Outcome(
            status=status,
            status_code=status_code.soften(failure.status) if soft_bounced else failure.status,
            text=failure.text,
            relay=session.relay if session is not None else "none",
            remote_mta=failure.remote_mta,
            reply=failure.reply,
            action=action,
            delays=self.delays(),
            connection_use=self.connection_use if session is not None else 1,
            soft_bounced=soft_bounced,
            tls=self.tls_status.text if self.tls_status is not None else "",
        )

    async def accept(self, index: int, reply: Reply, session: Session) -> None:
        """A server has taken responsibility for this recipient."""
        status, text = status_code.OK if reply.code // 100 == 3 else reply.status, reply.text
        if self._status_filter is not None:
            status, text = self._status_filter.apply(status, text)
        offers_dsn = session.offered.dsn
        final = self.profile.assume_final and not offers_dsn
        outcome = Outcome(
            _DELIVERABLE if self.request.probe else _SENT,
            status,
            text,
            session.relay,
            session.server.host,
            reply.text,
            _DELIVERED if final else _RELAYED,
            self.delays(),
            self.connection_use,
            in_doubt=self.in_doubt,
            passes_notice_on=offers_dsn,
            tls=self.tls_status.text if self.tls_status is not None else "",
        )
        await self.ledger.settle(index, outcome)
