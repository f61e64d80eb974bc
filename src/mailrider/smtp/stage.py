"""The stages of a conversation: one row each, holding its time limit and its words.

`doing` is how a broken conversation is told (`lost connection with H[A] while <doing>`), `reply_to` how a refusal is
(`... (in reply to <reply_to>)`).  The words are smtp(8)'s, since postmasters and log analysers know them.
`timeout` is the parameter that limits the stage, by its smtp name (RFC 5321 §4.5.3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One row of the table.  Compared by identity."""

    name: str
    doing: str
    timeout: str
    reply_to: str = ""


GREETING = Stage("GREETING", "receiving the initial server greeting", "smtp_helo_timeout")
EHLO = Stage("EHLO", "performing the EHLO handshake", "smtp_helo_timeout")
HELO = Stage("HELO", "performing the HELO handshake", "smtp_helo_timeout")
LHLO = Stage("LHLO", "performing the LHLO handshake", "smtp_helo_timeout")
STARTTLS = Stage("STARTTLS", "receiving the STARTTLS response", "smtp_starttls_timeout")
# smtp(8) has no words of its own for these, nor time limits: what was last said before counts.
AUTH = Stage("AUTH", EHLO.doing, "smtp_helo_timeout", "AUTH command")
LMTP_AUTH = Stage("AUTH", LHLO.doing, "smtp_helo_timeout", "AUTH command")
AUTH_AFTER_DENIAL = Stage("AUTH", STARTTLS.doing, "smtp_starttls_timeout", "AUTH command")
LOGIN_STAGES = frozenset((AUTH, LMTP_AUTH, AUTH_AFTER_DENIAL))
"""A login: after EHLO, after LHLO, and after a STARTTLS that was denied."""

XFORWARD_NAME = Stage(
    "XFORWARD", "sending XFORWARD name/address", "smtp_xforward_timeout", "XFORWARD name/address command"
)
XFORWARD_HELO = Stage(
    "XFORWARD", "sending XFORWARD protocol/helo_name", "smtp_xforward_timeout", "XFORWARD helo/protocol command"
)
MAIL = Stage("MAIL", "sending MAIL FROM", "smtp_mail_timeout", "MAIL FROM command")
RCPT = Stage("RCPT", "sending RCPT TO", "smtp_rcpt_timeout", "RCPT TO command")
DATA = Stage("DATA", "sending DATA command", "smtp_data_init_timeout", "DATA command")
CONTENT = Stage("CONTENT", "sending message body", "smtp_data_xfer_timeout")
DOT = Stage(
    "DOT",
    "sending end of data -- message may be sent more than once",
    "smtp_data_done_timeout",
    "end of DATA command",
)
CHUNK = Stage("BDAT", "sending message body", "smtp_data_xfer_timeout", "BDAT command")
BDAT = Stage(
    "BDAT",
    "sending end of data -- message may be sent more than once",
    "smtp_data_done_timeout",
    "BDAT command",
)
RSET = Stage("RSET", "sending final RSET", "smtp_rset_timeout", "final RSET command")
PROBE = Stage("RSET", "sending RSET probe", "smtp_rset_timeout", "RSET probe")
QUIT = Stage("QUIT", "sending QUIT", "smtp_quit_timeout", "QUIT command")

STAGES = (
    GREETING, EHLO, HELO, LHLO, STARTTLS, AUTH, LMTP_AUTH, AUTH_AFTER_DENIAL, XFORWARD_NAME, XFORWARD_HELO, MAIL, RCPT,
    DATA, CONTENT, DOT, CHUNK, BDAT, RSET, PROBE, QUIT,
)  # fmt: skip

TimeLimits = Mapping[Stage, float]
"""Seconds for each stage; every stage of `STAGES` is in it."""
