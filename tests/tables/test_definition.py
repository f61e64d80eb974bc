from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.tables.definition import ChangeWatch, Definition
from mailrider.tables.source import Surroundings


def define(folder: Path, text: str, warnings: list[str] | None = None) -> Definition:
    path = folder / "x.cf"
    path.write_text(text)
    return Definition("t:x", str(path), Surroundings([].append if warnings is None else warnings.append))


def test_values(tmp_path: Path) -> None:
    warnings: list[str] = []
    found = define(tmp_path, "a = $b\n  more\n# c = d\nhosts = x, y z\nn = 5\nyes = YES\na = last\nempty =\n", warnings)
    assert found.text("a") == "last"
    assert found.text("none", "default") == "default"
    assert found.members("hosts") == ["x", "y", "z"]
    assert (found.number("n", 1), found.number("m", 1), found.is_on("yes", False), found.is_on("no", True)) == (
        5,
        1,
        True,
        True,
    )
    assert [warning.partition(": ")[2] for warning in warnings] == ["a was set before; this value counts"]


def test_from_main_cf() -> None:
    values = {"mine_a": "b"}
    assert Definition("t:mine", "mine", Surroundings(find_parameter=values.get)).text("a") == "b"


def test_without_main_cf_only_files_will_do() -> None:
    with pytest.raises(WrongConfiguration, match="write it into a file: ldap:/path"):
        Definition("ldap:mine", "mine", Surroundings())


@pytest.mark.parametrize("text", ["a", "= x", "a b = c"])
def test_a_line_that_is_no_parameter(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongConfiguration, match="line 1: no name = value"):
        define(tmp_path, text)


def test_values_that_make_no_sense(tmp_path: Path) -> None:
    found = define(tmp_path, "n = 5x\nsmall = 0\nlarge = 99999999999\nflag = maybe\nempty =\nset = x\n")
    for ask in (
        lambda: found.number("n", 1),
        lambda: found.number("small", 1, 1),
        lambda: found.number("large", 1),
        lambda: found.is_on("flag", True),
        lambda: found.text("empty", required=True),
        lambda: found.refuse("set", "no"),
    ):
        with pytest.raises(WrongConfiguration, match=r"^t:x: "):
            ask()


def test_a_change_is_seen_within_a_second(tmp_path: Path) -> None:
    seconds = 0.0
    path = tmp_path / "x.cf"
    path.write_text("a = b\n")
    watch = ChangeWatch(str(path), Surroundings(now_seconds=lambda: seconds))
    os.utime(path, (1, 1))
    assert not watch.has_changed()
    seconds = 1.0
    assert watch.has_changed()
    seconds = 2.0
    assert not watch.has_changed()
    path.unlink()
    seconds = 3.0
    assert watch.has_changed()
