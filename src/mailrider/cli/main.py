"""The `mailrider` command: finds the subcommand, and turns errors into one sentence and an exit code (sysexits.h).

Each subcommand is imported when it is asked for, so that none pays for another.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from mailrider import errors
from mailrider.exit_codes import (
    EX_CANTCREAT,
    EX_CONFIG,
    EX_INTERRUPTED,
    EX_IOERR,
    EX_NOINPUT,
    EX_SOFTWARE,
    EX_TEMPFAIL,
    EX_USAGE,
)
from mailrider.model.printable import make_printable

STANDARD_DESCRIPTORS = 3
"""Standard input, output and errors are 0, 1 and 2."""

COMMANDS = {
    "agent": ("mailrider.cli.agent", "run as a delivery agent of a Postfix installation"),
    "config": ("mailrider.cli.config", "show and check settings"),
    "deliver": ("mailrider.cli.deliver", "deliver one message, or a batch, now and without a queue"),
    "demo": ("mailrider.cli.demo", "the main job on a fresh machine, nothing else needed"),
    "queue": ("mailrider.cli.queue", "look at the queue, and tell it what to do"),
    "sendmail": ("mailrider.cli.sendmail", "put a message into the queue, with the options of sendmail(1)"),
    "serve": ("mailrider.cli.serve", "run a node: keep mail safe, deliver it, retry it, return it"),
    "probe": ("mailrider.cli.probe", "what would happen to mail for a destination, and why"),
    "table": ("mailrider.cli.table", "query, list or build a lookup table"),
    "tlsrpt": ("mailrider.cli.tlsrpt", "write or send TLS reports"),
}

_SHARED_OPTIONS = ("-c", "-o", "-v", "--service")
"""What may stand before the name of a command."""

_EXIT_CODES = (
    (errors.WrongUsage, EX_USAGE),
    (errors.WrongConfiguration, EX_CONFIG),
    (errors.MissingInput, EX_NOINPUT),
    (errors.CannotCreate, EX_CANTCREAT),
    (errors.TableTrouble, EX_TEMPFAIL),
    (errors.SpoolTrouble, EX_TEMPFAIL),
)


class _Commands(click.Group):
    """A group that knows its commands by name and imports them when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options of a subcommand may stand before its name as well: `mailrider -c DIR deliver ...`."""
        return super().parse_args(ctx, _put_command_first(args))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])
        with formatter.section("Shell completion"):
            formatter.write_text('bash: eval "$(_MAILRIDER_COMPLETE=bash_source mailrider)"; zsh_source, fish_source likewise')


def _put_command_first(arguments: list[str]) -> list[str]:
    """The arguments with the name of the command before the options that all commands share."""
    position = 0
    while position < len(arguments) and arguments[position].startswith(_SHARED_OPTIONS):
        position += 2 if arguments[position] in _SHARED_OPTIONS and not arguments[position].startswith("-v") else 1
    if not 0 < position < len(arguments) or arguments[position].startswith("-"):
        return arguments
    return [arguments[position], *arguments[:position], *arguments[position + 1 :]]


def _tell_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """The version, and whether the hot path is compiled: it matters where somebody reports a fault or a figure."""
    if wanted and not context.resilient_parsing:
        from mailrider import __version__
        from mailrider.smtp import wire

        compiled = "" if wire.__file__.endswith(".py") else " (compiled)"
        click.echo(f"{context.find_root().info_name} {__version__}{compiled}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="Show the version.")
def mailrider() -> None:
    """Mailrider, an outbound mail delivery agent: SMTP and LMTP, configured by main.cf."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line.  Always ends with `SystemExit`; never shows a traceback for what is not a fault of ours."""
    _hold_standard_descriptors()
    # The end of a process frees everything; looking through it for cycles first takes a tenth of the time of a short command.
    atexit.register(gc.freeze)
    if arguments is None and "GENERATION" in os.environ:
        _serve_master()
    try:
        mailrider.main(args=arguments, prog_name="mailrider", standalone_mode=False)
    except errors.MailriderError as error:
        _end(str(error), next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), EX_SOFTWARE))
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        raise SystemExit(EX_USAGE) from None
    except click.exceptions.Abort:
        _end("interrupted", EX_INTERRUPTED)
    except click.ClickException as error:
        _end(error.format_message().replace("\n", " "), EX_USAGE)
    except KeyboardInterrupt:
        _end("interrupted", EX_INTERRUPTED)
    except BrokenPipeError:
        _give_up_output()  # nobody reads what we say
        raise SystemExit(EX_TEMPFAIL) from None
    except OSError as error:
        _give_up_output()
        _end(f"input or output has failed: {error.strerror or error}", EX_IOERR)
    raise SystemExit(0)


def _serve_master() -> None:
    """A child of Postfix's master(8) has a command line of master's making; anybody else goes on."""
    from mailrider.postfix.arguments import is_run_by_master

    if is_run_by_master(os.environ):
        from mailrider.cli.agent_process import run_for_master

        raise SystemExit(run_for_master(os.path.basename(sys.argv[0]), sys.argv[1:]))


def _hold_standard_descriptors() -> None:
    """Put the null device where standard input, output or errors are closed.

    The next socket would take that place, and a server would get to read what is meant for the user.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < STANDARD_DESCRIPTORS:
        pass
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 (else print() would take standard output)


def _give_up_output() -> None:
    """Python would complain once more when it flushes standard output at the end."""
    if sys.stdout is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _end(sentence: str, code: int) -> NoReturn:
    print(f"mailrider: {make_printable(sentence)}", file=sys.stderr)
    raise SystemExit(code)
