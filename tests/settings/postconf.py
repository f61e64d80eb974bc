"""Postfix's own postconf(1) as referee, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = shutil.which("postconf") or shutil.which("postconf", path="/usr/sbin:/usr/local/sbin")
LONG_AGO_SECONDS = 1_000_000_000
# The reader waits for a file that was written within the last second; it need not wait for this one.


def _version() -> str:
    if PROGRAM is None:
        return ""
    done = subprocess.run([PROGRAM, "-dh", "mail_version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


needs_postconf = pytest.mark.skipif(not _version().startswith("3.7."), reason="needs postconf(1) of Postfix 3.7")


def ask_postconf(*arguments: str) -> str:
    """The standard output of postconf."""
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")


def ask_postconf_or_fatal(*arguments: str) -> str | None:
    """The standard output of postconf, or None where it gave up."""
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, check=False)
    return None if b"fatal:" in done.stderr else done.stdout.decode("utf-8", "surrogateescape")


def write_configuration(directory: Path, main_cf: str) -> Path:
    """A directory that postconf accepts."""
    path = directory / "main.cf"
    path.write_bytes(main_cf.encode("utf-8"))
    (directory / "master.cf").write_text("")
    os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))
    return directory
