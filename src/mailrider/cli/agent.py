"""`mailrider agent`: run as a delivery agent of a Postfix installation.

Run by master(8) (see `run_for_master`), or on a socket of its own in the queue directory, as a service of the system.
`mailrider agent check` says what would behave differently in an installation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mailrider.cli.options import WholeNumber, postfix_options
from mailrider.errors import WrongUsage

POSTFIX_DIRECTORY = "/etc/postfix"


@click.command("agent", short_help="run as a delivery agent of a Postfix installation")
@postfix_options
@click.option(
    "--listen",
    "path",
    metavar="PATH",
    default="",
    help="Socket to listen on, relative to the queue directory.  [default: private/SERVICE]",
)
@click.option("--service", metavar="NAME", default="mailrider", show_default=True, help="Name of the transport in Postfix.")
@click.option("--transport", type=click.Choice(["smtp", "lmtp"]), default="smtp", show_default=True, help="Protocol.")
@click.option("--flags", metavar="DORX", default="", help="As flags= of smtp(8) in master.cf.")
@click.option("--workers", type=WholeNumber(1, 64), metavar="N", help="Worker processes.  [default: 1]")
@click.option("--most-at-once", type=WholeNumber(1), metavar="N", help="Deliveries at once in one worker.")
@click.option(
    "--syslog", metavar="PATH", default="", help="Where syslog listens, for logs without maillog_file.  [default: /dev/log]"
)
@click.option("--json", "as_json", is_flag=True, help="With check: one JSON object instead of lines.")
@click.argument("task", required=False, type=click.Choice(["check"]))
def agent(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    *,
    as_json: bool,
    task: str | None,
    **wishes: Any,
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
    place = directory or _usual_directory()
    if task == "check":
        from mailrider.cli.agent_check import run_check

        raise SystemExit(run_check(place, overrides, as_json=as_json))
    if as_json:
        raise WrongUsage("--json goes with check")
    _check_flags(wishes["flags"])
    from mailrider.cli.agent_process import OwnSocket, run_on_own_socket

    raise SystemExit(run_on_own_socket(OwnSocket(place, overrides, verbose, **wishes)))


def _check_flags(flags: str) -> None:
    from mailrider.settings.mastercf import DELIVERY_FLAGS

    unknown = flags.strip(DELIVERY_FLAGS)
    if unknown:
        raise WrongUsage(f"--flags {flags}: expected letters of {DELIVERY_FLAGS}")


def _usual_directory() -> Path:
    import os

    return Path(os.environ.get("MAIL_CONFIG") or POSTFIX_DIRECTORY)
