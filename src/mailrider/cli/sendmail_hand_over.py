"""For users who may not write to the queue: `sendmail` brings the message to the door of the running node, by SMTP.

The first `host:port` of `intake_smtp_listen` is asked.  The conversation is that of the delivery core under its built-in
settings, so nothing that main.cf says about servers outside (TLS, logins, rewriting) touches it.  The node answers when the
message is on stable storage.  All recipients or none: the caller gets one exit code, and where that is not 0 he will come
again with all of them; so the door is asked about several recipients before the message is given to it.

What can go wrong: no node answers there, or does not take it now: 75, since that passes, and programs that hear anything else
give the mail up.  For good: 69.  No place is configured, so that neither way can ever be open: 77.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailrider.errors import ContentUnreadable
from mailrider.events import ignore_event
from mailrider.exit_codes import EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE
from mailrider.machine import read_settings
from mailrider.model import status as status_code
from mailrider.model.outcome import Outcome, Recorded, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.settings import Settings
from mailrider.wiring import Engine

NO_CONNECTION = "none"

ACCEPTED = (EX_OK, "")
_GOOD = (Status.SENT, Status.DELIVERABLE)


class OnceContent:
    """A text that comes by once: for one server and one attempt."""

    def __init__(self, pieces: Iterator[bytes], size_octets: int) -> None:
        self._pieces: Iterator[bytes] | None = pieces
        self.size_octets = size_octets

    def chunks(self) -> Iterator[bytes]:
        """The text, the first time; raises `ContentUnreadable` after that."""
        pieces, self._pieces = self._pieces, None
        if pieces is None:
            raise ContentUnreadable("standard input can be read once")
        return pieces


class _Ledger:
    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        return Recorded.RECORDED


async def hand_over(settings: Settings, envelope: Envelope, pieces: Sequence[bytes]) -> tuple[int, str]:
    """Bring a message to the node; an exit code and a sentence."""
    places = [(host or "127.0.0.1", port) for host, port, path in settings.intake_smtp_listen if not path]
    if not places:
        return EX_NOPERM, "this user may not write to the queue, and intake_smtp_listen names no host and port of a node"
    nexthop = "[{}]:{}".format(*places[0])
    own = read_settings(None, [f"myhostname={settings.myhostname}", "smtp_destination_recipient_limit=0"])
    engine = Engine(own, ignore_event)
    content = OnceContent(iter(pieces), sum(map(len, pieces)))
    request = DeliveryRequest(envelope, content, nexthop, Transport.SMTP)
    agent = engine.agent(Transport.SMTP, "smtp")
    try:
        if len(envelope.recipients) > 1:
            told = _judge((await agent.deliver(request._replace(probe=True), _Ledger())).outcomes, nexthop)
            if told != ACCEPTED:
                return told
        return _judge((await agent.deliver(request, _Ledger())).outcomes, nexthop)
    finally:
        await engine.close()


def _judge(outcomes: Sequence[Outcome | None], nexthop: str) -> tuple[int, str]:
    refused = [outcome for outcome in outcomes if outcome is not None and outcome.status not in _GOOD]
    for outcome in sorted(refused, key=lambda outcome: status_code.is_soft(outcome.status_code)):
        if not status_code.is_soft(outcome.status_code):
            return EX_UNAVAILABLE, outcome.text
        if outcome.relay == NO_CONNECTION:
            return EX_TEMPFAIL, f"this user may not write to the queue, and no node answers at {nexthop}: {outcome.text}"
        return EX_TEMPFAIL, outcome.text
    return ACCEPTED
