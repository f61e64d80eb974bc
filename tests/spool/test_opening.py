from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.spool.opening import open_spool, refuse_foreign_folder


def test_a_queue_is_not_put_among_other_things(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    with pytest.raises(WrongConfiguration, match=r"queue_directory = .*: other things are in it"):
        open_spool(str(tmp_path))
    (tmp_path / "queue.db").write_text("")
    refuse_foreign_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongConfiguration, match=r"queue_directory = .*/file: this is no folder"):
        open_spool(str(tmp_path / "file"))


@pytest.mark.parametrize("name", ["content", "lost+found", ""])
def test_a_folder_that_is_new_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(exist_ok=True)
    refuse_foreign_folder(tmp_path)
    refuse_foreign_folder(tmp_path / "nonexistent")
