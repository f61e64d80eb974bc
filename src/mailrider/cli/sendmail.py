"""`mailrider sendmail`: put a message into the queue, with the command line of sendmail(1).

It writes into the queue itself, so it works whether the node is running or not; when it ends with 0, the message is on stable
storage.  For a user who may not write there, it goes by SMTP to the node, which then must be running.

Exit codes (sysexits.h): 0 accepted; 64 wrong usage or no recipient; 66 and 74 the input cannot be read; 69 the message is
larger than `message_size_limit`, or the node refuses it; 75 the queue is full or cannot be written, or no node answers: try
again; 77 not allowed, and no place of a node is set; 78 wrong configuration.
"""

from __future__ import annotations

import click


@click.command(
    "sendmail",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]},
    short_help="put a message into the queue, with the options of sendmail(1)",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]... [RECIPIENT]...")
def sendmail(arguments: tuple[str, ...]) -> None:
    """Read a message from standard input and put it into the queue.

    The options are those of sendmail(1):

    \b
      -f, -r ADDR      envelope sender; '' or '<>' is the null sender
      -F NAME          full name for a From: field that is missing
      -t               also send to the addresses in To:, Cc: and Bcc:
      -i, -oi          a line with only a dot does not end the message
      -N WHEN          never, or success, failure, delay (with commas)
      -R full|hdrs     what a bounce should return
      -V ENVID         DSN envelope id
      -B 7BIT|8BITMIME body type
      -O requiretls=yes|no, -O smtputf8=yes|no
      -bp              list the queue
      -q               flush the queue; -qIID one message; -qRSITE a domain; -qTIME nothing
      -bs              speak SMTP on standard input and output
      -C DIR, -c DIR   directory with main.cf;  -o NAME=VALUE overrides it
      -A -G -h -L -m -n -o7 -o8 -om -p -U -v -X  accepted, and ignored

    \b
    Exit codes: 0 the message is on stable storage; 64 wrong usage or no recipient;
    66, 74 the input cannot be read; 69 too large, or refused; 75 try again;
    77 no way to the queue; 78 wrong configuration.
    """
    from mailrider.cli.sendmail_run import run_sendmail

    raise SystemExit(run_sendmail(arguments))
