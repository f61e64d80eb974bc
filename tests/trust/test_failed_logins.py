from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.sasl.secret import Secret
from mailrider.trust.failed_logins import ENTRIES_LIMIT, FailedLogin, FailedLogins, find_file

REFUSED = FailedLogin("5.7.8", "535 5.7.8 no")


class Scene:
    def __init__(self, path: Path | None) -> None:
        self.now_seconds = 1_000_000.0
        self.warnings: list[str] = []
        self.path = str(path) if path is not None else None

    def open(self) -> FailedLogins:
        return FailedLogins(self.path, 90.0, lambda: self.now_seconds, self.warnings.append)


@pytest.fixture(params=["memory", "file"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path / "cache.sqlite" if request.param == "file" else None)


def test_only_the_very_login_that_failed_is_known(scene: Scene) -> None:
    failed = scene.open()
    failed.remember("host", "user", Secret("wrong"), REFUSED)
    assert failed.find("host", "user", Secret("wrong")) == REFUSED
    assert failed.find("other", "user", Secret("wrong")) is None
    assert failed.find("host", "other", Secret("wrong")) is None


def test_it_is_known_until_its_time_is_over(scene: Scene) -> None:
    failed = scene.open()
    failed.remember("host", "user", Secret("wrong"), REFUSED)
    scene.now_seconds += 90
    assert failed.find("host", "user", Secret("wrong")) == REFUSED
    scene.now_seconds += 1
    assert failed.find("host", "user", Secret("wrong")) is None
    scene.now_seconds -= 50
    assert failed.find("host", "user", Secret("wrong")) is None


def test_seconds_are_whole(scene: Scene) -> None:
    scene.now_seconds += 0.1
    failed = scene.open()
    failed.remember("host", "user", Secret("wrong"), REFUSED)
    scene.now_seconds += 90.8
    assert failed.find("host", "user", Secret("wrong")) == REFUSED
    scene.now_seconds += 0.2
    assert failed.find("host", "user", Secret("wrong")) is None


def test_a_new_password_is_tried_and_the_old_one_forgotten(scene: Scene) -> None:
    failed = scene.open()
    failed.remember("host", "user", Secret("wrong"), REFUSED)
    assert failed.find("host", "user", Secret("right")) is None
    assert failed.find("host", "user", Secret("wrong")) is None


def test_a_later_failure_takes_the_place_of_an_earlier_one(scene: Scene) -> None:
    failed = scene.open()
    failed.remember("host", "user", Secret("one"), REFUSED)
    failed.remember("host", "user", Secret("two"), FailedLogin("5.7.9", "535 5.7.9 weak"))
    assert failed.find("host", "user", Secret("two")) == FailedLogin("5.7.9", "535 5.7.9 weak")


def test_names_may_be_anything(scene: Scene) -> None:
    failed = scene.open()
    failed.remember("h;'\"\udcff", "us\x00er\udc80", Secret(b"\xff\x00"), REFUSED)
    assert failed.find("h;'\"\udcff", "us\x00er\udc80", Secret(b"\xff\x00")) == REFUSED


def test_a_file_outlives_the_process_and_is_for_us_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "cache.sqlite")
    assert scene.open().find("host", "user", Secret("wrong")) is None
    assert not (tmp_path / "cache.sqlite").exists()
    scene.open().remember("host", "user", Secret("topsecret"), REFUSED)
    assert scene.open().find("host", "user", Secret("topsecret")) == REFUSED
    assert stat.S_IMODE(os.stat(tmp_path / "cache.sqlite").st_mode) == 0o600
    assert b"topsecret" not in (tmp_path / "cache.sqlite").read_bytes()


def test_a_file_that_makes_no_sense_is_told_and_is_no_reason_not_to_deliver(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "cache.sqlite")
    (tmp_path / "cache.sqlite").write_bytes(b"this is no database" * 100)
    assert scene.open().find("host", "user", Secret("x")) is None
    scene.open().remember("host", "user", Secret("x"), REFUSED)
    assert len(scene.warnings) == 2
    assert "not a database" in scene.warnings[0]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "nowhere" / "cache.sqlite")
    scene.open().remember("host", "user", Secret("x"), REFUSED)
    assert "No such file" in scene.warnings[0]


def test_a_locked_file_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailrider.trust.failed_logins.LOCK_SECONDS", 0.0)
    scene = Scene(tmp_path / "cache.sqlite")
    scene.open().remember("host", "user", Secret("x"), REFUSED)
    other = sqlite3.connect(tmp_path / "cache.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert scene.open().find("host", "user", Secret("x")) is None
    other.close()
    assert "locked" in scene.warnings[0]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailrider.trust.failed_logins.ENTRIES_LIMIT", 2)
    failed = Scene(None).open()
    for user in ("one", "two", "three"):
        failed.remember("host", user, Secret("x"), REFUSED)
    assert [failed.find("host", user, Secret("x")) for user in ("one", "two", "three")] == [None, REFUSED, REFUSED]
    assert ENTRIES_LIMIT >= 1000


def test_the_name_of_a_table_of_postfix_names_a_file_of_ours() -> None:
    assert find_file("proxy:btree:/var/lib/postfix/sasl") == "/var/lib/postfix/sasl.sqlite"
    assert find_file("proxy:lmdb:/x") == "/x.sqlite"
    assert find_file("proxy:internal:x") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("btree:/x", 'must start with "proxy:"'), ("proxy:btree:/x, proxy:btree:/y", "contains multiple values"),
        ("proxy:memcache:/x", "expected proxy:type:name"), ("proxy:btree:", "expected proxy:type:name"),
        ("proxy:internal:", "expected proxy:type:name"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_cache_is_refused(name: str, said: str) -> None:
    with pytest.raises(WrongConfiguration, match=said):
        find_file(name)
