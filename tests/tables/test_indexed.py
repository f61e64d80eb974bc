"""Files of lmdb, cdb and Berkeley DB: changes, garbage, locks."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, TableTrouble, WrongConfiguration
from mailrider.tables import berkeley
from mailrider.tables.building import Manner, build_table
from mailrider.tables.cdb_file import HEADER_OCTETS, CdbTable, write_cdb
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings, ignore_warning
from mailrider.tables.table import close_table

KINDS = {"cdb": ".cdb", "lmdb": ".lmdb", "hash": ".db", "btree": ".db"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param in ("hash", "btree"):
        pytest.importorskip("berkeleydb", reason="the package berkeleydb is not installed")
    return str(request.param)


def build(kind: str, path: Path, text: str) -> None:
    path.write_text(text)
    build_table(kind, str(path), Manner(), ignore_warning)


def test_a_change_is_seen_and_a_file_that_goes_is_trouble(kind: str, tmp_path: Path) -> None:
    seconds = 0.0
    path = tmp_path / "t"
    build(kind, path, "a b\n")
    table = open_table(f"{kind}:{path}", surroundings=Surroundings(now_seconds=lambda: seconds))
    assert table.find("a") == "b"
    build(kind, path, "a c\n")
    seconds = 1.0
    assert table.find("a") == "c"
    os.rename(f"{path}{KINDS[kind]}", tmp_path / "away")
    seconds = 2.0
    with pytest.raises(TableTrouble, match="No such file"):
        table.find("a")
    os.rename(tmp_path / "away", f"{path}{KINDS[kind]}")
    assert table.find("a") == "c"
    close_table(table)


def test_garbage_is_refused_and_later_trouble(kind: str, tmp_path: Path) -> None:
    path, seconds = tmp_path / "t", 0.0
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"garbage" * 1000)
    shutil.copy(garbage, f"{path}{KINDS[kind]}")
    path.write_text("a b\n")
    if kind == "cdb":  # any octets may be the beginning of one
        Path(f"{path}.cdb").write_bytes(b"x" * 100)
        garbage.write_bytes(b"x" * 100)
    with pytest.raises(WrongConfiguration, match=f"mailrider table {kind}:"):
        open_table(f"{kind}:{path}")
    build(kind, path, "a b\n")
    table = open_table(f"{kind}:{path}", surroundings=Surroundings(now_seconds=lambda: seconds))
    os.replace(garbage, f"{path}{KINDS[kind]}")
    seconds = 2.0
    with pytest.raises(TableTrouble):
        table.find("a")
    build(kind, path, "a c\n")
    seconds = 4.0
    assert table.find("a") == "c"
    close_table(table)


def test_a_value_that_is_no_text_is_trouble(tmp_path: Path) -> None:
    with (tmp_path / "t.cdb").open("wb") as file:
        write_cdb(file.fileno(), [(b"a", b"\xff"), (b"long", b"x" * (1024 * 1024 + 1))])
    table = open_table(f"cdb:{tmp_path}/t")
    for key in ("a", "long"):
        with pytest.raises(TableTrouble):
            table.find(key)


HOLDER = "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDWR); fcntl.{}(d, fcntl.LOCK_EX); print(1, flush=True); input()"


@pytest.mark.parametrize(("locked", "call"), [("lmdb", "lockf"), ("hash", "flock")])
def test_a_file_that_is_locked_for_too_long_is_trouble(locked: str, call: str, tmp_path: Path) -> None:
    if locked == "hash":
        pytest.importorskip("berkeleydb", reason="the package berkeleydb is not installed")
    build(locked, tmp_path / "t", "a b\n")
    table = open_table(f"{locked}:{tmp_path}/t", surroundings=Surroundings(time_limit_seconds=0.02))
    command = [sys.executable, "-c", HOLDER.format(call), f"{tmp_path}/t{KINDS[locked]}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(TableTrouble, match="locked"):
            table.find("a")
        holder.communicate(b"\n")
    assert table.find("a") == "b"
    assert fcntl.LOCK_EX
    close_table(table)


def test_without_the_binding_the_text_is_used_and_this_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(berkeley, "find_library", lambda: None)
    (tmp_path / "t").write_text("a b\n")
    (tmp_path / "t.db").touch()
    warnings: list[str] = []
    table = open_table(f"hash:{tmp_path}/t", warn=warnings.append)
    assert (table.find("A"), table.find("x")) == ("b", None)
    assert warnings == [f"hash:{tmp_path}/t: the package berkeleydb is not installed; the text {tmp_path}/t is used"]
    (tmp_path / "t").unlink()
    with pytest.raises(WrongConfiguration, match="berkeleydb is not installed"):
        open_table(f"btree:{tmp_path}/t")
    (tmp_path / "t").write_text("a b\n")
    with pytest.raises(WrongConfiguration, match="needs the package berkeleydb"):
        build_table("hash", str(tmp_path / "t"), Manner(), ignore_warning)


def test_a_table_that_is_older_than_its_text(tmp_path: Path) -> None:
    build("cdb", tmp_path / "t", "a b\n")
    os.utime(tmp_path / "t.cdb", (1, 1))
    os.utime(tmp_path / "t", (2, 2))
    warnings: list[str] = []
    open_table(f"cdb:{tmp_path}/t", warn=warnings.append)
    assert "older than the text" in warnings[0]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.binary(min_size=1, max_size=20), st.binary(max_size=50), max_size=60))
def test_what_is_written_into_a_cdb_file_is_found(tmp_path_factory: pytest.TempPathFactory, pairs: dict[bytes, bytes]) -> None:
    path = tmp_path_factory.mktemp("cdb")
    with (path / "t.cdb").open("wb") as file:
        write_cdb(file.fileno(), list(pairs.items()))
    table = CdbTable(str(path / "t"), Surroundings())
    assert {key: table._fetch(key) for key in pairs} == pairs
    assert dict(table._walk()) == pairs


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4000), min_size=512, max_size=512), st.binary(max_size=2000))
def test_any_cdb_file_is_read_or_trouble(tmp_path_factory: pytest.TempPathFactory, numbers: list[int], rest: bytes) -> None:
    path = tmp_path_factory.mktemp("cdb")
    (path / "t.cdb").write_bytes(struct.pack("<512I", *numbers) + rest)
    assert HEADER_OCTETS == 2048
    table = CdbTable(str(path / "t"), Surroundings())
    for ask in (lambda: table.find("a"), lambda: list(table.entries())):
        try:
            ask()
        except MailriderError:
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_builds_as_the_owner_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("a b\n")
    os.chown(path, 65534, 65534)
    with pytest.raises(WrongConfiguration, match="Permission denied"):
        build_table("cdb", str(path), Manner(), ignore_warning)
    assert os.geteuid() == 0
