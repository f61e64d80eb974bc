"""`mailrider tlsrpt`: make TLS reports (RFC 8460) of what deliveries have seen, and write or send them.

Sessions are kept in `tls_report_directory` by everything that delivers; this command counts them.  A report that has been sent
leaves a mark beside the journal, so that calling it again sends only what is missing; run it once a day.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailrider.cli.options import common_options
from mailrider.errors import MissingInput, WrongUsage

if TYPE_CHECKING:
    from mailrider.dsn.tls_report import Report, Reporter
    from mailrider.settings import Settings

EX_TEMPFAIL = 75

POST_SECONDS = 60.0
"""How long an HTTPS server may take for a report."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@click.command("tlsrpt", short_help="write or send TLS reports")
@common_options
@click.option("--day", metavar="YYYY-MM-DD", help="The day (UTC).  [default: yesterday]")
@click.option("--domain", metavar="DOMAIN", help="Only the report to this destination.")
@click.option("--send", is_flag=True, help="Send to where each destination wants it, by mail or HTTPS.")
@click.option("--output", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Write each report to a file there.")
def tlsrpt(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    day: str | None,
    domain: str | None,
    *,
    send: bool,
    folder: Path | None,
) -> None:
    """Make TLS reports (RFC 8460): how often TLS went well with each destination that asks for reports, and what went wrong.

    Without --send and --output the reports of a day are printed, one JSON object a line.  Sessions are counted only while
    tls_report_directory is set.

    \b
    Examples:
      mailrider tlsrpt --day 2026-03-01
      mailrider tlsrpt --domain example.org | jq .policies
      mailrider tlsrpt --output /var/tmp/reports
      mailrider tlsrpt --send                     once a day

    \b
    Exit codes: 0 done; 64 wrong usage; 66 nothing is known of that day;
    75 some report could not be sent; 78 wrong configuration.
    """
    from mailrider.machine import choose_configuration, read_settings

    settings = read_settings(choose_configuration(directory), overrides)
    chosen = _choose_day(day)
    reports = _make_reports(settings, chosen, domain)
    if folder is not None:
        _write(reports, folder, settings.myhostname)
    if send:
        raise SystemExit(asyncio.run(_send_all(settings, reports)))
    if folder is None:
        for report in reports:
            print(json.dumps(report.document))


def _choose_day(day: str | None) -> str:
    if day is None:
        return (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)).isoformat()
    try:
        if not _DAY.fullmatch(day):
            raise ValueError
        return datetime.date.fromisoformat(day).isoformat()
    except ValueError:
        raise WrongUsage(f"--day is {day!r}, expected a date like 2026-03-01") from None


def _reporter(settings: Settings) -> Reporter:
    from mailrider.dsn.tls_report import Reporter

    return Reporter(settings.tls_report_organization, settings.tls_report_contact, settings.myhostname)


def _make_reports(settings: Settings, day: str, domain: str | None) -> list[Report]:
    from mailrider.dsn.tls_report import make_reports
    from mailrider.observe.tls_reports import read_day

    if not settings.tls_report_directory:
        raise WrongUsage("no sessions are kept: set tls_report_directory")
    try:
        reports = make_reports(read_day(Path(settings.tls_report_directory), day), day, _reporter(settings))
    except OSError as trouble:
        raise MissingInput(f"nothing is known of {day} in {settings.tls_report_directory}: {trouble.strerror}") from None
    return [report for report in reports if domain is None or report.domain == domain.lower()]


def _write(reports: list[Report], folder: Path, host: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for report in reports:
        (folder / report.file_name(host)).write_bytes(report.octets)


async def _send_all(settings: Settings, reports: list[Report]) -> int:
    """Send what was not sent yet; the exit code."""
    from mailrider.dsn.tls_report import find_destinations

    failed = False
    for report in reports:
        mark = Path(settings.tls_report_directory) / f"{report.day}.{report.domain}.sent"
        if mark.exists():
            continue
        destinations = find_destinations(report.record)
        sent = [await _send(settings, report, destination) for destination in destinations]
        if any(sent) or not destinations:
            mark.touch()  # one that has it is enough (RFC 8460 §3)
        else:
            failed = True
    return EX_TEMPFAIL if failed else 0


async def _send(settings: Settings, report: Report, destination: str) -> bool:
    """One report to one address; whether it has arrived.  Why not is said on standard error."""
    trouble = await (_mail if destination.lower().startswith("mailto:") else _post)(settings, report, destination)
    if trouble:
        shown = "".join(letter if letter.isprintable() else "?" for letter in trouble)
        click.echo(f"mailrider: report to {report.domain} by {destination}: {shown}", err=True)
    return not trouble


async def _mail(settings: Settings, report: Report, destination: str) -> str:
    """Through our own delivery; what comes back is empty, or says what went wrong."""
    from mailrider.api import Agent
    from mailrider.dsn.tls_report import make_mail

    recipient = destination.partition(":")[2]
    date = email.utils.format_datetime(datetime.datetime.now(datetime.UTC))
    mail = make_mail(report, _reporter(settings), recipient, date)
    async with Agent(settings) as agent:
        nexthop = settings.text("relayhost") or None
        results = await agent.deliver(mail, sender=settings.tls_report_contact, recipients=[recipient], nexthop=nexthop)
    return "" if results[0].status == "sent" else results[0].text


async def _post(settings: Settings, report: Report, destination: str) -> str:
    """By HTTPS (RFC 8460 §5.4)."""
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
            async with client, client.stream("POST", destination, content=report.octets, headers=headers) as response:
                return "" if 200 <= response.status_code < 300 else f"status {response.status_code}"
    except TimeoutError:
        return "no answer in time"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as trouble:
        return str(trouble) or type(trouble).__name__
