"""A request in the words that one server understands: which parameters, which form of the addresses, DATA or BDAT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mailrider.content.address_fields import Rewrite
from mailrider.content.fit import Fitting, fit_content
from mailrider.content.lines import prepare_lines
from mailrider.content.prepend import make_delivery_fields
from mailrider.delivery.internationalization import to_ascii_domains
from mailrider.delivery.progress import Progress
from mailrider.delivery.session import Session
from mailrider.events import Noted, Observer, Warned
from mailrider.model.request import BodyType, DeliveryRequest, Envelope
from mailrider.smtp import commands
from mailrider.smtp.authentication import withhold_identity
from mailrider.smtp.chunked import ChunkedTransaction
from mailrider.smtp.transaction import NO_PROBE, Order, Transaction
from mailrider.smtp.xforward import forward_client


def make_transaction(
    session: Session,
    progress: Progress,
    indexes: list[int],
    *,
    keep: bool,
    reused: bool,
    released: Callable[[bool], None] | None = None,
) -> Transaction:
    """The transaction that carries the message to these recipients.

    `keep` asks for the connection to be left open; `reused`: it has carried another message before; `released`: see
    `Order`.  Raises `TableTrouble` when the generic maps cannot answer.
    """
    profile, request, offered = progress.profile, progress.request, session.offered
    envelope, content = request.envelope, request.content
    if profile.lookups.generic is not None:
        envelope = _rewrite_envelope(envelope, profile.lookups.generic)
    if not offered.smtputf8:
        envelope = to_ascii_domains(envelope, idna2003=profile.idna2003)
    recipients = envelope.recipients
    converting = profile.convert_to_7bit and not offered.eight_bit_mime and envelope.body is not BodyType.SEVEN_BIT
    chunked = profile.chunking and offered.chunking and not request.probe and not session.delays_dot
    quote = profile.quote_envelope
    idle = session.connection.is_idle
    fields = _make_fields(progress, indexes) if profile.flags else ()

    def open_content() -> Iterator[bytes]:
        if converting or fields or profile.fitting.walks:
            fitting = _fit_to(profile.fitting, request, progress.observer, converting=converting, fields=fields)
            return fit_content(content, fitting, stuff=not chunked)
        limit = profile.line_length_limit_octets
        return prepare_lines(content.chunks(), limit, stuff=not chunked, when_folded=tell_of_folding)

    def tell_of_folding() -> None:
        text = f"breaking line > {profile.line_length_limit_octets} bytes with <CR><LF>SPACE"
        progress.observer(Noted(text, request.queue_id))

    def keep_open() -> bool:
        return keep and not session.is_expired(session.connection.now_seconds)

    order = Order(
        session.peer,
        _mail_from(session, envelope, content.size_octets, converting=converting, quote=quote),
        tuple([commands.rcpt_to(recipients[index], offered, quote=quote) for index in indexes]),
        open_content,
        keep_open,
        profile.lmtp,
        profile.probe_target if request.probe else NO_PROBE,
        forward_client(request.client, request.queue_id, offered) if profile.send_xforward else (),
        reused,
        profile.await_quit,
        profile.pix_delay_seconds if session.delays_dot else 0.0,
        session.relay,
        released,
        reused and not idle,
    )
    if not chunked:
        return Transaction(order)
    return ChunkedTransaction(order, content.size_octets, proved=session.bdat_proved)


def _make_fields(progress: Progress, indexes: list[int]) -> tuple[bytes, ...]:
    """The header fields that the service adds."""
    profile, envelope = progress.profile, progress.request.envelope
    recipient = envelope.recipients[indexes[0]]
    return make_delivery_fields(
        profile.flags,
        sender=envelope.sender,
        original=recipient.original or recipient.address,
        recipient=recipient.address,
        rewrite=profile.lookups.generic,
    )


def _mail_from(session: Session, envelope: Envelope, size_octets: int, *, converting: bool, quote: bool) -> bytes:
    """MAIL FROM; with `smtp_send_dummy_mail_auth` it says that who logged in does not vouch for the sender."""
    if envelope.requiretls and session.strictness and not session.offered.requiretls:
        envelope = envelope._replace(ret="hdrs")  # a notice from beyond must not show what was to be protected
    line = commands.mail_from(envelope, session.offered, size_octets, converting=converting, quote=quote)
    policy = session.profile.login
    return withhold_identity(line) if policy is not None and policy.withholds_sender and session.login is not None else line


def _fit_to(
    fitting: Fitting, request: DeliveryRequest, observer: Observer, *, converting: bool, fields: tuple[bytes, ...]
) -> Fitting:
    """What is to be done to this message, and who hears of it."""
    queue_id = request.queue_id
    return replace(
        fitting,
        downgrade=converting,
        prepend=fields,
        report=lambda text: observer(Noted(text, queue_id)),
        warn=lambda text: observer(Warned(text, queue_id)),
    )


def _rewrite_envelope(envelope: Envelope, rewrite: Rewrite) -> Envelope:
    """The envelope with the addresses that the world may see; what was asked for stays in ORCPT and in the log."""

    def shown(address: str) -> str:
        rewritten = rewrite(address)
        return address if rewritten is None else rewritten  # it may be the null address

    recipients = tuple(
        recipient._replace(address=shown(recipient.address), original=recipient.original or recipient.address)
        for recipient in envelope.recipients
    )
    return envelope._replace(sender=shown(envelope.sender), recipients=recipients)
