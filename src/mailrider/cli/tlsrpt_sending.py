"""TLS reports on their way out: written as mail, signed, or posted by HTTPS (RFC 8460 §5)."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mailrider.settings import Settings

if TYPE_CHECKING:
    from mailrider.dsn.tls_report import Report, Reporter

POST_SECONDS = 60.0
"""How long an HTTPS server may take for a report."""

KEY_LIMIT_OCTETS = 64 * 1024
"""An RSA key of 16,384 bits has 13 kB in PEM; what is longer than this is no key."""

NOT_SIGNED = (
    "TLS reports go out by mail without the DKIM signature that RFC 8460 wants, and may be refused: set "
    "tls_report_dkim_selector and tls_report_dkim_key_file"
)


class NotMade(NamedTuple):
    """Why a report cannot go out by mail as it should."""

    text: str


def read_reporter(settings: Settings) -> Reporter:
    """Who reports."""
    from mailrider.dsn.tls_report import Reporter

    return Reporter(settings.tls_report_organization, settings.tls_report_contact, settings.myhostname)


def make_day(settings: Settings, day: str) -> list[Report]:
    """The reports of a day, by domain.  Reads the whole journal of it.  Raises `OSError` where there is none."""
    from mailrider.dsn.tls_report import make_reports
    from mailrider.observe.tls_reports import read_day

    sessions: Iterable[Mapping[str, Any]] = read_day(Path(settings.tls_report_directory), day)
    return make_reports(sessions, day, read_reporter(settings))


def signs(settings: Settings) -> bool:
    """Whether mail is to be signed."""
    return bool(settings.tls_report_dkim_key_file)


def write_mail(settings: Settings, report: Report, recipient: str) -> bytes | NotMade:
    """A report as mail to one address, with CRLF line ends.  What was to be signed does not go out unsigned."""
    from mailrider.dsn.signature import Signer, Unsigned, sign
    from mailrider.dsn.tls_report import make_mail

    date = email.utils.format_datetime(datetime.datetime.now(datetime.UTC))
    mail = make_mail(report, read_reporter(settings), recipient, date)
    if not signs(settings):
        return mail
    path = settings.tls_report_dkim_key_file
    try:
        with open(path, "rb") as file:
            key = file.read(KEY_LIMIT_OCTETS)
    except (OSError, ValueError) as trouble:
        return NotMade(f"tls_report_dkim_key_file = {path}: {getattr(trouble, 'strerror', None) or trouble}")
    domain = settings.tls_report_dkim_domain or settings.tls_report_contact.rpartition("@")[2]
    signed = sign(mail, Signer(domain, settings.tls_report_dkim_selector, key))
    return NotMade(signed.text) if isinstance(signed, Unsigned) else signed


async def post(settings: Settings, report: Report, address: str) -> str:
    """Send by HTTPS (RFC 8460 §5.4); what comes back is empty, or says what went wrong."""
    try:
        import httpx
    except ImportError:
        return "it needs the package httpx: pip install mailrider[mta-sts]"
    import ssl

    try:
        context = ssl.create_default_context(cafile=settings.tls_mta_sts_CAfile or None)
        async with asyncio.timeout(POST_SECONDS):
            client = httpx.AsyncClient(verify=context, follow_redirects=False, trust_env=False, timeout=POST_SECONDS)
            headers = {"Content-Type": "application/tlsrpt+gzip"}
            async with client, client.stream("POST", address, content=report.octets, headers=headers) as response:
                return "" if 200 <= response.status_code < 300 else f"status {response.status_code}"
    except TimeoutError:
        return "no answer in time"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as trouble:
        return str(trouble) or type(trouble).__name__
