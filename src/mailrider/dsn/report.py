"""What a notice is about: a message, its recipients and what became of each, and the site that says so."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mailrider.dsn.template import Template, Templates
from mailrider.model.outcome import Outcome
from mailrider.model.request import Notify, Recipient


class Kind(enum.Enum):
    """What is told."""

    FAILURE = "failure"
    DELAY = "delay"
    SUCCESS = "success"


class Original(Protocol):
    """The message that a notice is about, as it lies in the spool (a `model.request.Content`)."""

    @property
    def size_octets(self) -> int:
        """With CRLF line ends."""

    def chunks(self) -> Iterator[bytes]:
        """Its text, in pieces."""


class Report(NamedTuple):
    """One recipient, and what became of it.

    `action` is the word of RFC 3464 §2.3.3.  `remote_mta` and `reply` are set where a server decided.
    """

    recipient: Recipient
    status_code: str
    text: str
    action: str
    remote_mta: str = ""
    reply: str = ""


def report_outcome(recipient: Recipient, outcome: Outcome) -> Report:
    """What an outcome of a delivery tells."""
    return Report(
        recipient,
        outcome.status_code,
        outcome.text,
        outcome.action.value,
        outcome.remote_mta or "",
        outcome.reply or "",
    )


@dataclass(frozen=True, slots=True)
class Message:
    """The message that a notice is about.  `original` is None where it cannot be read any more."""

    queue_id: str
    sender: str
    arrival_seconds: float
    original: Original | None
    envid: str = ""
    ret: str = ""
    smtputf8: bool = False
    requiretls: bool = False
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Who speaks, and by which rules.

    `lookup` gives the raw text of a parameter for templates, `seconds_of` the value of one that is a time.  `double_bounce`
    is the address of mail that must not be answered, `classes` are the `notify_classes`.  `redacts`: notices about mail with
    REQUIRETLS say nothing that would need it (`requiretls_redact_dsn`).  `threaded`: notices refer to what they are about
    (`enable_threaded_bounces`).  `confirms_delays`: who was told that mail is late hears when it has arrived
    (`confirm_delay_cleared`).
    """

    host_name: str
    origin: str
    lookup: Callable[[str], str | None]
    seconds_of: Callable[[str], float]
    mail_name: str = "Postfix"
    templates: Templates = field(default_factory=Templates)
    size_limit_octets: int = 50_000
    lifetime_seconds: float = 432_000.0
    classes: frozenset[str] = frozenset({"resource", "software"})
    double_bounce: str = "double-bounce"
    bounce_recipient: str = "postmaster"
    two_bounce_recipient: str = "postmaster"
    delay_recipient: str = "postmaster"
    error_recipient: str = "postmaster"
    eight_bit: bool = True
    obsolete_sender: bool = False
    threaded: bool = False
    redacts: bool = True
    confirms_delays: bool = False

    def template(self, kind: Kind) -> Template:
        """The words for a kind of notice."""
        match kind:
            case Kind.FAILURE:
                return self.templates.failure
            case Kind.DELAY:
                return self.templates.delay
            case Kind.SUCCESS:
                return self.templates.success

    def qualify(self, address: str) -> str:
        """An address of this site with its domain (`myorigin`)."""
        return address if "@" in address or not address else f"{address}@{self.origin}"

    @property
    def double_bounce_address(self) -> str:
        """The sender of notices to the postmaster: of this very host, which discards what comes back to it."""
        return self.double_bounce if "@" in self.double_bounce else f"{self.double_bounce}@{self.host_name}"


def wants(notify: Notify, kind: Kind) -> bool:
    """Whether a recipient's NOTIFY allows a notice of that kind; where nothing was asked failures and delays do."""
    if notify is Notify.UNSET:
        return kind is not Kind.SUCCESS
    asked = {Kind.FAILURE: Notify.FAILURE, Kind.DELAY: Notify.DELAY, Kind.SUCCESS: Notify.SUCCESS}[kind]
    return bool(notify & asked)
