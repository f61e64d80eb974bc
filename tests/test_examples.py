"""The examples run as they stand, and say what they claim to say."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tried_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == ["deliver_many", "deliver_one", "observe"]


@pytest.mark.parametrize("name", ["deliver_many", "deliver_one", "observe"])
def test_an_example_runs_as_a_program(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(load("deliver_one").main([])) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("you@example.org: sent (250 2.0.0 Ok: queued as T1.1), by 127.0.0.1[127.0.0.1]:")
    assert second.startswith("the server has 1 message of ")


def test_one_message_to_a_server_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> tuple[int, ScriptedServer]:
        async with ScriptedServer(Rule(match="<c@", reply="550 5.1.1 no")) as server:
            nexthop = f"[127.0.0.1]:{server.port}"
            return await load("deliver_one").main([nexthop, "a@example.test", "b@example.test", "c@example.test"]), server

    code, server = asyncio.run(main())
    assert code == 1
    assert [line.split(" (")[0] for line in capsys.readouterr().out.splitlines()] == [
        "b@example.test: sent", "c@example.test: bounced",
    ]  # fmt: skip
    assert b"\r\nTo: b@example.test, c@example.test\r\n" in server.messages[0].content


def test_many_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(load("deliver_many").main(["40", "4"])) == 0
    refused, statuses, connections = capsys.readouterr().out.splitlines()
    assert refused.startswith("reader7@example.org: host 127.0.0.1[127.0.0.1] said: 550 5.1.6 reader7 has moved away")
    assert statuses == "39 sent, 0 deferred, 1 bounced"
    words = connections.split()
    assert words[:4] == ["39", "messages", "came", "over"]
    assert 4 <= int(words[4]) <= 40


def test_an_observer(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(load("observe").main()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "EXAMPLE1: host 127.0.0.1[127.0.0.1] refused to talk to me: 421 4.3.2 closed for today"
    assert "status=sent" in lines[1]
    assert lines[-1] == "1 connection, 1 failure on the way"
