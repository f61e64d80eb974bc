from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import SpoolTrouble, WrongConfiguration
from mailrider.spool.opening import has_queue, open_existing_spool, open_spool, refuse_foreign_folder


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


@pytest.mark.parametrize("name", ["content", "lost+found", "node.lock", ""])
def test_a_folder_that_is_new_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(exist_ok=True)
    refuse_foreign_folder(tmp_path)
    refuse_foreign_folder(tmp_path / "nonexistent")


def test_a_queue_that_cannot_be_looked_for_is_trouble(tmp_path: Path) -> None:
    assert not has_queue(str(tmp_path))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SpoolTrouble, match=r"cannot open the queue .*/loop/queue\.db: Too many levels"):
        has_queue(str(tmp_path / "loop"))
    with pytest.raises(SpoolTrouble, match="nothing was ever put there"):
        open_existing_spool(str(tmp_path))
    (tmp_path / "queue.db").write_text("")
    assert has_queue(str(tmp_path))
