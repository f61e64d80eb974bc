"""Which Mailrider is measured: the compiled one where `make compiled` has made it, the plain one otherwise.

Every program that a benchmark starts is found by the same search path, so it is set once, before anything is imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "src"
COMPILED = PROJECT / "build" / "compiled"
FINISHED = COMPILED / ".finished"
"""Touched when everything is in place."""

PLAIN = "--plain"
"""The word that asks for the plain one."""


def is_in_use() -> bool:
    """True where the compiled one is measured."""
    return str(COMPILED) in sys.path


def use_compiled() -> None:
    """Let this process, and those that it starts, find the compiled one, unless it is older than the source."""
    if not FINISHED.exists():
        return
    made = FINISHED.stat().st_mtime
    if any(file.stat().st_mtime > made for file in SOURCE.glob("mailrider/**/*.py")):
        print("build/compiled is older than the source: plain Python is measured (make compiled mends it)", file=sys.stderr)
        return
    sys.path.insert(0, str(COMPILED))
    os.environ["PYTHONPATH"] = str(COMPILED)
