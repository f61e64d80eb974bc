"""Processes that write to one spool take turns."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailrider.spool.gate import LOOK_SECONDS, PATIENCE_SECONDS, Gate


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "content").mkdir()
    return tmp_path, tmp_path / "content"


class Clock:
    """Sleeping is over at once; `while_asleep` is what others do meanwhile."""

    def __init__(self, while_asleep: Callable[[], object] = lambda: None) -> None:
        self.seconds = 0.0
        self.while_asleep = while_asleep

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.while_asleep()


def make(folders: tuple[Path, Path], clock: Clock) -> Gate:
    gate = Gate(folders, now_seconds=clock.now, sleep=clock.sleep)
    gate.open()
    return gate


def is_free(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_a_turn_is_to_be_had_at_once_where_nobody_else_writes(folders: tuple[Path, Path]) -> None:
    clock = Clock()
    gate = make(folders, clock)
    assert gate.enter()
    assert is_free(folders[0])
    assert not is_free(folders[1])
    gate.leave()
    assert is_free(folders[1])
    assert clock.seconds == 0
    gate.close()


def test_who_waits_is_next(folders: tuple[Path, Path]) -> None:
    """While one waits for the end of a turn, whoever has had it does not get it again before him."""
    busy, eager = make(folders, Clock()), Clock()
    assert busy.enter()
    steps: Iterator[Callable[[], object]] = iter([lambda: None, busy.leave])
    waiting = make(folders, Clock(lambda: next(steps)()))
    assert waiting.enter()

    again = Gate(folders, now_seconds=eager.now, sleep=eager.sleep)
    again.open()
    eager.while_asleep = waiting.leave
    assert again.enter()
    assert eager.seconds == LOOK_SECONDS
    for gate in (busy, waiting, again):
        gate.close()


def test_nobody_comes_between_while_somebody_waits(folders: tuple[Path, Path]) -> None:
    busy, tries = make(folders, Clock()), []

    def look() -> None:
        tries.append(is_free(folders[0]))  # what whoever comes next would have to take
        if len(tries) == 3:
            busy.leave()

    assert busy.enter()
    waiting = make(folders, Clock(look))
    assert waiting.enter()
    assert tries == [False, False, False]
    for gate in (busy, waiting):
        gate.close()


def test_a_turn_that_does_not_end_is_not_waited_for_for_ever(folders: tuple[Path, Path]) -> None:
    suspended, clock = make(folders, Clock()), Clock()
    assert suspended.enter()
    gate = make(folders, clock)
    assert not gate.enter()
    assert clock.seconds >= PATIENCE_SECONDS
    gate.leave()
    assert not is_free(folders[1]), "who was not let in does not open for others"
    suspended.close()
    assert gate.enter()
    gate.close()
    assert is_free(folders[1])


def test_without_folders_there_are_no_turns(tmp_path: Path) -> None:
    gate = Gate((tmp_path, tmp_path / "none"))
    gate.open()
    assert not gate.enter()
    gate.leave()
    gate.close()
    assert is_free(tmp_path)


def test_threads_exclude_each_other(folders: tuple[Path, Path]) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        gate = Gate(folders)
        gate.open()
        for _ in range(50):
            assert gate.enter()
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)
            gate.leave()
        gate.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 150
    assert set(most) == {1}
