"""`mailrider tlsrpt`: make TLS reports (RFC 8460) of what deliveries have seen, and write or send them.

Sessions are kept in `tls_report_directory` by everything that delivers; this command counts them.  A report that has been sent
leaves a mark beside the journal, so that calling it again sends only what is missing.  A node does that by itself where
`tls_report_send` is set (`tlsrpt_rounds`); elsewhere, run it once a day.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailrider.cli.options import common_options
from mailrider.errors import CannotCreate, MissingInput, WrongUsage
from mailrider.exit_codes import EX_TEMPFAIL
from mailrider.model.printable import make_printable

if TYPE_CHECKING:
    from mailrider.dsn.tls_report import Report
    from mailrider.settings import Settings

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
    73 a file cannot be written; 75 some report could not be sent; 78 wrong
    configuration.
    """
    from mailrider.machine import choose_configuration, read_settings

    settings = read_settings(choose_configuration(directory), overrides)
    chosen = _choose_day(day)
    reports = _make_reports(settings, chosen, domain)
    if folder is not None:
        _write(reports, folder, settings.myhostname)
    if send:
        from mailrider.cli.tlsrpt_sending import NOT_SIGNED, signs

        if not signs(settings):
            click.echo(f"mailrider: warning: {NOT_SIGNED}", err=True)
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


def _make_reports(settings: Settings, day: str, domain: str | None) -> list[Report]:
    from mailrider.cli.tlsrpt_sending import make_day

    if not settings.tls_report_directory:
        raise WrongUsage("no sessions are kept: set tls_report_directory")
    try:
        reports = make_day(settings, day)
    except OSError as trouble:
        raise MissingInput(f"nothing is known of {day} in {settings.tls_report_directory}: {trouble.strerror}") from None
    return [report for report in reports if domain is None or report.domain == domain.lower()]


def _write(reports: list[Report], folder: Path, host: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for report in reports:
            (folder / report.file_name(host)).write_bytes(report.octets)
    except OSError as trouble:
        raise CannotCreate(f"cannot write {trouble.filename or folder}: {trouble.strerror}") from None


async def _send_all(settings: Settings, reports: list[Report]) -> int:
    """Send what was not sent yet; the exit code."""
    from mailrider.dsn.tls_report import find_destinations
    from mailrider.observe.tls_report_marks import Marks

    marks = Marks(Path(settings.tls_report_directory))
    failed = False
    with marks.hold() as alone:
        if not alone:
            click.echo("mailrider: a node, or somebody else, is sending reports right now; try again later", err=True)
            return EX_TEMPFAIL
        for report in reports:
            offer = marks.read_offer(report.day, report.domain)
            if marks.is_sent(report.day, report.domain) or (offer is not None and offer.queue_id):
                continue  # the latter is in the hands of a node
            destinations = find_destinations(report.record)
            sent = [destination for destination in destinations if await _send(settings, report, destination)]
            if sent or not destinations:
                # One that has it is enough (RFC 8460 §3).
                marks.mark_sent(report.day, report.domain, f"sent to {', '.join(sent) or 'nobody'}")
                marks.clear_offer(report.day, report.domain)
            else:
                failed = True
    return EX_TEMPFAIL if failed else 0


async def _send(settings: Settings, report: Report, destination: str) -> bool:
    """One report to one address; whether it has arrived.  Why not is said on standard error."""
    from mailrider.cli.tlsrpt_sending import post

    trouble = await (_mail if destination.lower().startswith("mailto:") else post)(settings, report, destination)
    if trouble:
        click.echo(f"mailrider: report to {report.domain} by {destination}: {make_printable(trouble)}", err=True)
    return not trouble


async def _mail(settings: Settings, report: Report, destination: str) -> str:
    """Through our own delivery; what comes back is empty, or says what went wrong."""
    from mailrider.api import Agent
    from mailrider.cli.tlsrpt_sending import NotMade, write_mail

    recipient = destination.partition(":")[2]
    mail = write_mail(settings, report, recipient)
    if isinstance(mail, NotMade):
        return mail.text
    async with Agent(settings) as agent:
        nexthop = settings.text("relayhost") or None
        results = await agent.deliver(mail, sender=settings.tls_report_contact, recipients=[recipient], nexthop=nexthop)
    return "" if results[0].status == "sent" else results[0].text
