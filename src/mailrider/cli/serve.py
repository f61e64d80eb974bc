"""`mailrider serve`: run a node until it is told to stop.

SIGTERM and SIGINT: nothing begins any more, what is under way may go on for `shutdown_grace_time`, the rest goes back into
the queue as it was.  A second one breaks off at once.  SIGHUP: the settings are read again, and the log file is opened anew;
settings that make no sense are told, and the old ones stay.

The log begins with warnings of what the settings may not have been meant to say, and of files that they name for TLS and the
owner of the mail cannot read: sessions that want them will fail.
"""

from __future__ import annotations

from pathlib import Path

import click

from mailrider.cli.options import WholeNumber, common_options


@click.command()
@common_options
@click.option(
    "--workers", metavar="N", type=WholeNumber(min=1), default=1, show_default=True,
    help="Processes that share the work, by destination."
)  # fmt: skip
def serve(directory: Path | None, overrides: tuple[str, ...], verbose: int, workers: int) -> None:
    """Run a node: keep mail in queue_directory, deliver it, retry it, return what cannot be delivered.

    SIGTERM ends it when what is under way has been done, SIGHUP makes it read main.cf again.  See docs/node.md.

    \b
    Exit codes: 0 ended as told to; 64 wrong usage; 70 a fault;
    75 another node works on the queue, or it cannot be opened;
    78 wrong configuration.
    """
    from mailrider.cli.serving import run_serve

    raise SystemExit(run_serve(directory, overrides, verbose, workers))
