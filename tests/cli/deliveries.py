"""Words for the command line and the batch files of `mailrider deliver`."""

from __future__ import annotations

from pathlib import Path


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own configuration has no part in this; and what the command froze is thawed."""
    monkeypatch.delenv("MAIL_CONFIG", raising=False)
    monkeypatch.setattr("mailrider.settings.loading.USUAL_DIRECTORY", "/nonexistent")
    yield
    gc.unfreeze()


@pytest.fixture
def message(tmp_path: Path) -> str:
    path = tmp_path / "message"
    path.write_bytes(b"Subject: x\n\ntext\n")
    return str(path)


@pytest.fixture
def deliver(capfd: pytest.CaptureFixture[str]) -> Deliver:
    """Run the command in this process."""

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(["deliver", *arguments])
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    return run
