"""Options that all commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def common_options(command: F) -> F:
    """`-c DIR`, `-o name=value` and `-v`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-c", "directory", metavar="DIR", type=click.Path(path_type=Path),
        help="Directory with main.cf.  [default: $MAIL_CONFIG, else /etc/mailrider, else built-in defaults]",
    ),
    click.option("-o", "overrides", metavar="NAME=VALUE", multiple=True, help="Override a parameter; may be repeated."),
    click.option("-v", "verbose", count=True, help="Say more; may be repeated."),
)  # fmt: skip
