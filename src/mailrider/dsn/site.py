"""Who writes notices, as the settings say it.

Templates are in a file, which is for others to read: the site has the built-in ones.
"""

from __future__ import annotations

from mailrider.dsn.report import Site
from mailrider.settings import Settings


def read_site(settings: Settings) -> Site:
    """The site of these settings."""
    return Site(
        host_name=settings.myhostname,
        origin=settings.myorigin,
        lookup=settings.raw_text,
        seconds_of=lambda name: float(getattr(settings, name)),
        mail_name=settings.mail_name,
        size_limit_octets=settings.bounce_size_limit,
        lifetime_seconds=settings.maximal_queue_lifetime,
        classes=frozenset(settings.notify_classes),
        double_bounce=settings.double_bounce_sender,
        bounce_recipient=settings.bounce_notice_recipient,
        two_bounce_recipient=settings.two_bounce_notice_recipient,
        delay_recipient=settings.delay_notice_recipient,
        error_recipient=settings.error_notice_recipient,
        eight_bit=settings.smtputf8_enable,
        obsolete_sender=settings.header_from_format == "obsolete",
        threaded=settings.enable_threaded_bounces,
        confirms_delays=settings.confirm_delay_cleared,
        redacts=settings.requiretls_redact_dsn,
    )
