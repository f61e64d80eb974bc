"""`mailrider deliver`: deliver one message, or a batch, now and without a queue.

Rows go to standard output, one JSON object per recipient and line; log lines and errors go to standard error.  The exit code
says the worst of it: 75 any deferred, 69 any bounced and none deferred, 0 all sent.
"""

from __future__ import annotations

from pathlib import Path

import click

from mailrider.cli.options import WholeNumber, common_options


@click.command("deliver", short_help="deliver one message, or a batch, now and without a queue")
@common_options
@click.option(
    "--service", metavar="NAME",
    help="Deliver as this service of master.cf, and by parameters such as NAME_destination_recipient_limit.",
)
@click.option(
    "--transport", type=click.Choice(["smtp", "lmtp"]),
    help="Protocol.  [default: that of the service in master.cf, else smtp]",
)
@click.option("--nexthop", metavar="NEXTHOP", help="Where to: example.org, [host]:port, inet:[host]:24, unix:/path, or a list.")
@click.option("--sender", metavar="ADDR", help="Envelope sender; '' is the null sender.")
@click.option(
    "--recipient", "recipients", metavar="ADDR", multiple=True,
    help="'ADDR[;notify=never|success,failure,delay][;orcpt=type;addr]'; may be repeated.",
)  # fmt: skip
@click.option("--envid", metavar="ID", help="DSN envelope id (RFC 3461).")
@click.option("--ret", type=click.Choice(["full", "hdrs"]), help="What a bounce should return.")
@click.option("--body", type=click.Choice(["7bit", "8bitmime"]), help="Body type given at submission; absent is unknown.")
@click.option("--smtputf8", is_flag=True, help="SMTPUTF8 was asked for at submission.")
@click.option("--requiretls", is_flag=True, help="REQUIRETLS was asked for at submission (RFC 8689).")
@click.option("--queue-id", metavar="ID", help="The id in log lines.")
@click.option("--verify", is_flag=True, help="Probe the recipients; send no message.")
@click.option("--age", type=WholeNumber(min=0), metavar="SECONDS", help="How long the message has been queued.")
@click.option("--xforward", metavar="NAME=VALUE", multiple=True, help="Attribute of the submitting client; may be repeated.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Log lines.")
@click.option("--batch", metavar="FILE", type=click.Path(), help="Deliver the requests in a JSON file instead.")
@click.argument("message_file", metavar="MESSAGE_FILE|-", required=False)
def deliver(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    log_format: str,
    batch: str | None,
    message_file: str | None,
    **given: object,
) -> None:
    """Deliver a message to one next hop and say for every recipient what became of it.

    The message is sent as it is: no header is added.  Examples:

    \b
      mailrider deliver --nexthop example.org --sender me@example.com \\
          --recipient you@example.org message.eml
      mailrider deliver --transport lmtp --nexthop unix:/run/dovecot/lmtp \\
          --sender '' --recipient joe@example.com - < message.eml
      mailrider deliver -o smtp_helo_name=mail.example.com --batch requests.json

    \b
    Exit codes: 0 all sent; 69 any bounced and none deferred; 75 any deferred;
    64 wrong usage; 66 a file cannot be read; 78 wrong configuration.
    """
    from mailrider.cli.delivering import run_deliver

    raise SystemExit(run_deliver(directory, overrides, verbose, log_format, batch, message_file, given))
