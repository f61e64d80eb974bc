"""`mailrider probe` as a command: tree, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.peer_thread import PeerThread
from mailrider.cli.main import main
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer


def probe(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["probe", *arguments])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


def test_a_tree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    context = make_root().issue("mx", ["mx1.test"]).server_context(tmp_path)
    with PeerThread(ScriptedServer(tls=context)) as peer:
        code, out, _ = probe(capsys, "-v", "-o", "smtp_tls_security_level=may", peer.nexthop)
    assert code == 0
    for words in (
        "a message would be delivered to 127.0.0.1[127.0.0.1]", "chosen by smtp_tls_security_level = may",
        "Untrusted TLS: TLSv1.3",
        "certificate 0: mx, by Test Root", "for: mx1.test", "announced inside TLS", "C: QUIT", "takes mail",
    ):  # fmt: skip
        assert words in out
    assert peer.server.sessions[0].commands[-1] == "QUIT"
    assert not peer.server.messages


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    with PeerThread(ScriptedServer()) as peer:
        code, out, _ = probe(capsys, "--json", "-o", "smtp_tls_security_level=encrypt", peer.nexthop)
    facts = json.loads(out)
    assert code == 75
    assert facts["verdict"]["outcome"] == "deferred"
    assert facts["verdict"]["reason"]["status"] == "4.7.4"
    assert facts["destinations"][0]["servers"][0]["policy"]["level"] == "encrypt"


def test_markup_of_a_server_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    with PeerThread(ScriptedServer(keywords=("[bold]X[/bold]", "[/nonsense]"))) as peer:
        code, out, _ = probe(capsys, peer.nexthop)
    assert code == 0
    assert "[bold]X[/bold]" in out


def test_no_connect(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = probe(capsys, "--no-connect", "[127.0.0.1]:1")
    assert code == 0
    assert "nobody knows" in out


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(["[127.0.0.1]:1"], 75), (["[x"], 64), ([], 64), (["-o", "smtp_tls_security_level=nonsense", "[127.0.0.1]:1"], 78)],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], arguments: list[str], wanted: int) -> None:
    assert probe(capsys, *arguments)[0] == wanted


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = probe(capsys, "-h")
    assert code == 0
    assert "Examples:" in out
    assert "Exit codes:" in out
