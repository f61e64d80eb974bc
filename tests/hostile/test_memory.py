"""What a thousand connections cost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from .idle_connections import COUNT, DESCRIPTORS

MEMORY_LIMIT_OCTETS = 150 * 1000 * 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_a_thousand_idle_connections_stay_under_150_megabytes() -> None:
    """All of the process, interpreter included; in a process of its own, since memory that was used once is not given back."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip("not so many descriptors here")
    program = Path(__file__).with_name("idle_connections.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    assert found["connections"] >= COUNT
    assert 0 < found["octets"] < found["all"] < MEMORY_LIMIT_OCTETS
