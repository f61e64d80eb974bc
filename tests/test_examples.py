"""The examples run as they stand, and say what they claim to say."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.peer_thread import PeerThread
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = ["deliver_many", "deliver_one", "observe"]

Example = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Example:
    """Run an example in this process, as its command line would."""

    def run(name: str, *arguments: str) -> int:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        ended = module.main()
        code: int = asyncio.run(ended) if inspect.iscoroutine(ended) else ended
        return code

    return run


def test_every_example_is_tried_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_a_program(name: str) -> None:
    with PeerThread(ScriptedServer()) as peer:
        arguments = [peer.nexthop, "5"] if name == "deliver_many" else ["you@example.org", peer.nexthop]
        program = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(peer.server.messages) == (5 if name == "deliver_many" else 1)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_says_how_it_is_used(run: Example, name: str) -> None:
    with pytest.raises(SystemExit, match=f"python examples/{name}.py"):
        run(name)


def test_one_message(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with PeerThread(ScriptedServer()) as peer:
        assert run("deliver_one", "you@example.org", peer.nexthop) == 0
    assert capsys.readouterr().out == (
        f"you@example.org: sent 2.0.0 by 127.0.0.1[127.0.0.1]:{peer.server.port}: 250 2.0.0 Ok: queued as T1.1\n"
    )
    assert b"\r\nTo: you@example.org\r\n" in peer.server.messages[0].content


def test_one_message_that_is_not_wanted(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with PeerThread(ScriptedServer(Rule(match="^RCPT", reply="550 5.1.1 no"))) as peer:
        assert run("deliver_one", "you@example.org", peer.nexthop) == 75
    assert capsys.readouterr().out.startswith("you@example.org: bounced 5.1.1 by ")


def test_many_messages_over_few_connections(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with PeerThread(ScriptedServer()) as peer:
        assert run("deliver_many", peer.nexthop, "60") == 0
    assert capsys.readouterr().out == "{'sent': 60}\n"
    assert len(peer.server.messages) == 60
    assert len(peer.server.sessions) < 60


def test_an_observer(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    closed = Rule(on="greeting", reply="421 4.3.2 closed for today")
    with PeerThread(ScriptedServer(closed)) as first, PeerThread(ScriptedServer(keywords=("PIPELINING",))) as second:
        assert run("observe", "you@example.org", f"{first.nexthop}, {second.nexthop}") == 0
    assert capsys.readouterr().out.splitlines() == [
        "trying another server: host 127.0.0.1[127.0.0.1] refused to talk to me: 421 4.3.2 closed for today",
        f"connected to 127.0.0.1[127.0.0.1]:{second.server.port}, which offers PIPELINING",
        "<you@example.org> is sent: 250 2.0.0 Ok: queued as T1.1",
    ]
