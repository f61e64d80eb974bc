"""`mailrider queue`: look at the queue, and tell it what to do (postqueue(1), postsuper(1), qshape(1)).

All of it works beside a running node and without one.  Lists begin to print at once, however full the queue is.

Exit codes: 0 done; 69 a message that was named is not there; 75 the queue cannot be read or written; 64 wrong usage.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mailrider.cli.options import Given, SecondsRange, WholeNumber, common_options

F = TypeVar("F", bound=Callable[..., Any])
Decoration = Callable[[Callable[..., Any]], Callable[..., Any]]

CHOICE_HELP = "IDs, options or --all say which messages; several options together mean those that fit all of them."


def choice_options(command: F) -> F:
    """Which messages are meant."""
    for option in (
        click.argument("ids", nargs=-1, metavar="[ID]..."),
        click.option("--domain", metavar="DOMAIN", help="Messages with a recipient in this domain."),
        click.option("--sender", metavar="ADDR", help="Messages from this envelope sender; <> is the null sender."),
        click.option("--recipient", metavar="ADDR", help="Messages with this recipient left."),
        click.option("--reason", metavar="TEXT", help="Messages deferred last with this in status code and text."),
        click.option("--older", metavar="TIME", help="Messages that came longer ago: 30m, 4h, 2d."),
        click.option("--all", "everything", is_flag=True, help="All messages."),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


def with_settings(command: Callable[..., int]) -> Callable[..., None]:
    """A subcommand that gets `given`; `-c`, `-o` and `-v` may stand before its name as well as behind it."""

    @common_options
    @click.pass_context
    @functools.wraps(command)
    def run(
        context: click.Context, /, directory: Path | None, overrides: tuple[str, ...], verbose: int, **rest: Any
    ) -> None:
        before_directory, before_overrides = context.obj
        given = (directory if directory is not None else before_directory, (*before_overrides, *overrides))
        raise SystemExit(command(given, **rest))

    return run


@click.group("queue", short_help="look at the queue, and tell it what to do")
@common_options
@click.pass_context
def queue(context: click.Context, directory: Path | None, overrides: tuple[str, ...], verbose: int) -> None:
    """Look at the queue in queue_directory, and tell it what to do.  It works whether the node runs or not.

    \b
    Exit codes: 0 done; 64 wrong usage; 69 a message that was named is not there;
    75 the queue cannot be read or written; 78 wrong configuration.
    """
    context.obj = (directory, overrides)


@queue.command("list")
@choice_options
@json_option
@with_settings
def list_messages(given: Given, **rest: Any) -> int:
    """List messages, the oldest first, as postqueue(1) does.

    --json prints one object a line, with the keys of postqueue -j and more.
    """
    from mailrider.cli.queue_run import run_list

    return run_list(given, **rest)


@queue.command("show")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--content", is_flag=True, help="The text of the message as well.")
@json_option
@with_settings
def show(given: Given, **rest: Any) -> int:
    """Show all that the queue knows of a message."""
    from mailrider.cli.queue_run import run_show

    return run_show(given, **rest)


@queue.command("explain")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@with_settings
def explain(given: Given, **rest: Any) -> int:
    """Say for every recipient why it has not moved, what happens next and when."""
    from mailrider.cli.queue_run import run_explain

    return run_explain(given, **rest)


@queue.command("stats")
@click.option("--limit", metavar="N", type=WholeNumber(1), default=20, show_default=True, help="How many domains to show.")
@click.option("--metrics", "as_metrics", is_flag=True, help="The text format of Prometheus, for its textfile collector.")
@json_option
@with_settings
def stats(given: Given, **rest: Any) -> int:
    """Count the mail, in all and by domain.  Times in JSON are seconds since 1970."""
    from mailrider.cli.queue_run import run_stats

    return run_stats(given, **rest)


@queue.command("top")
@click.option(
    "--interval", metavar="SECONDS", type=SecondsRange(min=0.2), default=2.0, show_default=True, help="Between two looks."
)
@click.option("--once", is_flag=True, help="Show it once and end.")
@json_option
@with_settings
def top(given: Given, **rest: Any) -> int:
    """Watch the queue: counts, rates and the largest destinations, until interrupted.

    --json prints one object a look, with the keys of `stats`.
    """
    from mailrider.cli.queue_top import run_top

    return run_top(given, **rest)


def _add_order(name: str, doc: str, *more: Decoration) -> None:
    def order(given: Given, **rest: Any) -> int:
        from mailrider.cli.queue_run import run_order

        return run_order(given, name, **rest)

    command: Callable[..., Any] = with_settings(order)
    options: tuple[Decoration, ...] = (json_option, *more, choice_options)
    for option in options:
        command = option(command)
    queue.command(name, help=f"{doc}\n\n{CHOICE_HELP}")(command)


rate_option = click.option(
    "--rate", metavar="N/PERIOD", help="One message after the other, the oldest first: 1/5s, 30/min, 2/s."
)


_add_order(
    "flush",
    "Let messages try again now (without a choice: all), and give dead destinations another chance.\n\n"
    "With --rate, those that wait for their turn get a new one, one after the other, and a choice is needed.",
    rate_option,
)
_add_order("hold", "Put messages on hold: they wait until they are released.")
_add_order("release", "End the hold of messages; they try again now, or with --rate one after the other.", rate_option)
_add_order("requeue", "Treat messages as if they had just come in: attempts and failures are forgotten.")
_add_order("delete", "Delete messages for good; nobody is told.")
