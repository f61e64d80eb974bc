"""sendmail for users who may not write to the queue: by the door of the node."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrider.cli import sendmail_run
from mailrider.cli.sendmail_run import run_sendmail
from mailrider.intake.configuration import Intake
from mailrider.machine import read_settings
from mailrider.model.request import Notify
from mailrider.spool.opening import is_forbidden, open_spool

PATIENCE_SECONDS = 90.0


class NodeThread:
    """The doors and the queue of a node, in a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        intake = Intake(read_settings(self._folder), lambda sentence: None)
        async with open_spool(f"{self._folder}/queue") as spool:
            await intake.start(spool)
            self.place = intake.places[0].partition(" at ")[2]
            self._ready.set()
            await self._end.wait()
            await intake.close(1.0)

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self.place

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self._loop.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "main.cf").write_text(
        f"queue_directory = {tmp_path}/queue\nmyhostname = host.example\nintake_smtp_listen = 127.0.0.1:0\n"
        "message_size_limit = 5000\n"
    )
    monkeypatch.setattr(sendmail_run, "is_forbidden", lambda place: True)
    monkeypatch.setattr(sendmail_run, "_who_calls", lambda: ("joe", "Joe Doe"))
    monkeypatch.delenv("NAME", raising=False)
    monkeypatch.delenv("MAIL_CONFIG", raising=False)
    return tmp_path


def send(folder: Path, text: bytes, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    return run_sendmail(["-C", str(folder), *arguments])


def test_the_node_takes_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with NodeThread(folder) as place:
        text = b"To: b@b.example\nBcc: c@c.example\nSubject: x\n\n.dot\n"
        given = ["-o", f"intake_smtp_listen={place}", "-t", "-N", "never", "-R", "hdrs", "-V", "id"]
        assert send(folder, text, monkeypatch, *given) == 0
        assert send(folder, text + b"x" * 5000, monkeypatch, *given) == 69

    async def look() -> None:
        async with open_spool(f"{folder}/queue") as spool:
            (message,) = await spool.list()
            content = await spool.content(message.queue_id)
            assert content is not None
            kept = b"".join(content.chunks())
            assert [one.address for one in message.envelope.recipients] == ["b@b.example", "c@c.example"]
            assert {one.notify for one in message.envelope.recipients} == {Notify.NEVER}
            assert (message.envelope.ret, message.envelope.envid) == ("hdrs", "id")
            assert message.envelope.sender == "joe@host.example"
            assert b"\r\nFrom: Joe Doe <joe@host.example>\r\n\r\n.dot\r\n" in kept
            assert b"Bcc" not in kept

    asyncio.run(look())


def test_all_recipients_or_none(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "main.cf").open("a") as file:
        file.write("smtpd_recipient_limit = 2\n")
    with NodeThread(folder) as place:
        given = ["-o", f"intake_smtp_listen={place}"]
        assert send(folder, b"\n", monkeypatch, *given, "b@b.example", "c@b.example", "d@b.example") == 75
        assert "too many recipients" in capsys.readouterr().err
        assert send(folder, b"\n", monkeypatch, *given, "e@b.example", "f@b.example") == 0

    async def look() -> None:
        async with open_spool(f"{folder}/queue") as spool:
            (message,) = await spool.list()
            assert [one.address for one in message.envelope.recipients] == ["e@b.example", "f@b.example"]

    asyncio.run(look())


def test_no_node_is_running(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"intake_smtp_listen=127.0.0.1:{nobody.getsockname()[1]}"
        assert send(folder, b"\n", monkeypatch, "-o", place, "b@b.example") == 75
    assert "no node answers" in capsys.readouterr().err
    assert send(folder, b"\n", monkeypatch, "-o", "intake_smtp_listen=", "b@b.example") == 77
    assert "names no host and port" in capsys.readouterr().err


def test_who_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_forbidden(f"{tmp_path}/not/there/yet")
    asked: list[str] = []

    def access(path: Path, mode: int) -> bool:
        asked.append(str(path))
        return False

    monkeypatch.setattr(os, "access", access)
    assert is_forbidden(f"{tmp_path}/not/there/yet")
    assert asked == [str(tmp_path)]
    (tmp_path / "queue.db").touch()
    assert is_forbidden(str(tmp_path))
    assert asked[-1] == f"{tmp_path}/queue.db"


def test_who_may_not_write_to_the_queue_has_no_door_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}/queue\n")
    monkeypatch.setattr(sendmail_run, "is_forbidden", lambda place: True)
    assert run_sendmail(["-C", str(tmp_path), "-bs"]) == 77
    assert "may not write to the queue" in capsys.readouterr().err
