"""`mailrider demo`: the main job on a fresh machine, nothing else needed.

It starts a small world of its own on loopback addresses and free ports (see `cli.demonstration`), delivers real messages in
it, and says what became of them.  Nothing leaves the machine and nothing is left behind.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from mailrider.cli.options import WholeNumber
from mailrider.exit_codes import EX_SOFTWARE

if TYPE_CHECKING:
    from mailrider.cli.demonstration import Report

MESSAGES_LIMIT = 100_000
"""What has arrived is kept in memory until it has been compared."""


@click.command("demo", short_help="the main job on a fresh machine, nothing else needed")
@click.option(
    "-n", "--messages", metavar="N", type=WholeNumber(10, MESSAGES_LIMIT), default=1000, show_default=True,
    help="How many to deliver.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what happened as one JSON object.")
def demo(messages: int, as_json: bool) -> None:
    """Deliver messages to servers that this command starts itself, and show what became of each.

    Four in five go by SMTP to a domain with three MX hosts, of which the best does not answer; one in five goes by
    LMTP to a UNIX-domain socket.  One recipient is refused for good and one for now.  Every message that was
    delivered is compared with what arrived.

    \b
    Exit codes: 0 all went as it had to; 70 it did not.
    """
    from mailrider.cli.demonstration import demonstrate
    from mailrider.cli.event_loop import run_loop

    if as_json:
        report = run_loop(demonstrate(messages))
        print(json.dumps(report.as_object()))
    else:
        report = _run_with_progress(messages)
        _show(report)
    sys.stdout.flush()
    raise SystemExit(0 if report.as_expected else EX_SOFTWARE)


def _run_with_progress(messages: int) -> Report:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mailrider.cli.demonstration import demonstrate
    from mailrider.cli.event_loop import run_loop

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("delivering", total=messages)
        return run_loop(demonstrate(messages, lambda: progress.advance(task)))


def _show(report: Report) -> None:
    """The table of what happened, and what it proves."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Destination", "Server", "Status", box=box.SIMPLE, pad_edge=False)
    table.add_column("Count", justify="right")
    table.add_column("DSN")
    for column in table.columns:
        column.no_wrap = True
    table.add_column("Why", overflow="fold")
    colours = {"sent": "green", "deferred": "yellow", "bounced": "red"}
    for row, count in report.rows:
        status = Text(row.status, style=colours.get(row.status, ""))
        # As Text, since square brackets in what a server said would be taken for colours.
        table.add_row(row.destination, row.server, status, f"{count:,}", row.status_code, Text(row.reason))
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(
        f"{report.recipients_per_second:,.0f} deliveries a second: {report.sent:,} sent, {report.deferred} deferred,"
        f" {report.bounced} bounced in {report.seconds:.2f} s over {report.connections:,} connections."
    )
    console.print(f"{report.failed_connections:,} times the best MX host did not answer, and the next one got the message.")
    console.print(
        f"{report.arrived:,} messages ({report.arrived_octets / 1e6:.1f} MB) arrived,"
        f" {report.intact:,} of them once and unchanged."
    )
    if not report.as_expected:
        console.print(Text("Not as expected: ", style="red") + Text("; ".join(report.surprises)))
