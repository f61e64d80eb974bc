"""Servers that announce DSN and then refuse its parameters (`smtp_dsn_fallback`).

RFC 3461 §4 lets a client send ORCPT, NOTIFY, RET and ENVID to whoever announces DSN.  Some who do so hand the mail to a program
behind them that knows nothing of it, and answer 504 or 555 (RFC 5321 §4.2.2) to MAIL or RCPT: mail that would have been taken
without them comes back.

Known faults: a server that refuses with another code, 501 say, is not recognised, since that is said of bad addresses as well.
"""

from __future__ import annotations

from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.transaction import Transaction

NOT_IMPLEMENTED, NOT_RECOGNIZED = 504, 555

_MAIL_PARAMETERS = (b" RET=", b" ENVID=")
_RCPT_PARAMETERS = (b" ORCPT=", b" NOTIFY=")


def refuses_dsn(transaction: Transaction) -> bool:
    """Whether the server has refused an envelope that had DSN parameters for having parameters."""
    return any(isinstance(verdict, Refusal) and is_about_dsn(transaction, verdict) for verdict in transaction.verdicts)


def is_about_dsn(transaction: Transaction, refusal: Refusal) -> bool:
    """The same for one refusal."""
    if refusal.reply is None or refusal.reply.code not in (NOT_IMPLEMENTED, NOT_RECOGNIZED):
        return False
    order = transaction.order
    if refusal.scope is not Scope.MESSAGE:
        return any(parameter in line for line in order.rcpts for parameter in _RCPT_PARAMETERS)
    return transaction.mail_refused and any(parameter in order.mail for parameter in _MAIL_PARAMETERS)
