from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.observe import lines as module
from mailrider.observe.lines import LineWriter


class CountingFile(io.BytesIO):
    """Memory that counts how often it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, octets: bytes) -> int:  # type: ignore[override]
        self.writes.append(bytes(octets))
        return super().write(octets)


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that takes no more, and never blocks: reading end, writing end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fill(writing)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def fill(writing: int) -> None:
    try:
        while True:
            os.write(writing, b"." * 4096)
    except BlockingIOError:
        pass


def drain(reading: int) -> bytes:
    os.set_blocking(reading, False)
    octets = b""
    while True:
        try:
            octets += os.read(reading, 65536)
        except BlockingIOError:
            return octets.replace(b".", b"")


def test_without_a_loop_each_line_is_written_at_once() -> None:
    file = CountingFile()
    writer = LineWriter(file)
    writer.write("one")
    writer.write("zwö")
    assert file.writes == [b"one\n", "zwö\n".encode()]


def test_in_a_loop_the_lines_of_a_round_are_one_write() -> None:
    file = CountingFile()
    writer = LineWriter(file)

    async def work() -> None:
        for number in range(3):
            writer.write(str(number))
        assert file.writes == []
        await asyncio.sleep(0)
        assert file.writes == [b"0\n1\n2\n"]
        writer.write("next round")
        await asyncio.sleep(0)

    asyncio.run(work())
    assert file.writes == [b"0\n1\n2\n", b"next round\n"]


def test_lines_of_a_loop_that_ended_are_not_forgotten() -> None:
    file = CountingFile()
    writer = LineWriter(file)
    loop = asyncio.new_event_loop()

    async def work() -> None:
        loop.stop()
        writer.write("said last")

    # The loop stops before its next round comes.
    task = loop.create_task(work())
    loop.run_forever()
    assert task.done()
    loop.close()
    writer.write("after it")
    assert b"".join(file.writes) == b"said last\nafter it\n"


def test_flush_writes_what_waits() -> None:
    file = CountingFile()
    writer = LineWriter(file)

    async def work() -> None:
        writer.write("now")
        writer.flush()
        assert file.writes == [b"now\n"]

    asyncio.run(work())
    writer.flush()
    assert file.writes == [b"now\n"]


def test_a_loop_that_never_ends_a_round_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER_LIMIT_CHARACTERS", 10)
    file = CountingFile()
    writer = LineWriter(file)

    async def work() -> None:
        writer.write("12345")
        assert file.writes == []
        writer.write("67890")
        assert file.writes == [b"12345\n67890\n"]

    asyncio.run(work())


def test_a_file_on_disk_is_written_through_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        LineWriter(file).write("a line")
        assert path.read_bytes() == b"a line\n"


def test_octets_that_were_never_text_do_no_harm() -> None:
    file = CountingFile()
    LineWriter(file).write("bad \udcff")
    assert file.writes == [b"bad \\udcff\n"]


def test_a_reader_that_went_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(writing)
    writer.write("nobody hears")
    assert writer.closed
    writer.write("nor this")
    writer.flush()
    assert writer.lines_lost == 2
    os.close(writing)


def test_a_closed_output_is_no_error() -> None:
    file = io.BytesIO()
    writer = LineWriter(file)
    file.close()
    writer.write("nobody hears")
    assert (writer.closed, writer.lines_lost) == (True, 1)


def test_a_full_disk_loses_lines_and_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = LineWriter(file)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", _no_space_left)
            writer.write("lost")
        writer.write("kept")
        assert (writer.closed, writer.lines_lost) == (False, 1)
    assert (tmp_path / "log").read_bytes() == b"kept\n"


def _no_space_left(descriptor: int, octets: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_lines_wait_for_a_slow_reader(full_pipe: tuple[int, int]) -> None:
    reading, writing = full_pipe
    writer = LineWriter(writing)
    writer.write("first")
    writer.write("second")
    assert writer.lines_lost == 0
    assert drain(reading) == b""
    writer.flush()
    assert drain(reading) == b"first\nsecond\n"


def test_a_loop_tries_a_full_output_again(full_pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    reading, writing = full_pipe
    writer = LineWriter(writing)

    async def work() -> bytes:
        writer.write("patience")
        for _ in range(3):
            await asyncio.sleep(0)
        heard = drain(reading)
        while not heard:
            await asyncio.sleep(0)
            heard = drain(reading)
        return heard

    assert asyncio.run(work()) == b"patience\n"


def test_flush_does_not_wait_for_ever(full_pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    _, writing = full_pipe
    writer = LineWriter(writing)
    writer.write("stuck")
    writer.flush()
    assert (writer.closed, writer.lines_lost) == (False, 0)


def test_too_much_for_a_slow_reader_drops_the_oldest_lines(full_pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKLOG_LIMIT_OCTETS", 20)
    reading, writing = full_pipe
    writer = LineWriter(writing)
    for number in range(5):
        writer.write(f"line {number}")  # seven octets each: two fit beside the first
    drain(reading)
    writer.flush()
    assert drain(reading) == b"line 0\nline 4\n"
    assert writer.lines_lost == 3


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), st.integers(1, 7))
def test_an_output_that_takes_little_at_a_time_gets_everything(lines: list[str], portion: int) -> None:
    class Stingy(io.BytesIO):
        def write(self, octets: bytes) -> int:  # type: ignore[override]
            return super().write(octets[:portion])

    file = Stingy()
    writer = LineWriter(file)
    for line in lines:
        writer.write(line)
    assert file.getvalue() == "".join(line + "\n" for line in lines).encode()


def test_a_descriptor_number_will_do() -> None:
    with tempfile.TemporaryFile() as file:
        LineWriter(file.fileno()).write("x")
        file.seek(0)
        assert file.read() == b"x\n"
