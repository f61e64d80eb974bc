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


def test_a_file_with_another_name_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("gold")
    (tmp_path / LOCK_NAME).hardlink_to(tmp_path / "precious")
    tenure = Tenure(tmp_path)
    tenure.take()
    tenure.give_up()
    assert (tmp_path / "precious").read_text() == "gold"


def test_a_child_has_no_part_in_it(tmp_path: Path) -> None:
    tenure = Tenure(tmp_path)
    tenure.take()
    child = os.fork()
    if not child:
        tenure.give_up()
        try:
            Tenure(tmp_path).take()
        except SpoolTrouble:
            os._exit(3)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3, "the parent keeps it"
    tenure.give_up()
    Tenure(tmp_path).take()
