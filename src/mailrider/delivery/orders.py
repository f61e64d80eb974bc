"""A request in the words that one server understands: which parameters, which form of the addresses, DATA or BDAT."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from mailrider.content.lines import prepare_lines
from mailrider.delivery.internationalization import to_ascii_domains
from mailrider.delivery.progress import Progress
from mailrider.delivery.session import Session
from mailrider.model.request import BodyType
from mailrider.smtp import commands
from mailrider.smtp.chunked import ChunkedTransaction
from mailrider.smtp.transaction import NO_PROBE, Order, Transaction
from mailrider.smtp.xforward import forward_client


def make_transaction(
    session: Session, progress: Progress, indexes: list[int], *, keep: bool, check_alive: bool
) -> Transaction:
    """The transaction that carries the message to these recipients.

    `keep` asks for the connection to be left open, `check_alive` for RSET in front.
    """
    profile, request, offered = progress.profile, progress.request, session.offered
    envelope, content = request.envelope, request.content
    if not offered.smtputf8:
        envelope = to_ascii_domains(envelope, idna2003=profile.idna2003)
    recipients = envelope.recipients
    converting = profile.convert_to_7bit and not offered.eight_bit_mime and envelope.body is not BodyType.SEVEN_BIT
    chunked = profile.chunking and offered.chunking and not request.probe and not session.delays_dot
    quote = profile.quote_envelope

    def open_content() -> Iterator[bytes]:
        return prepare_lines(content.chunks(), profile.line_length_limit_octets, stuff=not chunked)

    def keep_open() -> bool:
        return keep and not session.is_expired(asyncio.get_running_loop().time())

    order = Order(
        session.peer,
        commands.mail_from(envelope, offered, content.size_octets, converting=converting, quote=quote),
        tuple([commands.rcpt_to(recipients[index], offered, quote=quote) for index in indexes]),
        open_content,
        keep_open,
        profile.lmtp,
        profile.probe_target if request.probe else NO_PROBE,
        forward_client(request.client, request.queue_id, offered) if profile.send_xforward else (),
        check_alive,
        profile.await_quit,
        profile.pix_delay_seconds if session.delays_dot else 0.0,
    )
    if not chunked:
        return Transaction(order)
    return ChunkedTransaction(order, content.size_octets, proved=session.bdat_proved)
