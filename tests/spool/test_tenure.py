from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailrider.errors import SpoolTrouble
from mailrider.spool.tenure import LOCK_NAME, Tenure


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    first, second = Tenure(tmp_path), Tenure(tmp_path)
    first.take()
    for _ in range(2):
        with pytest.raises(SpoolTrouble, match=rf"another node works on the queue in .* \(process {os.getpid()}\)"):
            second.take()
    first.give_up()
    first.give_up()
    second.take()
    second.give_up()


def test_it_goes_with_the_process(tmp_path: Path) -> None:
    code = f"import os, pathlib; from mailrider.spool.tenure import Tenure; Tenure(pathlib.Path({str(tmp_path)!r})).take()"
    subprocess.run([sys.executable, "-c", f"{code}; os._exit(0)"], check=True)
    tenure = Tenure(tmp_path)
    tenure.take()
    assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())
    tenure.give_up()


def test_a_file_that_tells_nothing(tmp_path: Path) -> None:
    first, second = Tenure(tmp_path), Tenure(tmp_path)
    first.take()
    (tmp_path / LOCK_NAME).write_text("nonsense")
    with pytest.raises(SpoolTrouble, match=r"another node works on the queue in [^(]*$"):
        second.take()
    first.give_up()


def test_where_there_can_be_no_file_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).symlink_to("elsewhere")
    for _ in range(2):
        tenure = Tenure(tmp_path)
        tenure.take()
        tenure.give_up()
    assert not (tmp_path / "elsewhere").exists()
