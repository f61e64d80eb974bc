"""What a program says of its memory."""

from __future__ import annotations

import json
import resource
from pathlib import Path

DESCRIPTORS = 8192
"""A connection costs a file descriptor, and many systems begin with 1,024 of them."""


def resident_kilobytes() -> int:
    """Resident memory now, as the kernel has it (proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("the kernel does not say how much memory is resident")


def allow_descriptors() -> None:
    """Raise our own limit as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))


def tell(connections: int, before: int) -> None:
    """Print what `benchmarks.idle` reads."""
    print(json.dumps({"connections": connections, "before": before, "after": resident_kilobytes()}), flush=True)
