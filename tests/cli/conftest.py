"""What several commands are tried with."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def message(tmp_path: Path) -> str:
    """The file of a small message."""
    path = tmp_path / "message"
    path.write_bytes(b"Subject: x\n\ntext\n")
    return str(path)


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own configuration has no part in this."""
    monkeypatch.delenv("MAIL_CONFIG", raising=False)
    monkeypatch.setattr("mailrider.settings.loading.USUAL_DIRECTORY", "/nonexistent")
