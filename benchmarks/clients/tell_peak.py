"""`mailrider` with an account of its memory: `tell_peak FILE ARGUMENTS...` writes the peak to FILE, in kilobytes.

The program says it itself, because what wait4(2) tells of a child includes the memory of the process that it was forked from.
"""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

from mailrider.cli.main import main


def write_peak(path: Path) -> None:
    """Peak resident memory as the kernel has it (proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            path.write_text(line.split()[1])


atexit.register(write_peak, Path(sys.argv.pop(1)))
main()
