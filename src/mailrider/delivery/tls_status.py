"""The words after `tls=` in the status line of a recipient (`smtp_log_tls_feature_status`, as in Postfix 3.11).

`level/requiretls`: the TLS level that was asked for at the server and, where the sender has asked for REQUIRETLS, what became
of that wish.  `name:other` tells what it came down to, `!` in front that this broke the policy, so that the connection was
not used, `?` behind that it was never decided (there was no connection, or it broke before or in the handshake).

======================================  ================================================================================
`none`                                  TLS is off there
`may`, `secure`, ...                    TLS, with all that the level demands
`may:none`                              in clear text, which the level allows
`dane:encrypt`                          TLSA records are there, and none can be used
`!secure`                               the level was not met
`unknown?`                              no level could be found
`secure/requiretls`                     the wish was passed on to a server that proved who it is
`may/requiretls:nocertmatch`            passed on to one that did not have to prove it
`may:none/requiretls:none`              not passed on; the policy allows that
`may?/!requiretls:nostarttls`           no TLS, and the policy does not allow that
`secure/!requiretls:none`               the server does not announce REQUIRETLS, and the policy does not allow that
`may?/!requiretls:nocertmatch`          our own level has nobody prove who he is, and the policy does not allow that
======================================  ================================================================================

`halfdane` is `dane` where nobody signed the MX records.  A connection that was kept shows what it was opened with; Postfix
shows nothing there, or a question mark.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from mailrider.delivery.required_tls import REQUIRETLS_UNSUPPORTED, Strictness
from mailrider.delivery.session import NoSession, Session
from mailrider.model.tls import TlsLevel
from mailrider.trust.dane import NONE_USABLE
from mailrider.trust.policy import NoPolicy, Policy, SourceKind

_WISH = "requiretls"
_NO_MATCH = "nocertmatch"
_NO_STARTTLS = "nostarttls"
_NO_ENCRYPTION = "noencryption"
_NONE = "none"
_UNKNOWN = "unknown"

_DENIALS = ("TLS is required, but was not", "TLS is required, but host", "Sender requested REQUIRETLS, but")
"""How refusals begin of servers that do not offer TLS, or do not give it."""


class Verdict(enum.Enum):
    """Whether a policy was met."""

    UNDECIDED = "undecided"
    VIOLATED = "violated"
    MET = "met"


class Feature(NamedTuple):
    """One word: what was asked for, what it came down to (empty: the same), and whether that is enough."""

    name: str
    final: str = ""
    verdict: Verdict = Verdict.UNDECIDED

    def __str__(self) -> str:
        """As the log shows it."""
        mark = "!" if self.verdict is Verdict.VIOLATED else ""
        other = f":{self.final}" if self.final and self.final != self.name else ""
        return f"{mark}{self.name}{other}{'?' if self.verdict is Verdict.UNDECIDED else ''}"


class TlsStatus:
    """The words for the recipients of one request.  `text` is as of now: of the server that was tried last."""

    __slots__ = ("_level", "text")

    def __init__(self) -> None:
        self._level = ""
        self.text = ""

    def choose(self, policy: Policy | NoPolicy, strictness: Strictness, *, refused: bool) -> None:
        """A policy for the next server, or none; `refused`: it is too weak for the sender's wish."""
        self._level = _name_policy(policy) if isinstance(policy, Policy) else _UNKNOWN
        wish = Feature(_WISH)
        if refused:
            why = _NO_MATCH if strictness is Strictness.ENFORCE else _NO_ENCRYPTION
            wish = Feature(_WISH, why, Verdict.VIOLATED)
        self._tell(Feature(self._level), wish, strictness)

    def open(self, opened: Session | NoSession, strictness: Strictness) -> None:
        """What came of the connection under that policy."""
        session = opened if isinstance(opened, Session) else opened.session
        failure = opened.failure if isinstance(opened, NoSession) else None
        if session is None:
            return
        facts = session.tls
        level, wish = Feature(self._level), Feature(_WISH)
        if facts is not None and facts.level.must_match and not facts.peer.matched:
            level = Feature(self._level, _name_level(facts.level), Verdict.VIOLATED)
            wish = Feature(_WISH, _NO_MATCH, Verdict.VIOLATED if strictness is Strictness.ENFORCE else Verdict.MET)
        elif facts is not None:
            level = Feature(self._level, _name_level(facts.level), Verdict.MET)
            if session.admitted:
                wish = _judge_wish(session)
            elif failure is not None and failure.status == REQUIRETLS_UNSUPPORTED:
                wish = Feature(_WISH, _NONE, Verdict.VIOLATED)
        elif session.admitted:
            level, wish = Feature(self._level, _NONE, Verdict.MET), Feature(_WISH, _NONE, Verdict.MET)
        elif failure is not None and failure.text.startswith(_DENIALS):
            if session.policy.level.required:
                level = Feature(self._level, "", Verdict.VIOLATED)
            if strictness >= Strictness.STARTTLS:
                wish = Feature(_WISH, _NO_STARTTLS, Verdict.VIOLATED)
        self._tell(level, wish, strictness)

    def reuse(self, session: Session, strictness: Strictness) -> None:
        """A connection that was kept."""
        self._level = _name_policy(session.policy)
        self.open(session, strictness)

    def _tell(self, level: Feature, wish: Feature, strictness: Strictness) -> None:
        self.text = f"{level}/{wish}" if strictness > Strictness.DISABLE else str(level)


def _judge_wish(session: Session) -> Feature:
    """What became of the wish with a server that has let us in through TLS."""
    assert session.tls is not None
    if not session.offered.requiretls:
        return Feature(_WISH, _NONE, Verdict.MET)
    return Feature(_WISH, _WISH if session.tls.peer.matched else _NO_MATCH, Verdict.MET)


def _name_policy(policy: Policy) -> str:
    """The level as it was before the handshake: one that gives way in it is named by what was asked for."""
    asked = policy.requested
    gave_way = policy.reason == NONE_USABLE or policy.source.kind is SourceKind.FALLBACK
    return _name_level(asked if asked is not None and gave_way else policy.level)


def _name_level(level: TlsLevel) -> str:
    return "halfdane" if level is TlsLevel.HALF_DANE else level.word
