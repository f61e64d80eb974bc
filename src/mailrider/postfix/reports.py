"""Telling Postfix what became of a recipient: the bounce, defer, trace, verify and flush services.

Each report is kept by its service until the queue manager makes a notice of it, or until the next attempt.  Nothing here
decides; see `recording`.  Every method says whether the report was taken; what was wrong is told to the observer.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.attributes.plain import Value
from mailrider.errors import TableTrouble
from mailrider.events import Observer, Warned
from mailrider.model.address import domain_of
from mailrider.model.outcome import Outcome
from mailrider.postfix.installation import Installation
from mailrider.postfix.request import TRACE_FLAGS, QueuedRecipient, QueueRequest, encode_recipient
from mailrider.postfix.services import FLUSH_PROTOCOL, STATUS_PROTOCOL, VERIFY_PROTOCOL, ServiceClients, ServiceFailed

APPEND = 0
"""The only command of the bounce, defer and trace services that an agent gives."""

FLUSH_TAKEN = 0
FLUSH_DENIED = 4
"""The site is none that mail is kept ready for: no reason to complain."""

NO_RELAY = "none"


class Reports:
    """The reports of one agent.  `keeps_ready` tells whether a domain is one of `fast_flush_domains`."""

    def __init__(
        self,
        installation: Installation,
        clients: ServiceClients,
        observer: Observer,
        keeps_ready: Callable[[str], bool],
    ) -> None:
        self._installation = installation
        self._clients = clients
        self._observer = observer
        self._keeps_ready = keeps_ready

    async def bounce(self, request: QueueRequest, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        """This recipient is undeliverable."""
        return await self._append(self._installation.bounce_service, request, recipient, outcome, "failed", outcome.text)

    async def defer(self, request: QueueRequest, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        """This recipient has to wait."""
        return await self._append(self._installation.defer_service, request, recipient, outcome, "delayed", outcome.text)

    async def trace(self, request: QueueRequest, recipient: QueuedRecipient, outcome: Outcome, action: str) -> bool:
        """Somebody wanted to hear of this delivery."""
        via = f"delivery via {outcome.relay}: " if outcome.relay != NO_RELAY else ""
        return await self._append(self._installation.trace_service, request, recipient, outcome, action, via + outcome.text)

    async def _append(
        self, service: str, request: QueueRequest, recipient: QueuedRecipient, outcome: Outcome, action: str, reason: str
    ) -> bool:
        replied = outcome.reply is not None
        question: list[tuple[str, Value]] = [
            ("nrequest", APPEND),
            ("flags", request.flags & TRACE_FLAGS),
            ("queue_id", request.queue_id),
            *encode_recipient(recipient),
            ("status", outcome.status_code),
            ("diag_type", "smtp" if replied else ""),
            ("diag_text", outcome.reply or ""),
            ("mta_type", "dns" if outcome.remote_mta else ""),
            ("mta_mname", outcome.remote_mta or ""),
            ("action", action),
            ("reason", reason),
        ]
        return await self._ask(f"private/{service}", STATUS_PROTOCOL, question, request.queue_id, service, (0,))

    async def verify(self, request: QueueRequest, recipient: QueuedRecipient, status: int, reason: str) -> bool:
        """The answer to a probe: 0 deliverable, 1 not known, 2 undeliverable; for the address before aliasing too."""
        addresses = dict.fromkeys(filter(None, (recipient.original, recipient.address)))
        service = self._installation.verify_service
        for address in addresses:
            question: list[tuple[str, Value]] = [
                ("request", "update"),
                ("address", address),
                ("recipient_status", status),
                ("reason", reason),
            ]
            if not await self._ask(f"private/{service}", VERIFY_PROTOCOL, question, request.queue_id, service, (0,)):
                return False
        return True

    async def remember_site(self, request: QueueRequest, recipient: QueuedRecipient) -> None:
        """This message waits for a site whose mail can be asked for (ETRN)."""
        domain = domain_of(recipient.address)
        try:
            if not domain or not self._keeps_ready(domain):
                return
        except TableTrouble as trouble:
            self._observer(Warned(str(trouble), request.queue_id))
            return
        service = self._installation.flush_service
        question = [("request", "add"), ("site", domain), ("queue_id", request.queue_id)]
        good = (FLUSH_TAKEN, FLUSH_DENIED)
        await self._ask(f"public/{service}", FLUSH_PROTOCOL, question, request.queue_id, service, good)

    async def _ask(
        self,
        path: str,
        protocol: str,
        question: list[tuple[str, Value]] | list[tuple[str, str]],
        queue_id: str,
        service: str,
        good: tuple[int, ...],
    ) -> bool:
        try:
            if await self._clients.ask(path, protocol, question) in good:
                return True
        except ServiceFailed as trouble:
            self._observer(Warned(f"problem talking to service {trouble}"))
        self._observer(Warned(f"{service} service failure", queue_id))
        return False
