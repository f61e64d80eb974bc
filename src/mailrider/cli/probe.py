"""`mailrider probe`: what would happen to mail for a destination, and why.

Exit codes say what would become of a message now: 0 it would be delivered (MAIL and RCPT are not asked), 75 it would wait,
69 it would come back; 64 wrong usage, 78 wrong configuration.  With `--no-connect` the code is 0 unless the destination has
no servers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailrider.cli.options import SecondsRange, common_options
from mailrider.exit_codes import EX_TEMPFAIL, EX_UNAVAILABLE

if TYPE_CHECKING:
    from mailrider.settings import Settings

_CODES = {"delivered": 0, "deferred": EX_TEMPFAIL, "bounced": EX_UNAVAILABLE}

WIDTH_CHARACTERS = 1000
"""Of a tree that goes to a file: nothing is wrapped there."""


@click.command("probe", short_help="what would happen to mail for a destination, and why")
@common_options
@click.option("--transport", type=click.Choice(["smtp", "lmtp"]), default="smtp", show_default=True, help="Protocol.")
@click.option("--service", metavar="NAME", default="", help="Look as this service of master.cf would.")
@click.option("--sender", metavar="ADDR", default="", help="Envelope sender, where logins depend on it.")
@click.option("--no-connect", is_flag=True, help="Ask name servers and policy hosts only; connect to no mail server.")
@click.option(
    "--timeout", "timeout_seconds", type=SecondsRange(min=0.1), default=60.0, show_default=True, metavar="SECONDS",
    help="How long one mail server may take, all in all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a tree.")
@click.argument("destination", metavar="DESTINATION")
def probe(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    transport: str,
    service: str,
    sender: str,
    *,
    no_connect: bool,
    timeout_seconds: float,
    as_json: bool,
    destination: str,
) -> None:
    """Look at a DESTINATION as a delivery would, and tell what would become of a message.

    Shown are the answers of the name servers with their AD bits, the servers in the order in which they are tried, the TLS
    level of each and which rule of which source has chosen it (parameter, policy table, DANE, MTA-STS), the handshake, the
    certificates and what they matched, what the server announces before and inside TLS, and who we would log in as.

    DESTINATION is what a transport table has: example.org, [host]:port, or an address such as user@example.org, of which
    the domain counts.  Nothing is sent but EHLO, STARTTLS and QUIT.

    \b
    Examples:
      mailrider probe example.org
      mailrider probe -v [mail.example.org]:587
      mailrider probe -o smtp_tls_security_level=dane -o smtp_dns_support_level=dnssec example.org
      mailrider probe -o smtp_tls_mta_sts=yes --no-connect example.org
      mailrider probe --json example.org | jq .verdict

    \b
    Exit codes: 0 a message would be delivered; 75 it would wait; 69 it would
    come back; 64 wrong usage; 78 wrong configuration.
    """
    from mailrider.machine import choose_configuration, read_settings

    nexthop = destination.rpartition("@")[2] if "@" in destination and not destination.startswith("[") else destination
    settings = read_settings(choose_configuration(directory), overrides)
    facts = asyncio.run(
        _inspect(settings, transport, service, nexthop, sender, connect=not no_connect, timeout_seconds=timeout_seconds)
    )
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _draw(facts, verbose=bool(verbose))
    raise SystemExit(find_code(facts))


async def _inspect(
    settings: Settings,
    transport: str,
    service: str,
    nexthop: str,
    sender: str,
    *,
    connect: bool,
    timeout_seconds: float,
) -> dict[str, Any]:
    from mailrider.cli.probe_facts import describe_inspection
    from mailrider.events import Event, Warned
    from mailrider.model.request import Transport
    from mailrider.wiring import Engine

    notes: list[str] = []

    def keep(event: Event) -> None:
        if isinstance(event, Warned):
            notes.append(event.text)

    engine = Engine(settings, keep)
    try:
        inspector = engine.inspector(Transport(transport), service or transport)
        found = await inspector.inspect(nexthop, sender, connect=connect, timeout_seconds=timeout_seconds)
    finally:
        await engine.close()
    found.notes += (note for note in notes if note not in found.notes)
    return describe_inspection(found)


def _draw(facts: dict[str, Any], *, verbose: bool) -> None:
    from rich.console import Console

    from mailrider.cli.probe_tree import draw

    width = None if sys.stdout.isatty() else WIDTH_CHARACTERS
    draw(facts, Console(width=width, highlight=False), verbose=verbose)


def find_code(facts: dict[str, Any]) -> int:
    """The exit code for what was seen."""
    if facts["verdict"] is not None:
        return _CODES[facts["verdict"]["outcome"]]
    failures = [each["failure"] for each in facts["destinations"] if not each["servers"]]
    if len(failures) < len(facts["destinations"]):
        return 0
    last = failures[-1] if failures else None
    return EX_UNAVAILABLE if last is not None and last["status"].startswith("5") else EX_TEMPFAIL
