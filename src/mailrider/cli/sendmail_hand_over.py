"""For users who may not write to the queue: `sendmail` brings the message to the door of the running node, by SMTP.

The first `host:port` of `intake_smtp_listen` is asked.  The conversation is that of the delivery core under its built-in
settings, so nothing that main.cf says about servers outside (TLS, logins, rewriting) touches it.  The node answers when the
message is on stable storage.

What can go wrong: no node answers there, or does not take it now: 75, since that passes, and programs that hear anything else
give the mail up.  For good: 69.  No place is configured, so that neither way can ever be open: 77.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailrider.errors import ContentUnreadable
from mailrider.events import ignore_event
from mailrider.machine import read_settings
from mailrider.model.outcome import Outcome, Recorded, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.settings import Settings
from mailrider.wiring import Engine

EX_OK = 0
EX_UNAVAILABLE = 69
EX_TEMPFAIL = 75
EX_NOPERM = 77

NO_CONNECTION = "none"


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
    try:
        report = await engine.agent(Transport.SMTP, "smtp").deliver(request, _Ledger())
    finally:
        await engine.close()
    return _judge([outcome for outcome in report.outcomes if outcome is not None], nexthop)


def _judge(outcomes: Sequence[Outcome], nexthop: str) -> tuple[int, str]:
    for status, code in ((Status.BOUNCED, EX_UNAVAILABLE), (Status.DEFERRED, EX_TEMPFAIL)):
        for outcome in outcomes:
            if outcome.status is status:
                if code == EX_TEMPFAIL and outcome.relay == NO_CONNECTION:
                    return code, f"this user may not write to the queue, and no node answers at {nexthop}: {outcome.text}"
                return code, outcome.text
    return EX_OK, ""
