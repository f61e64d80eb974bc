from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from mailrider.cli.privileges import Owner, find_owner, make_folder
from mailrider.errors import WrongConfiguration

SOMEBODY = Owner("somebody", 12345, 12346)


@pytest.fixture
def given_away(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was made over to another owner."""
    paths: list[Path] = []
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: paths.append(Path(path)))
    return paths


def install_users(monkeypatch: pytest.MonkeyPatch, **users: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=users[name], pw_gid=users[name]))


def test_who_is_not_root_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_owner("nosuch") is None


def test_nobody_takes_the_place_of_the_default_only(monkeypatch: pytest.MonkeyPatch) -> None:
    install_users(monkeypatch, nobody=65534, mail=8, root=0)
    assert find_owner("postfix") == Owner("nobody", 65534, 65534)
    assert find_owner("mail") == Owner("mail", 8, 8)
    with pytest.raises(WrongConfiguration, match=r"mail_owner = mial: there is no such user$"):
        find_owner("mial")
    with pytest.raises(WrongConfiguration, match="mail_owner = root: a node does not run as root"):
        find_owner("root")
    install_users(monkeypatch)
    with pytest.raises(WrongConfiguration, match="no such user, nor one called nobody"):
        find_owner("postfix")


def test_a_queue_is_made_and_made_over_with_what_is_in_it(tmp_path: Path, given_away: list[Path]) -> None:
    queue = tmp_path / "new" / "queue"
    make_folder(queue, SOMEBODY)
    assert given_away == [queue]
    assert queue.stat().st_mode & 0o777 == 0o700
    for name in ("queue.db", "other"):
        (queue / name).write_text("")
    (queue / "content").mkdir()
    (queue / "content" / "ID").write_text("")
    given_away.clear()
    make_folder(queue, SOMEBODY)
    assert given_away == [queue, queue / "queue.db", queue / "content", queue / "content", queue / "content" / "ID"]


@pytest.mark.parametrize("names", [("passwd",), ("incoming", "active", "deferred")])
@pytest.mark.parametrize("owner", [SOMEBODY, None])
def test_a_queue_is_not_put_among_other_things(
    tmp_path: Path, given_away: list[Path], names: tuple[str, ...], owner: Owner | None
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    with pytest.raises(WrongConfiguration, match=r"other things are in it; give the queue a folder of its own"):
        make_folder(tmp_path, owner)
    assert not given_away
    make_folder(tmp_path, owner, "tls_report_directory")  # which may hold anything


def test_a_file_is_no_folder(tmp_path: Path, given_away: list[Path]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongConfiguration, match=r"queue_directory = .*/file: this is no folder"):
        make_folder(tmp_path / "file", SOMEBODY)
    assert not given_away


def test_an_empty_folder_of_a_file_system_will_do(tmp_path: Path, given_away: list[Path]) -> None:
    (tmp_path / "lost+found").mkdir()
    make_folder(tmp_path, SOMEBODY)
    assert given_away == [tmp_path]
