from __future__ import annotations

import grp
import os
import pwd

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("small", "s")
    monkeypatch.setenv("LARGE", "l")
    table = open_table("environ:x")
    assert [table.find(key) for key in ("small", "SMALL", "LARGE", "none", "", "a=b", "a\0")] == [
        "s",
        "s",
        None,
        None,
        None,
        None,
        None,
    ]
    assert open_table("environ:x", surroundings=Surroundings(folds=False)).find("LARGE") == "l"


def test_accounts_and_groups() -> None:
    account = pwd.getpwuid(os.geteuid())
    found = open_table("unix:passwd.byname").find(account.pw_name)
    assert found is not None
    assert found.split(":")[::2] == [account.pw_name, str(account.pw_uid), account.pw_gecos, account.pw_shell]
    group = grp.getgrgid(0)
    assert (
        open_table("unix:group.byname").find(group.gr_name) == f"{group.gr_name}:{group.gr_passwd}:0:{','.join(group.gr_mem)}"
    )
    for key in ("no such account", "", "a\0b", "\ud800"):
        assert open_table("unix:passwd.byname").find(key) is None
    with pytest.raises(WrongConfiguration, match=r"passwd\.byname"):
        open_table("unix:shadow.byname")


def test_chance_and_failure() -> None:
    table = open_table("randmap:{a, b c}")
    assert {table.find("x") for _ in range(200)} == {"a", "b", "c"}
    for title in ("randmap:x", "randmap:{}", "randmap:{ , }"):
        with pytest.raises(WrongConfiguration, match="write randmap"):
            open_table(title)
