"""Options that all commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

Given = tuple[Path | None, tuple[str, ...]]
"""The directory with main.cf, and overrides."""


class WholeNumber(click.IntRange):
    """A whole number, so called in messages."""

    name = "whole number"


class SecondsRange(click.FloatRange):
    """A number of seconds that time can pass in: neither infinite nor no number."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return seconds


def common_options(command: F) -> F:
    """`-c DIR`, `-o name=value` and `-v`."""
    return _add_options(command, "/etc/mailrider, else built-in defaults")


def postfix_options(command: F) -> F:
    """The same for a command that belongs to a Postfix."""
    return _add_options(command, "/etc/postfix")


def _add_options(command: F, usual: str) -> F:
    directory = click.option(
        "-c", "directory", metavar="DIR", type=click.Path(path_type=Path),
        help=f"Directory with main.cf.  [default: $MAIL_CONFIG, else {usual}]",
    )  # fmt: skip
    overrides = click.option(
        "-o", "overrides", metavar="NAME=VALUE", multiple=True, help="Override a parameter; may be repeated."
    )
    verbose = click.option("-v", "verbose", count=True, help="Say more, where there is more to say; may be repeated.")
    return directory(overrides(verbose(command)))
