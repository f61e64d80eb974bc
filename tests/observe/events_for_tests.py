"""Events with everything filled in, and strategies for events with anything in them."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from mailrider.events import (
    CommandSent,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HandedOver,
    Noted,
    RecipientSettled,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReceived,
    ReplyReplaced,
    ServerFailedSoftly,
    Warned,
)
from mailrider.model.outcome import Action, Delays, Outcome, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.model.server import Family, Server

MX1 = Server("mx1.example.test", "127.0.0.2", 25, Family.IPV4)


class NoContent:
    size_octets = 0

    def chunks(self) -> Iterator[bytes]:
        return iter(())


def request_for(recipient: Recipient, queue_id: str = "4XyZ", sender: str = "a@example.test") -> DeliveryRequest:
    return DeliveryRequest(Envelope(sender, (recipient,)), NoContent(), "example.test", queue_id=queue_id)


def settled(outcome: Outcome, address: str = "bob@example.test", original: str = "") -> RecipientSettled:
    recipient = Recipient(address, original)
    return RecipientSettled(request_for(recipient), recipient, outcome)


SENT = Outcome(
    Status.SENT,
    "2.0.0",
    "250 2.0.0 Ok: queued as 4A",
    relay=MX1.relay,
    remote_mta=MX1.host,
    reply="250 2.0.0 Ok: queued as 4A",
    action=Action.RELAYED,
    delays=Delays(1.234, 0.0042, 0.0151, 12.6),
)

# Lone surrogates stand for octets that were never text, and they may turn up anywhere.
anything = st.text(st.characters(), max_size=30)
servers = st.builds(Server, anything, anything, st.integers(0, 65535), st.sampled_from(Family))
outcomes = st.builds(
    Outcome,
    st.sampled_from(Status),
    anything,
    anything,
    anything,
    delays=st.builds(Delays, *[st.floats(-10, 1e7)] * 4),
    connection_use=st.integers(1, 1000),
    soft_bounced=st.booleans(),
)


def _settle(address: str, original: str, queue_id: str, sender: str, outcome: Outcome) -> RecipientSettled:
    recipient = Recipient(address, original)
    return RecipientSettled(request_for(recipient, queue_id, sender), recipient, outcome)


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(_settle, anything, anything, anything, anything, outcomes),
    st.builds(ServerFailedSoftly, anything, anything),
    st.builds(ConnectFailed, anything, servers, anything),
    st.builds(HandedOver, anything, st.builds(Recipient, anything), anything),
    st.builds(ReplyGarbled, anything, servers, st.booleans(), anything, st.sampled_from(Transport)),
    st.builds(ReplyOverlong, servers, st.integers(0), st.booleans(), anything),
    st.builds(ReplyReplaced, servers, anything, anything),
    st.builds(Noted, anything, anything),
    st.builds(Warned, anything, anything),
    st.builds(ConnectionOpened, anything, servers, st.lists(anything, max_size=3).map(tuple)),
    st.builds(ConnectionClosed, servers, st.integers(0, 9)),
    st.builds(CommandSent, servers, anything),
    st.builds(ReplyReceived, servers, anything),
)
