"""The envelope while it comes: MAIL, then RCPT by RCPT, each one judged as it comes."""

from __future__ import annotations

from mailrider.intake.syntax import MailFrom, Offer, Wrong, parse_mail, parse_rcpt
from mailrider.intake.terms import Terms
from mailrider.model.request import BodyType, Envelope, Recipient

TOO_MANY = "452 4.5.3 Error: too many recipients"


class Transaction:
    """One MAIL and its recipients.  `refused`: a recipient was named that was not taken."""

    __slots__ = ("_terms", "mail", "recipients", "refused")

    def __init__(self, mail: MailFrom, terms: Terms) -> None:
        self.mail = mail
        self.recipients: list[Recipient] = []
        self.refused = False
        self._terms = terms

    @classmethod
    def begin(cls, text: str, offer: Offer, terms: Terms) -> Transaction | Wrong:
        """From what follows `MAIL`."""
        mail = parse_mail(text, offer)
        if isinstance(mail, Wrong):
            return mail
        if terms.message_size_limit and mail.size_octets > terms.message_size_limit:
            return Wrong("552 5.3.4 Message size exceeds fixed limit")
        return cls(mail, terms)

    def add(self, text: str, *, may_relay: bool) -> str | None:
        """From what follows `RCPT`; the reply of a refusal, or None."""
        rcpt = parse_rcpt(text, smtputf8=self.mail.smtputf8)
        if isinstance(rcpt, Wrong):
            reply = rcpt.reply
        elif not may_relay:
            reply = f"554 5.7.1 <{rcpt.recipient}>: Relay access denied"
        elif len(self.recipients) >= self._terms.recipient_limit:
            reply = TOO_MANY
        else:
            address = self._terms.completion.whole(rcpt.recipient)
            self.recipients.append(Recipient(address, orcpt=rcpt.orcpt, notify=rcpt.notify))
            return None
        self.refused = True
        return reply

    def envelope(self, body: BodyType) -> Envelope:
        """The whole; `body` is what its header says where the client said nothing."""
        mail = self.mail
        return Envelope(
            self._terms.completion.whole_sender(mail.sender),
            tuple(self.recipients),
            envid=mail.envid,
            ret=mail.ret,
            body=mail.body if mail.body is not BodyType.UNKNOWN else body,
            smtputf8=mail.smtputf8,
            requiretls=mail.requiretls,
        )
