"""The exceptions of Mailrider: broken promises, never refusals.

What a server, a table or the DNS *answers* is a value (`smtp.refusal.Refusal`, `model.outcome.Outcome`,
`resolver.answer.Answer`).  An exception says that something which was promised did not hold, and its class
answers whose fault it is::

    MailriderError
    ├── WrongUsage            the caller or the command line is wrong         exit 64 (EX_USAGE)
    ├── WrongConfiguration    a setting is wrong: file, line, value, remedy   exit 78 (EX_CONFIG)
    ├── MissingInput          a file that was named cannot be read            exit 66 (EX_NOINPUT)
    ├── CannotCreate          a file that was asked for cannot be written     exit 73 (EX_CANTCREAT)
    ├── ContentTrouble        the content broke off: it must not be ended with a dot
    │   ├── ContentUnreadable   it failed while it was being read             the attempt is deferred
    │   │   └── ContentDamaged  and will fail again: the file is corrupt      the recipients bounce
    │   └── UnsuitableContent   it cannot be fitted to a server               the recipients bounce
    ├── WireTrouble           thrown *into* a protocol script by its driver
    │   ├── ConnectionLost    the peer went away
    │   ├── TimedOut          the peer was silent for too long
    │   ├── TlsTrouble        TLS could not be turned on, or broke
    │   ├── LocalDataError    a table that the conversation needs could not answer
    │   └── PeerBabbles       the peer sent more than a reply may hold
    ├── TableTrouble          a lookup table could not answer                 a deferral, never a miss
    ├── QueueRefused          the queue did not take a message                of `Node.enqueue` alone
    ├── SpoolTrouble          the queue cannot be read or written             exit 75 (EX_TEMPFAIL)
    └── BrokenPromise         a fault of our own: should never be seen        exit 70 (EX_SOFTWARE)

Foreign exceptions (`OSError`, dnspython's, click's) are translated into these at the border where they arise.
"""

from __future__ import annotations


class MailriderError(Exception):
    """Anything that Mailrider raises on purpose."""


class WrongUsage(MailriderError):
    """The caller asked for something that cannot be asked for; the text is one sentence for a person."""


class WrongConfiguration(MailriderError):
    """A setting is wrong.  The text names where it stands, the value, and what would be accepted."""


class MissingInput(MailriderError):
    """A file or folder that was named does not exist or cannot be read."""


class CannotCreate(MailriderError):
    """A file or folder that was asked for cannot be made or written, or is there already."""


class ContentTrouble(MailriderError):
    """The content of a message breaks off: what has been sent of it must not be ended with a dot."""


class ContentUnreadable(ContentTrouble):
    """The message content failed while it was being read."""


class ContentDamaged(ContentUnreadable):
    """What keeps the message is corrupt: reading it again would not help.  The text says what is wrong, for the log."""


class UnsuitableContent(ContentTrouble):
    """The message cannot be made such that the server could take it.

    The text is the reason that the recipients are told; the status code is 5.6.0.
    """


class WireTrouble(MailriderError):
    """The conversation cannot go on.  Thrown into a script at the place where it awaits a reply."""


class ConnectionLost(WireTrouble):
    """The peer closed or reset the connection."""


class TimedOut(WireTrouble):
    """The time limit of a stage ran out (RFC 5321 §4.5.3.2)."""


class TlsTrouble(WireTrouble):
    """TLS could not be turned on, or broke; the text is the reason, printable."""


class LocalDataError(WireTrouble):
    """A lookup table that is needed in the middle of a conversation could not answer."""


class PeerBabbles(WireTrouble):
    """One reply grew past the bound that `smtp.reply` sets."""


class TableTrouble(MailriderError):
    """A lookup table could not answer: gone, slow, or its answer makes no sense."""


class QueueRefused(MailriderError):
    """The queue did not take a message: its disk is full, or cannot be written.  Nothing of it is kept."""


class SpoolTrouble(MailriderError):
    """The storage of the queue failed: full, broken, locked, or not ours to touch."""


class BrokenPromise(MailriderError):
    """A fault in Mailrider itself."""
