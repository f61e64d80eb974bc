"""Who is told of a failure, a delay or a success (semantics of bounce(8)).

================  =======================================================  ===========================================
sender            the sender hears                                         the postmaster hears
================  =======================================================  ===========================================
somebody          what NOTIFY allows, from the null sender                 a copy of headers: class bounce, or delay
nobody (`<>`)     -                                                        a double bounce: class bounce or 2bounce
double-bounce     -                                                        -: it is discarded with a warning
================  =======================================================  ===========================================

A success that the null sender asked for goes to the postmaster under class 2bounce.

Of mail with REQUIRETLS only the header is sent back, so that the notice can go where REQUIRETLS cannot (RFC 8689 §5), unless
`requiretls_redact_dsn` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailrider.dsn.report import Kind, Message, Report, Site, wants


class Plan(NamedTuple):
    """One notice that is to be written.

    `sender` and `recipient` are its envelope.  `postmaster_copy`: without the polite words.  `headers_only`: the message
    itself stays here.  `log` is the word for the log: `sender non-delivery notification`.
    """

    kind: Kind
    sender: str
    recipient: str
    reports: tuple[Report, ...]
    postmaster_copy: bool
    headers_only: bool
    log: str


_SENDER_LOG = {
    Kind.FAILURE: "sender non-delivery notification",
    Kind.DELAY: "sender delay notification",
    Kind.SUCCESS: "sender delivery status notification",
}
_POSTMASTER_LOG = {
    Kind.FAILURE: "postmaster non-delivery notification",
    Kind.DELAY: "postmaster delay notification",
}


def is_double_bounce(message: Message, site: Site) -> bool:
    """Whether nobody may be told anything of a message any more."""
    return message.sender.casefold() == site.double_bounce_address.casefold()


def plan_notices(kind: Kind, message: Message, reports: Sequence[Report], site: Site) -> list[Plan]:
    """The notices that follow from these reports; none where nobody is to be told."""
    everybody = tuple(reports)
    if not everybody or is_double_bounce(message, site):
        return []
    if kind is Kind.SUCCESS:
        return _plan_success(message, everybody, site)
    if not message.sender:
        return _plan_double_bounce(kind, message, everybody, site)
    plans = []
    told = tuple(report for report in everybody if wants(report.recipient.notify, kind))
    if told:
        headers_only = kind is Kind.DELAY or message.ret.lower() == "hdrs" or is_redacted(message, site)
        plans.append(Plan(kind, "", message.sender, told, False, headers_only, _SENDER_LOG[kind]))
    if _class_of(kind) in site.classes:
        plans.append(
            Plan(kind, site.double_bounce_address, _postmaster(kind, site), everybody, True, True, _POSTMASTER_LOG[kind])
        )
    return plans


def _class_of(kind: Kind) -> str:
    return "delay" if kind is Kind.DELAY else "bounce"


def _postmaster(kind: Kind, site: Site) -> str:
    return site.qualify(site.delay_recipient if kind is Kind.DELAY else site.bounce_recipient)


def is_redacted(message: Message, site: Site) -> bool:
    """Whether notices about a message leave out what asked for REQUIRETLS."""
    return message.requiretls and site.redacts


def _plan_double_bounce(kind: Kind, message: Message, reports: tuple[Report, ...], site: Site) -> list[Plan]:
    """A notice that could not be delivered: the last chance for the message to be seen by somebody, so it goes whole."""
    if kind is Kind.DELAY:
        wanted, postmaster = "delay" in site.classes, site.delay_recipient
    else:
        wanted, postmaster = bool(site.classes & {"bounce", "2bounce"}), site.two_bounce_recipient
    if not wanted:
        return []
    log = _POSTMASTER_LOG[kind]
    return [Plan(kind, site.double_bounce_address, site.qualify(postmaster), reports, True, is_redacted(message, site), log)]


def _plan_success(message: Message, reports: tuple[Report, ...], site: Site) -> list[Plan]:
    log = _SENDER_LOG[Kind.SUCCESS]
    if message.sender:
        return [Plan(Kind.SUCCESS, "", message.sender, reports, False, True, log)]
    if "2bounce" not in site.classes:
        return []
    postmaster = site.qualify(site.two_bounce_recipient)
    return [Plan(Kind.SUCCESS, site.double_bounce_address, postmaster, reports, False, True, log)]
