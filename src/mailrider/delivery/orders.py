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
    envelope = request.envelope
    if profile.lookups.generic is not None:
        envelope = _rewrite_envelope(envelope, profile.lookups.generic)
    if not offered.smtputf8:
        envelope = to_ascii_domains(envelope, idna2003=profile.idna2003)
    recipients, quote = envelope.recipients, profile.quote_envelope
    chunked = profile.chunking and offered.chunking and not request.probe and not session.delays_dot
    script = _Script(session, progress, indexes, keep=keep, stuff=not chunked)
    order = Order(
        session.peer,
        _mail_from(session, envelope, request.content.size_octets, converting=script.converting, quote=quote),
        tuple([commands.rcpt_to(recipients[index], offered, quote=quote) for index in indexes]),
        script.open_content,
        script.keeps_open,
        profile.lmtp,
        profile.probe_target if request.probe else NO_PROBE,
        forward_client(request.client, request.queue_id, offered) if profile.send_xforward else (),
        reused,
        profile.await_quit,
        profile.pix_delay_seconds if session.delays_dot else 0.0,
        session.relay,
        released,
        reused and not session.connection.is_idle,
    )
    if not chunked:
        return Transaction(order)
    return ChunkedTransaction(order, request.content.size_octets, proved=session.bdat_proved)


class _Script:
    """What a transaction asks for only when it gets there: the content for this server, and whether the connection stays open.

    An object and not functions inside a function: those hold each other, and only the garbage collector would part them.
    """

    __slots__ = ("_fields", "_keep", "_progress", "_session", "_stuff", "converting")

    def __init__(self, session: Session, progress: Progress, indexes: list[int], *, keep: bool, stuff: bool) -> None:
        profile, body = progress.profile, progress.request.envelope.body
        self.converting = (
            profile.convert_to_7bit and not session.offered.eight_bit_mime and body is not BodyType.SEVEN_BIT
        )
        self._session = session
        self._progress = progress
        self._keep = keep
        self._stuff = stuff
        self._fields = _make_fields(progress, indexes) if profile.flags else ()

    def open_content(self) -> Iterator[bytes]:
        """The content from its beginning, as `Order.content` promises it."""
        progress = self._progress
        profile, content = progress.profile, progress.request.content
        if self.converting or self._fields or profile.fitting.walks:
            fitting = _fit_to(
                profile.fitting, progress.request, progress.observer, converting=self.converting, fields=self._fields
            )
            return fit_content(content, fitting, stuff=self._stuff)
        limit = profile.line_length_limit_octets
        return prepare_lines(content.chunks(), limit, stuff=self._stuff, when_folded=self._tell_of_folding)

    def keeps_open(self) -> bool:
        """True if the connection is to be left open, as far as can be told now."""
        return self._keep and not self._session.is_expired(self._session.connection.now_seconds)

    def _tell_of_folding(self) -> None:
        progress = self._progress
        text = f"breaking line > {progress.profile.line_length_limit_octets} bytes with <CR><LF>SPACE"
        progress.observer(Noted(text, progress.request.queue_id))


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
