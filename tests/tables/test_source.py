from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, TableTrouble, WrongConfiguration
from mailrider.tables import source
from mailrider.tables.opening import open_table
from mailrider.tables.source import key_octets, read_text
from mailrider.tables.table import Table


class MovedClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


class Watched:
    """A table of a file, with the clock by which it is looked at."""

    def __init__(self, path: Path, text: str, kind: str = "texthash") -> None:
        self.path = path
        self.clock = MovedClock()
        self.warnings: list[str] = []
        self.writes = 0
        self.write(text)
        self.table: Table = open_table(f"{kind}:{path}", warn=self.warnings.append, now_seconds=self.clock.now)

    def write(self, text: str) -> None:
        """Change the file so that it shows, also where two changes fall into one tick of its clock."""
        self.path.write_text(text)
        self.writes += 1
        os.utime(self.path, (self.writes, self.writes))

    def find_later(self, key: str) -> str | None:
        self.clock.seconds += source.LOOK_SECONDS
        return self.table.find(key)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "table", "key old\n")


def test_a_change_is_seen_after_a_second(watched: Watched) -> None:
    watched.write("key new\n")
    assert watched.table.find("key") == "old"
    watched.clock.seconds += source.LOOK_SECONDS - 0.001
    assert watched.table.find("key") == "old"
    assert watched.find_later("key") == "new"


def test_a_file_is_looked_at_once_a_second_at_most(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    stat = os.stat

    def look(path: str) -> os.stat_result:
        looks.append(path)
        return stat(path)

    with monkeypatch.context() as patch:
        patch.setattr(source.os, "stat", look)
        for _ in range(10):
            watched.clock.seconds += 0.25
            watched.table.find("key")
    assert looks == [str(watched.path)] * 2


def test_a_file_that_went_away_is_trouble_until_it_comes_back(watched: Watched) -> None:
    watched.path.unlink()
    assert watched.table.find("key") == "old"
    for _ in range(2):
        with pytest.raises(TableTrouble, match=r"cannot read .*: No such file"):
            watched.find_later("key")
        with pytest.raises(TableTrouble):
            watched.table.find("key")
    watched.write("key back\n")
    assert watched.find_later("key") == "back"


def test_a_rule_that_cannot_be_followed_is_trouble_until_it_is_gone(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "table", "/key/ old\n", "regexp")
    watched.write(r"/(key)\1/ new" + "\n")
    for _ in range(2):
        with pytest.raises(TableTrouble, match="line 1: not supported: back-reference"):
            watched.find_later("key")
    watched.write("/key/ good\n")
    assert watched.find_later("key") == "good"


def test_warnings_come_again_with_a_change(watched: Watched) -> None:
    watched.write("alone\n")
    assert watched.find_later("key") is None
    assert len(watched.warnings) == 1
    watched.find_later("key")
    assert len(watched.warnings) == 1


def test_a_table_in_braces_never_looks_at_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock()
    table = open_table("cidr:{{192.0.2.1 yes}}", now_seconds=clock.now)
    clock.seconds += 60
    assert table.find("192.0.2.1") == "yes"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "missing", tmp_path, "with\0null"):
        with pytest.raises(WrongConfiguration, match="cannot read"):
            open_table(f"texthash:{name}")
        with pytest.raises(WrongConfiguration, match="cannot read"):
            read_text(str(name))
    assert open_table(f"texthash:{tmp_path / 'pipe'}").find("a") is None


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FILE_LIMIT_OCTETS", 10)
    path = tmp_path / "table"
    path.write_text("0123456 89\n")
    with pytest.raises(WrongConfiguration, match=r"^texthash:.*larger than 10 octets"):
        open_table(f"texthash:{path}")


@settings(deadline=None)
@given(st.text(st.characters(), max_size=50))
def test_any_key_has_octets(key: str) -> None:
    assert isinstance(key_octets("t", key), bytes)


def test_endless_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "KEY_LIMIT_OCTETS", 5)
    table = open_table("regexp:{{/x/ y}}")
    assert table.find("xxxxx") == "y"
    with pytest.raises(TableTrouble, match="longer than 5"):
        table.find("xxxxxx")


LINES = st.lists(
    st.text(st.characters(), max_size=12)
    | st.sampled_from(
        ["/(a+)/ $1", "/a/!/b/ c", "if /x/", "endif", "!/x/ y", "192.0.2.0/24 z", "if !::/0", "k v", '"k', "/x/q y"]
    ),
    max_size=6,
)


@settings(deadline=None)
@given(
    st.sampled_from(["texthash", "regexp", "pcre", "cidr"]), LINES, st.lists(st.text(st.characters(), max_size=8), max_size=3)
)
def test_no_text_and_no_key_raises_anything_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, kind: str, lines: list[str], keys: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-table"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    warnings: list[str] = []
    try:
        table = open_table(f"{kind}:{path}", warn=warnings.append)
        for key in [*keys, "aaa", "192.0.2.7", "::1"]:
            value = table.find(key)
            assert value is None or isinstance(value, str)
    except MailriderError:
        pass
    for warning in warnings:
        assert warning.startswith(f"{kind}:{path}, line ")
