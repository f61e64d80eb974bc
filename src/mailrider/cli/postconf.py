"""Asking postconf(1) of the Postfix that a configuration belongs to."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from mailrider.settings import Settings

LIMIT_SECONDS: Final = 10.0
"""It answers in milliseconds; what is asked is good to know, and nothing to wait for on a host where it hangs."""

USUAL_FOLDER: Final = "/usr/sbin"


def ask_postconf(settings: Settings, directory: Path, *arguments: str) -> str | None:
    """What it says of the configuration in `directory`; None where it cannot be asked, or has no answer."""
    command = Path(settings.text("command_directory") or USUAL_FOLDER) / "postconf"
    try:
        done = subprocess.run(
            [command, "-c", directory, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "replace")
