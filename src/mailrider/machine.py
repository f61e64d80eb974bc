"""What only this machine can say: its time, its name, and where its configuration lies.

Commands that look at settings and at the queue need no more of the world than this, and so start without the delivery core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from mailrider.settings import HostFacts, Settings, choose_directory, load_settings

COMMAND = "mailrider"


class SystemClock:
    """The time of this machine."""

    monotonic_seconds = staticmethod(time.monotonic)
    wall_seconds = staticmethod(time.time)


def read_host_facts() -> HostFacts:
    """What the settings have to know of this machine."""
    import socket  # looking at settings does without, until it comes to that

    return HostFacts(host_name=socket.gethostname(), process_id=os.getpid())


def choose_configuration(directory: Path | None) -> Path | None:
    """The configuration directory: the one given, else `$MAIL_CONFIG`, else /etc/mailrider if it is there, else none."""
    return choose_directory(directory, os.environ)


def read_settings(directory: Path | None, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a directory and of `name=value` overrides, checked.  Raises `WrongConfiguration`."""
    return load_settings(directory, overrides, host=read_host_facts())


def read_settings_unchecked(directory: Path | None, overrides: Sequence[str], *, services: bool = True) -> Settings:
    """The same for whoever looks at settings, wrong ones among them; `$process_name` is the command."""
    host = read_host_facts()._replace(process_name=COMMAND)
    return load_settings(directory, overrides, host=host, checked=False, services=services)
