"""`mailrider queue top`: the queue on a terminal, looked at again and again until interrupted."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import click

from mailrider.cli.options import Given
from mailrider.cli.queue_run import settings_of
from mailrider.cli.queue_text import counts_as_json, tell_duration, tell_recipients, tell_turn
from mailrider.exit_codes import EX_OK
from mailrider.model.printable import make_printable
from mailrider.spool.opening import open_existing_spool
from mailrider.spool.spool import Stats

if TYPE_CHECKING:
    from rich.table import Table

ROWS = 20
"""Domains on the screen."""


def run_top(given: Given, interval: float, *, once: bool, as_json: bool) -> int:
    """Show the queue every `interval` seconds."""
    settings = settings_of(given)
    watch = _print_json if as_json else _watch
    return asyncio.run(watch(settings.queue_directory, interval, once=once))


async def _print_json(queue_directory: str, interval_seconds: float, *, once: bool) -> int:
    """One object a look, for programs."""
    async with open_existing_spool(queue_directory) as spool:
        while True:
            click.echo(json.dumps(counts_as_json(await spool.stats())))
            if once:
                return EX_OK
            await asyncio.sleep(interval_seconds)


async def _watch(queue_directory: str, interval_seconds: float, *, once: bool) -> int:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    async with open_existing_spool(queue_directory) as spool:
        before, looked = await spool.stats(), time.time()
        table = draw(before, None, 0.0, looked)
        if once:
            console.print(table)
            return EX_OK
        with Live(table, console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(interval_seconds)
                counts, now = await spool.stats(), time.time()
                live.update(draw(counts, before, now - looked, now), refresh=True)
                before, looked = counts, now


def draw(counts: Stats, before: Stats | None, passed_seconds: float, now_seconds: float) -> Table:
    """The counts as a table, with what has changed since the look before."""
    from rich.table import Table
    from rich.text import Text

    change = ""
    if before is not None and passed_seconds > 0:
        change = f", {(counts.messages - before.messages) / passed_seconds:+.1f} messages/s"
    table = Table(title=f"{counts.messages} messages{change}; {tell_recipients(counts)}", title_justify="left")
    table.add_column("domain")
    for name in ("recipients", "change", "oldest", "next"):
        table.add_column(name, justify="right")
    earlier = {count.domain: count.recipients for count in before.domains} if before is not None else {}
    for count in counts.domains[:ROWS]:
        moved = count.recipients - earlier.get(count.domain, 0) if before is not None else 0
        table.add_row(
            Text(make_printable(count.domain) or "(none)"),
            str(count.recipients),
            f"{moved:+d}" if moved else "",
            tell_duration(now_seconds - count.oldest_arrival_seconds),
            tell_turn(count.next_due_seconds, now_seconds),
        )
    if len(counts.domains) > ROWS:
        table.caption = f"and {len(counts.domains) - ROWS} more domains"
    return table
