"""Log lines in the words of Postfix's smtp(8), so that what reads its log reads ours.

A line here is the text after the `postfix/smtp[123]: ` that syslog puts in front: whoever writes it adds what he likes.
`RecipientSettled` is the hot path, one for each recipient of each message; it costs about three microseconds.

The `tls=` field is there where an outcome has one (`smtp_log_tls_feature_status`).

Known difference: a connection that was opened or closed and single commands and replies have no line here; see
`observe.transcript`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mailrider.events import (
    ConnectFailed,
    Event,
    HandedOver,
    Noted,
    RecipientSettled,
    ReplyGarbled,
    ReplyOverlong,
    ReplyReplaced,
    ServerFailedSoftly,
    TlsEstablished,
    TlsFailed,
    Warned,
)
from mailrider.model.address import quote_local_part
from mailrider.model.printable import make_printable
from mailrider.model.request import Transport
from mailrider.observe.duration import duration_format

GARBLED_LINE_LIMIT: Final = 100
"""Characters of a garbled line that are shown, as in smtp(8)."""

OVERLONG_REPLY_LIMIT: Final = 30
"""Characters of an overlong reply that are shown, as in smtp(8)."""


class TextLog:
    """An `events.Observer` that gives each event to `write` as one line of text, without its line end.

    `resolution_digits` is `delay_logging_resolution_limit` (0..6), `address_format` is `info_log_address_format`:
    `external` quotes the local part of an address where RFC 5322 wants it, `internal` shows it bare.  `helpful` is
    `helpful_warnings`: the remedy is told with the trouble.
    """

    __slots__ = ("_duration", "_helpful", "_quote", "_write")

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        resolution_digits: int = 2,
        address_format: str = "external",
        helpful: bool = True,
    ) -> None:
        if address_format not in ("external", "internal"):
            raise ValueError(f"an address format is external or internal, not {address_format!r}")
        self._write = write
        self._helpful = helpful
        self._duration = duration_format(resolution_digits)
        self._quote: Callable[[str], str] = quote_local_part if address_format == "external" else str

    def __call__(self, event: Event) -> None:
        """Write the line that tells `event`; some events have none."""
        if type(event) is RecipientSettled:
            line = self._settled(event)
            self._write(line if line.isprintable() else make_printable(line))
            return
        worded = self._word(event)
        if worded is None:
            return
        self._write(make_printable(worded))
        if type(event) is ReplyGarbled and self._helpful and event.pipelining:
            self._write(make_printable(_word_remedy(event)))

    def _settled(self, event: RecipientSettled) -> str:
        request, recipient, outcome = event
        address = recipient.address
        original = recipient.original
        before, queue, setup, transmission = outcome.delays
        duration = self._duration
        known_as = ""
        if original and original != address and original.casefold() != address.casefold():
            known_as = f", orig_to=<{self._quote(original)}>"
        use = outcome.connection_use
        return (
            f"{request.queue_id}: to=<{self._quote(address)}>{known_as}, relay={outcome.relay}"
            f"{f', conn_use={use}' if use > 1 else ''}"
            f", delay={duration(before + queue + setup + transmission)}"
            f", delays={duration(before)}/{duration(queue)}/{duration(setup)}/{duration(transmission)}"
            f"{f', tls={outcome.tls}' if outcome.tls else ''}"
            f", dsn={outcome.status_code}, status={'SOFTBOUNCE' if outcome.soft_bounced else outcome.status._value_}"
            f" ({outcome.text})"
        )

    def _word(self, event: Event) -> str | None:
        match event:
            case ServerFailedSoftly():
                return f"{event.queue_id}: {event.text}"
            case ConnectFailed():
                return event.text
            case HandedOver():
                return f"{event.queue_id}: passing <{self._quote(event.recipient.address)}> to transport={event.transport}"
            case Noted():
                return f"{event.queue_id}: {event.text}" if event.queue_id else event.text
            case Warned():
                return f"warning: {event.queue_id}: {event.text}" if event.queue_id else f"warning: {event.text}"
            case TlsEstablished():
                return _word_tls(event) if event.logged else None
            case TlsFailed():
                return f"SSL_connect error to {event.server.relay.lower()}: {event.reason}"
            case ReplyReplaced():
                return f'{event.server.relay}: replacing server reply "{event.original}" with "{event.replacement}"'
            case ReplyOverlong():
                return _word_overlong(event)
            case ReplyGarbled():
                return _word_garbled(event)
            case _:
                return None


def _word_tls(event: TlsEstablished) -> str:
    facts = event.facts
    standing = facts.peer.standing.value
    return f"{standing} TLS connection established to {event.server.relay.lower()}: {facts.summary()}"


def _word_overlong(event: ReplyOverlong) -> str:
    beginning = event.beginning[:OVERLONG_REPLY_LIMIT]
    if event.multiline:
        return f"warning: {event.server.relay}: multi-line response longer than {event.limit_octets} {beginning}..."
    return f"warning: {event.server.relay}: response longer than {event.limit_octets}: {beginning}..."


def _word_garbled(event: ReplyGarbled) -> str | None:
    """Without pipelining a garbled line does no harm beyond its own reply, and smtp(8) says nothing."""
    if not event.pipelining:
        return None
    protocol = "LMTP" if event.transport is Transport.LMTP else "ESMTP"
    line = event.line[:GARBLED_LINE_LIMIT]
    return f"warning: {event.queue_id}: non-{protocol} response from {event.server.relay}: {line}"


def _word_remedy(event: ReplyGarbled) -> str:
    parameter = "lmtp_discard_lhlo" if event.transport is Transport.LMTP else "smtp_discard_ehlo"
    return (
        f"warning: to prevent loss of mail, turn off command pipelining for {event.server.address}"
        f" with the {parameter}_keyword_address_maps parameter"
    )
