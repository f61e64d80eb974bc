"""`mailrider agent`: run as a delivery agent of a Postfix installation.

Run by master(8) (see `run_for_master`), or on a socket of its own in the queue directory, as a service of the system.
`mailrider agent check` says what would behave differently in an installation.
"""

from __future__ import annotations

from pathlib import Path

import click

from mailrider.cli.options import WholeNumber, postfix_options
from mailrider.errors import WrongUsage

POSTFIX_DIRECTORY = "/etc/postfix"


@click.command("agent", short_help="run as a delivery agent of a Postfix installation")
@postfix_options
@click.option(
    "--listen",
    metavar="PATH",
    help="Socket to listen on, relative to the queue directory.  [default: private/SERVICE]",
)
@click.option("--service", metavar="NAME", help="Name of the transport in Postfix.  [default: mailrider]")
@click.option("--transport", type=click.Choice(["smtp", "lmtp"]), default="smtp", show_default=True, help="Protocol.")
@click.option("--flags", metavar="DORX", default="", help="As flags= of smtp(8) in master.cf.")
@click.option("--workers", type=WholeNumber(1, 64), metavar="N", help="Worker processes.  [default: 1]")
@click.option("--most-at-once", type=WholeNumber(1), metavar="N", help="Deliveries at once in one worker.")
@click.option("--syslog", metavar="PATH", help="Where syslog listens, for logs without maillog_file.  [default: /dev/log]")
@click.option("--json", "as_json", is_flag=True, help="With check: one JSON object instead of lines.")
@click.argument("task", required=False, type=click.Choice(["check"]))
def agent(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    *,
    listen: str | None,
    service: str | None,
    transport: str,
    flags: str,
    workers: int | None,
    most_at_once: int | None,
    syslog: str | None,
    as_json: bool,
    task: str | None,
) -> None:
    """Deliver for the queue manager of a Postfix.

    In master.cf, in the place of smtp(8), as a path from daemon_directory (see docs/postfix.md):

    \b
      smtp unix - - n - 1 ../../../../opt/mailrider/bin/mailrider agent --transport smtp

    Or on a socket of its own, which survives a reload of Postfix; then `transport_maps` or `default_transport` name it:

    \b
      mailrider agent -c /etc/postfix --service mailrider
      example.org    mailrider:                            (transport_maps)

    \b
      mailrider agent check        what would behave differently here

    \b
    Exit codes: 0 ended as told to, check: no errors;
    64 wrong usage, or another agent has the socket;
    78 wrong configuration, check: errors.
    """
    if task == "check":
        from mailrider.cli.agent_check import run_check

        raise SystemExit(run_check(directory or _usual_directory(), overrides, as_json=as_json))
    if as_json:
        raise WrongUsage("--json goes with check")
    _check_flags(flags)
    from mailrider.cli.agent_process import OwnSocket, run_on_own_socket

    wishes = OwnSocket(
        directory=directory or _usual_directory(),
        overrides=overrides,
        service=service or "mailrider",
        transport=transport,
        flags=flags,
        path=listen or "",
        workers=workers or 0,
        most_at_once=most_at_once or 0,
        verbose=verbose,
        syslog=syslog or "",
    )
    raise SystemExit(run_on_own_socket(wishes))


def _check_flags(flags: str) -> None:
    from mailrider.settings.mastercf import DELIVERY_FLAGS

    unknown = flags.strip(DELIVERY_FLAGS)
    if unknown:
        raise WrongUsage(f"--flags {flags}: expected letters of {DELIVERY_FLAGS}")


def _usual_directory() -> Path:
    import os

    return Path(os.environ.get("MAIL_CONFIG") or POSTFIX_DIRECTORY)
