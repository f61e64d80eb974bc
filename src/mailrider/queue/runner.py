"""The queue at work: takes messages whose turn has come, gives each recipient its way, and lets dockets do the rest.

What is in memory is bounded by `qmgr_message_active_limit` messages and `qmgr_message_recipient_limit` recipients.  A message,
a sender or a domain that fills much of that waits until some of it has drained, so that the others are not kept out
(`queue.crowds`).

Where enough is in memory to keep everybody busy, the rest is taken in when nobody has anything else to do: replies of servers
are heard, and connections opened, before mail is read whose turn is far off.

When the node stops, nothing begins any more: what waits goes back to the spool untouched, what is under way ends at the next
safe point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from mailrider.clock import Clock
from mailrider.errors import SpoolTrouble
from mailrider.events import Observer, RecipientSettled
from mailrider.model.address import domain_of
from mailrider.model.outcome import Action, Delays, Outcome, Status
from mailrider.model.request import DeliveryRequest, Recipient
from mailrider.model.status import parse_status
from mailrider.queue.crowds import Crowds
from mailrider.queue.dispatcher import Dispatcher
from mailrider.queue.docket import Docket
from mailrider.queue.grouping import Groups
from mailrider.queue.office import Desk, Hands
from mailrider.queue.portion import Portion, Way
from mailrider.queue.routing import DISCARD, ERROR, RETRY, Route, Router
from mailrider.spool.spool import LEASED_MESSAGES_LIMIT, LEASED_RECIPIENTS_LIMIT, Lease, OpenRecipient, Share, Stir

WAIT_SECONDS = 5.0
"""How long the spool is waited for at once; it wakes us earlier where there is anything."""

ADMITTED_AT_ONCE = 50
"""Messages that are taken in before others get their turn: a few milliseconds, in which no reply of a server is heard."""

ENOUGH_WAITING = 500
"""With so many messages in memory that wait for their turn more of them are taken in at leisure: a tenth of a second's work."""

LEISURELY = 100
"""Messages that are taken in at a time then."""

QUIET_SECONDS = 0.0003
"""A round of the event loop in which nobody else has anything to do is shorter."""

LEISURE_SECONDS = 0.02
"""How long such a round is waited for: a node that is never quiet takes in a few thousand messages a second."""

TROUBLE_PAUSE_SECONDS = 5.0
"""After the spool could not be read."""

DEFERRED_TRANSPORT = "4.3.2 deferred transport"
NO_TRANSPORT = "4.3.0 mail transport unavailable"
DISCARDED_NOTICE = "undeliverable postmaster notification discarded"


@dataclass(frozen=True, slots=True)
class RunnerTerms:
    """`mailing_minimum`: how many recipients of one message may be in memory in any case.

    `double_bounce_user`: mail for this local part at a domain of our own is discarded.
    """

    defer_transports: frozenset[str] = frozenset()
    messages_limit: int = 20_000
    recipients_limit: int = 20_000
    mailing_minimum: int = 10
    double_bounce_user: str = "double-bounce"


class Runner:
    """`find_way` gives the way of a route, or the text of why there is none.

    `share`: what is ours, where others work beside us.
    """

    def __init__(
        self,
        hands: Hands,
        router: Router,
        dispatcher: Dispatcher,
        find_way: Callable[[Route], Way | str],
        terms: RunnerTerms,
        clock: Clock,
        observer: Observer,
        share: Share | None = None,
    ) -> None:
        self._share = share
        self._spool = hands.spool
        self._journal = hands.journal
        self._router = router
        self._dispatcher = dispatcher
        self._find_way = find_way
        self._terms = terms
        self._clock = clock
        self._observer = observer
        self._desk = Desk(hands, self._close)
        self._active: set[Docket] = set()
        self._groups = Groups(clock)
        self._crowds = Crowds(terms.recipients_limit)
        self._room = asyncio.Event()
        self._resting: asyncio.Future[Stir] | None = None
        self._stopping = False
        self._flushing = False

    @property
    def active(self) -> int:
        """Messages in memory."""
        return len(self._active)

    async def run(self) -> None:
        """Work until `stop`; returns when nothing is under way and all is durable."""
        try:
            while not self._stopping:
                await self._step()
        except BaseException:
            await self._close_down()
            raise
        await self._close_down()

    async def _close_down(self) -> None:
        self._dispatcher.stop()
        await self._groups.close()
        await self._dispatcher.join()
        await self._desk.close_down()

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True
        self._room.set()
        if self._resting is not None:
            self._resting.cancel()
        self._dispatcher.stop()

    def hurry(self) -> None:
        """What the storage refuses to record is given up: the node ends, and the next one does it again."""
        self._desk.hurry()

    def flush(self) -> None:
        """Dead destinations get another chance, and so do deferred transports, until all that is due has been looked at."""
        self._flushing = True
        self._dispatcher.flush()

    async def _step(self) -> None:
        crowds = self._crowds
        messages = min(LEASED_MESSAGES_LIMIT, self._terms.messages_limit - len(self._active))
        recipients = min(LEASED_RECIPIENTS_LIMIT, self._terms.recipients_limit - crowds.total, crowds.batch_limit)
        if messages <= 0 or recipients <= 0:
            self._room.clear()
            await self._room.wait()
            return
        if len(self._active) - self._dispatcher.busy >= ENOUGH_WAITING:
            messages = min(messages, LEISURELY)
            await self._make_way()
        try:
            leases = await self._spool.lease(
                messages,
                recipients,
                passes_over=crowds.passes_over if crowds else None,
                passes_over_sender=crowds.passes_over_sender,
                mailing_limit=crowds.mailing_limit(self._terms.mailing_minimum),
                share=self._share,
            )
            if not leases:
                self._flushing = False
            # Asked after the lease, since what a flush has made due may be in it: its destination is not dead any more.
            if Stir.FLUSH in await (self._spool.wait(0.0) if leases else self._rest()):
                self.flush()
        except SpoolTrouble as trouble:
            self._journal.warn(f"the queue cannot be read: {trouble}")
            await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            return
        for number, lease in enumerate(leases, 1):
            self._admit(lease)
            if number % ADMITTED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _make_way(self) -> None:
        """Let those who deliver work, until they wait for their servers; but not for long."""
        now_seconds = self._clock.monotonic_seconds
        begun = now = now_seconds()
        while now < begun + LEISURE_SECONDS:
            before = now
            await asyncio.sleep(0)
            now = now_seconds()
            if now < before + QUIET_SECONDS:
                return

    async def _rest(self) -> Stir:
        """Wait until there is something to do, or it is time to stop."""
        if self._stopping:
            return Stir.NOTHING
        resting = self._resting = asyncio.ensure_future(self._spool.wait(WAIT_SECONDS))
        try:
            await asyncio.wait([resting])
        finally:
            resting.cancel()
        return Stir.NOTHING if resting.cancelled() else resting.result()

    def _admit(self, lease: Lease) -> None:
        """A message whose turn has come."""
        if self._stopping:
            self._spool.release(lease)
            return
        message = lease.message
        docket = Docket(lease, self._desk)
        self._active.add(docket)
        self._crowds.enter(message.envelope.sender, [domain_of(it.recipient.address).lower() for it in message.recipients])
        self._journal.activated(message.queue_id, message.envelope.sender, message.size_octets, message.recipients_total)
        groups: dict[Hashable, tuple[Way, str, list[Recipient]]] = {}
        for it in docket.recall_owed():
            self._sort(docket, it, groups)
        self._dispatch(docket, groups)

    def _sort(self, docket: Docket, it: OpenRecipient, groups: dict[Hashable, tuple[Way, str, list[Recipient]]]) -> None:
        """Settle a recipient that is not to be delivered, or put it to the others that go the same way."""
        message, recipient = docket.lease.message, it.recipient
        route = self._router.find(message.envelope.sender, recipient.address)
        way = self._choose(route, recipient)
        if isinstance(way, Outcome):
            self._settle_here(docket, recipient, route.transport, way)
            return
        server = it.in_doubt.server if it.in_doubt is not None else ""
        group = groups.get((way, server))
        if group is None:
            groups[way, server] = (way, server, [recipient])
        else:
            group[2].append(recipient)

    def _dispatch(self, docket: Docket, groups: dict[Hashable, tuple[Way, str, list[Recipient]]]) -> None:
        now = self._clock.wall_seconds()
        portions = []
        for way, server, recipients in groups.values():
            step = way.limit or len(recipients)
            for start in range(0, len(recipients), step):
                portions.append(Portion(docket, way, tuple(recipients[start : start + step]), now, server))
        for portion in portions:
            if portion.is_grouped:
                self._groups.when_known(portion.way, partial(self._join, portion))
            else:
                self._dispatcher.add(portion)
        if not portions:
            docket.finish()

    def _join(self, portion: Portion, group: str) -> None:
        portion.join(group)
        self._dispatcher.add(portion)

    def _choose(self, route: Route, recipient: Recipient) -> Way | Outcome:
        """The way of a recipient, or what becomes of it at once."""
        transport = route.transport
        if route.is_local and recipient.address.rpartition("@")[0].casefold() == self._terms.double_bounce_user.casefold():
            return Outcome(Status.SENT, "2.0.0", DISCARDED_NOTICE, action=Action.DELIVERED)
        if transport in self._terms.defer_transports and not self._flushing:
            return _tell(DEFERRED_TRANSPORT, Status.DEFERRED, "4.3.2")
        if transport == ERROR:
            return _tell(route.nexthop, Status.BOUNCED, "5.0.0")
        if transport == RETRY:
            return _tell(route.nexthop, Status.DEFERRED, "4.0.0")
        if transport == DISCARD:
            return _tell(route.nexthop, Status.SENT, "2.0.0")
        way = self._find_way(route)
        return _tell(way, Status.DEFERRED, "4.3.0") if isinstance(way, str) else way

    def _settle_here(self, docket: Docket, recipient: Recipient, transport: str, outcome: Outcome) -> None:
        message = docket.lease.message
        now = self._clock.wall_seconds()
        outcome = outcome._replace(delays=Delays(max(0.0, now - message.arrival_seconds), 0.0, 0.0, 0.0))
        request = DeliveryRequest(message.envelope, docket.lease.content, "", service=transport, queue_id=message.queue_id)
        self._observer(RecipientSettled(request, recipient, outcome))
        assert isinstance(recipient.token, int)
        docket.settle(recipient.token, outcome)

    def _close(self, docket: Docket) -> None:
        """A message is done for this time."""
        self._active.discard(docket)
        message = docket.lease.message
        domains = [domain_of(it.recipient.address).lower() for it in message.recipients]
        if self._crowds.leave(message.envelope.sender, domains):
            self._spool.look_again()
        self._room.set()


def _tell(text: str, status: Status, default: str) -> Outcome:
    """An outcome from a text that may begin with a status code of its own (error(8))."""
    code = parse_status(text)
    if code is not None:
        text = text[len(code) :].lstrip()
    wanted = {Status.SENT: "2", Status.DEFERRED: "4", Status.BOUNCED: "5"}[status]
    if code is None or code[0] != wanted:
        code = default
    action = {Status.SENT: Action.DELIVERED, Status.DEFERRED: Action.DELAYED, Status.BOUNCED: Action.FAILED}[status]
    return Outcome(status, code, text, action=action)
