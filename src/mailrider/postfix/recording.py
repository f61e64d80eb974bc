"""The recorder of one request: what the core decided becomes a report to Postfix and a mark in the queue file.

The order is what keeps mail safe: first the report, then the mark, and the final reply to the queue manager last.  A
recipient that could not be reported stays unmarked, and the reply says that something is left to do.

=============================  =====================================================  ==========
outcome                        reported to                                            marked
=============================  =====================================================  ==========
probe of smtpd(8)              verify                                                 yes
probe of a user                trace                                                  yes
sent                           trace, where the sender or a delayed mail asks for it  yes
bounced                        bounce, and trace under `sendmail -v`                  yes
deferred, or a soft bounce     defer, and trace under `sendmail -v`; flush            no
=============================  =====================================================  ==========
"""

from __future__ import annotations

from mailrider.events import Observer, Warned
from mailrider.model import status as status_code
from mailrider.model.outcome import Outcome, Recorded, Status
from mailrider.model.request import Recipient
from mailrider.postfix.installation import Installation
from mailrider.postfix.queue_file import QueuedContent, QueueFile
from mailrider.postfix.reports import Reports
from mailrider.postfix.request import (
    MARK_DONE,
    MTA_PROBE,
    NOTIFY_DELAY,
    NOTIFY_SUCCESS,
    RECORD_ALL,
    RECORD_DELAYED,
    USER_PROBE,
    QueuedRecipient,
    QueueRequest,
)

_DELIVERABLE = "deliverable"
_UNDELIVERABLE = "undeliverable"

# What verify(8) calls them.
_PROBE_GOOD, _PROBE_SOFT, _PROBE_HARD = 0, 1, 2


class QueueRecorder:
    """A `model.outcome.Recorder`.  `retry_needed` tells whether a recipient is left that has to be tried again."""

    def __init__(
        self,
        request: QueueRequest,
        file: QueueFile,
        content: QueuedContent,
        reports: Reports,
        installation: Installation,
        observer: Observer,
    ) -> None:
        self._request = request
        self._file = file
        self._content = content
        self._reports = reports
        self._installation = installation
        self._observer = observer
        self._settled: set[int] = set()
        self.retry_needed = False

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        """See `model.outcome.Recorder`."""
        queued = recipient.token
        assert isinstance(queued, QueuedRecipient)
        flags = self._request.flags
        if flags & (MTA_PROBE | USER_PROBE):
            done = recorded = await self._record_probe(queued, outcome)
        elif outcome.status is Status.SENT:
            done = recorded = await self._record_sent(queued, outcome)
        elif outcome.status is Status.BOUNCED:
            done = recorded = await self._record_bounced(queued, outcome)
        else:
            done, recorded = False, await self._record_deferred(queued, outcome)
        if done:
            self._mark_done(queued)
        else:
            self.retry_needed = True
        self._settled.add(id(recipient))
        return Recorded.RECORDED if recorded else Recorded.NOT_RECORDED

    def pass_over(self, recipient: Recipient, *, left: bool) -> None:
        """Another agent has taken this recipient and reported what became of it; `left`: it has to be tried again."""
        self._settled.add(id(recipient))
        self.retry_needed = self.retry_needed or left

    def has_settled(self, recipient: Recipient) -> bool:
        """Whether this recipient, which is one of the request's, has been dealt with to the end."""
        return id(recipient) in self._settled

    async def _record_probe(self, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        reports, request = self._reports, self._request
        good = outcome.status is Status.DELIVERABLE
        if not request.flags & MTA_PROBE:
            return await reports.trace(request, recipient, outcome, _DELIVERABLE if good else _UNDELIVERABLE)
        if not good and not self._installation.caches_negative_probes:
            return True
        failed = _PROBE_SOFT if status_code.is_soft(outcome.status_code) else _PROBE_HARD
        return await reports.verify(request, recipient, _PROBE_GOOD if good else failed, outcome.text)

    async def _record_sent(self, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        reports, request = self._reports, self._request
        action = outcome.action.value
        notify = recipient.notify
        wanted = bool(request.flags & RECORD_ALL)
        wanted = wanted or bool(request.flags & RECORD_DELAYED and (not notify or notify & NOTIFY_DELAY))
        copies = wanted + bool(notify & NOTIFY_SUCCESS and not outcome.passes_notice_on)
        if copies and outcome.passes_notice_on:
            recipient = recipient._replace(notify=notify & ~NOTIFY_SUCCESS)
        for _ in range(copies):
            if not await reports.trace(request, recipient, outcome, action):
                text = f"{request.queue_id}: {self._installation.trace_service} service failed"
                await self._record_failure(recipient, outcome, text)
                return False
        return True

    async def _record_bounced(self, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        reports, request = self._reports, self._request
        recorded = await reports.bounce(request, recipient, outcome)
        if recorded and self._content.damage:
            self._mark_corrupt()
        if recorded and request.flags & RECORD_ALL:
            recorded = await reports.trace(request, recipient, outcome, "failed")
        if not recorded:
            installation = self._installation
            text = f"{installation.bounce_service} or {installation.trace_service} service failure"
            await self._record_failure(recipient, outcome, text)
        return recorded

    async def _record_deferred(self, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        reports, request = self._reports, self._request
        recorded = await reports.defer(request, recipient, outcome)
        if recorded and request.flags & RECORD_ALL:
            recorded = await reports.trace(request, recipient, outcome, "delayed")
        if not outcome.soft_bounced:
            await reports.remember_site(request, recipient)
        return recorded

    async def _record_failure(self, recipient: QueuedRecipient, outcome: Outcome, text: str) -> None:
        """What should have been reported could not be: the recipient has to wait."""
        failed = Outcome(Status.DEFERRED, status_code.SERVER_UNAVAILABLE, text, outcome.relay)
        await self._record_deferred(recipient, failed)

    def _mark_done(self, recipient: QueuedRecipient) -> None:
        if not self._request.flags & MARK_DONE or recipient.offset < 0:
            return
        try:
            self._file.mark_done(recipient.offset)
        except OSError as trouble:
            # The report is there, so nothing is lost.  If another recipient waits, this one may get the message twice.
            self._observer(Warned(f"update queue file {self._file.path}: {trouble.strerror}", self._request.queue_id))

    def _mark_corrupt(self) -> None:
        queue_id = self._request.queue_id
        self._observer(Warned(self._content.damage, queue_id))
        self._observer(Warned(f"corrupted queue file: {self._file.path}"))
        try:
            self._file.mark_corrupt()
        except OSError as trouble:
            self._observer(Warned(f"cannot mark {self._file.path} as corrupt: {trouble.strerror}", queue_id))
