"""TLS reports of a running node: made and sent by itself, once a day (`tls_report_send`).

Every `ROUND_SECONDS` a round looks for reports that are owed: those of days (UTC) that are over, `DAYS_OWED` at most.  The
report to a domain is due some time in the first hours of the next day, always at the same time of day, so that the hosts of the
world do not all come at midnight (RFC 8460 §5.5).  The addresses of a record are tried in its order until one has taken the
report: `mailto:` by the node's own spool, which does the rest, `https:` at once.  What nobody takes is tried again with growing
pauses, for `PATIENCE_SECONDS`; then it is given up, and the log says so.

Nothing is sent twice and nothing forgotten, whenever the process ends: mail goes into the spool on hold, under a queue id that
was written down before, then the report is marked as sent, then the mail is released.  Whoever comes after a crash finds in
the marks and in the spool how far it had come.  By HTTPS the moment between the answer and the mark cannot be closed; a report
that comes twice has the same report-id.

The folder belongs to one node.  Nothing here ever disturbs the mail.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mailrider.cli.tlsrpt_sending import NOT_SIGNED, NotMade, make_day, post, signs, write_mail
from mailrider.errors import MailriderError
from mailrider.model.printable import make_printable
from mailrider.model.request import Envelope, Recipient
from mailrider.observe.tls_report_marks import Marks, Offer
from mailrider.observe.tls_reports import list_days
from mailrider.settings import Settings
from mailrider.spool.spool import NotAccepted, Order, Selection, Spool, Submission

if TYPE_CHECKING:
    from mailrider.dsn.tls_report import Report

ROUND_SECONDS = 600.0
"""How often it is looked for reports; also the first pause before another try."""

SETTLING_SECONDS = 600.0
"""How long after midnight the sessions of the day before may still be written down."""

SPREAD_SECONDS = 4 * 3600
"""Over how much of the morning reports are spread."""

LONGEST_PAUSE_SECONDS = 4 * 3600.0
"""So that a report that cannot be delivered is still tried several times within the day that it has."""

PATIENCE_SECONDS = 24 * 3600.0
"""For how long a report is tried (RFC 8460 §5.5)."""

DAYS_OWED = 7
"""Reports of days that are longer ago, when nobody ran a node, are of no use to anybody."""


class ReportRounds:
    """Looks after the reports of one node.  `tell` and `warn` are its log; `now_seconds` is the time of day (UTC)."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        tell: Callable[[str], object],
        warn: Callable[[str], object],
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._tell = tell
        self._warn = warn
        self._now_seconds = now_seconds
        self._complete: set[str] = set()  # days of which no report is owed any more
        self._warned: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go round until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def reload(self, settings: Settings) -> None:
        """From the next round on these settings count."""
        self._settings = settings
        self._complete.clear()

    async def close(self) -> None:
        """Break off; the next one goes on where this one was."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self.go_round()
            await asyncio.sleep(ROUND_SECONDS)

    async def go_round(self) -> None:
        """Send what is due."""
        settings = self._settings
        if not settings.tls_report_send or not settings.tls_report_directory:
            return
        try:
            folder = Path(settings.tls_report_directory)
            marks = Marks(folder)
            days = [day for day in await asyncio.to_thread(list_days, folder) if self._is_owed(day)]
            if not days:
                return
            with marks.hold() as alone:
                for day in days if alone else ():
                    await self._serve_day(marks, day)
        except (OSError, MailriderError) as trouble:
            self._warn_once(f"TLS reports: {getattr(trouble, 'strerror', None) or trouble}")
        except Exception as fault:  # whatever it is, reports are no reason to disturb a node
            self._warn_once(f"TLS reports: {fault!r}")

    def _is_owed(self, day: str) -> bool:
        if day in self._complete:
            return False
        today = datetime.datetime.fromtimestamp(self._now_seconds(), datetime.UTC).date()
        try:
            age = today - datetime.date.fromisoformat(day)
        except ValueError:
            return False
        return 0 < age.days <= DAYS_OWED

    async def _serve_day(self, marks: Marks, day: str) -> None:
        reports = await asyncio.to_thread(make_day, self._settings, day)
        done = [await self._serve(marks, report) for report in reports]
        if all(done):
            self._complete.add(day)

    async def _serve(self, marks: Marks, report: Report) -> bool:
        """Do what can be done for one report now; whether that was all."""
        day, domain, now = report.day, report.domain, self._now_seconds()
        offer = marks.read_offer(day, domain)
        if marks.is_sent(day, domain):
            if offer is not None:
                await self._release(marks, report, offer)
            return True
        if now < find_due_seconds(day, domain, self._settings.myhostname):
            return False
        offer = offer or Offer(first_seconds=now)
        if offer.queue_id and await self._spool.show(offer.queue_id) is not None:
            await self._conclude_mail(marks, report, offer)
            return True
        if now < offer.next_seconds:
            return False
        return await self._try(marks, report, offer)

    async def _try(self, marks: Marks, report: Report, offer: Offer) -> bool:
        from mailrider.dsn.tls_report import find_destinations

        day, domain, now = report.day, report.domain, self._now_seconds()
        destinations = find_destinations(report.record)
        trouble = ""
        for destination in destinations:
            if destination.lower().startswith("mailto:"):
                trouble = await self._mail(marks, report, offer, destination.partition(":")[2])
            else:
                trouble = await post(self._settings, report, destination)
                if not trouble:
                    await self._conclude(marks, report, f"sent to {destination}")
            if not trouble:
                return True
        if not destinations:
            await self._conclude(marks, report, "not sent: no address in its record makes sense")
            return True
        if now - offer.first_seconds >= PATIENCE_SECONDS:
            self._warn(f"TLS report of {day} to {domain} is given up: {make_printable(trouble)}")
            await self._conclude(marks, report, f"given up: {trouble}")
            return True
        pause = min(ROUND_SECONDS * 2**offer.attempts, LONGEST_PAUSE_SECONDS)
        again = Offer(offer.first_seconds, offer.attempts + 1, now + pause)
        await asyncio.to_thread(marks.write_offer, day, domain, again)
        self._warn(f"TLS report of {day} to {domain}: {make_printable(trouble)}; trying again")
        return False

    async def _mail(self, marks: Marks, report: Report, offer: Offer, recipient: str) -> str:
        """Into the spool; what comes back is empty, or says what went wrong."""
        settings = self._settings
        if not signs(settings):
            self._warn_once(NOT_SIGNED)
        mail = await asyncio.to_thread(write_mail, settings, report, recipient)
        if isinstance(mail, NotMade):
            return mail.text
        offer = offer._replace(queue_id=self._spool.new_queue_id())
        await asyncio.to_thread(marks.write_offer, report.day, report.domain, offer)
        envelope = Envelope(settings.tls_report_contact, (Recipient(recipient),))
        answer = await self._spool.accept(Submission(envelope, origin="api", queue_id=offer.queue_id, on_hold=True), mail)
        if isinstance(answer, NotAccepted):
            return answer.text
        await self._conclude_mail(marks, report, offer)
        return ""

    async def _conclude_mail(self, marks: Marks, report: Report, offer: Offer) -> None:
        text = f"queued as {offer.queue_id}"
        await asyncio.to_thread(marks.mark_sent, report.day, report.domain, text)
        await self._release(marks, report, offer)
        self._tell(f"{offer.queue_id}: TLS report of {report.day} to {report.domain}")

    async def _release(self, marks: Marks, report: Report, offer: Offer) -> None:
        """The mail may go, since everything about it has been written down."""
        if offer.queue_id:
            await self._spool.administer(Order.RELEASE, Selection(queue_ids=(offer.queue_id,)))
        await asyncio.to_thread(marks.clear_offer, report.day, report.domain)

    async def _conclude(self, marks: Marks, report: Report, text: str) -> None:
        await asyncio.to_thread(marks.mark_sent, report.day, report.domain, text)
        await asyncio.to_thread(marks.clear_offer, report.day, report.domain)
        self._tell(f"TLS report of {report.day} to {report.domain}: {make_printable(text)}")

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(make_printable(text))


def find_due_seconds(day: str, domain: str, host: str) -> float:
    """When the report of a day to a domain is due, in seconds since the epoch."""
    midnight = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC) + datetime.timedelta(days=1)
    number = int.from_bytes(hashlib.sha256(f"{host} {domain}".encode()).digest()[:8], "big")
    return midnight.timestamp() + SETTLING_SECONDS + number % SPREAD_SECONDS
