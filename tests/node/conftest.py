"""Folders that a node may enter, and somebody to whom it may deliver.

A node that was started as root works as the owner of the mail, and pytest's own folders are closed to him: every session of
pytest on the machine closes them anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.peer_thread import PeerThread
from mailrider.testkit.peers import ScriptedServer


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of the test alone, outside of pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="mailrider-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def peer() -> Iterator[PeerThread]:
    """A server that takes everything."""
    with PeerThread(ScriptedServer()) as thread:
        yield thread
