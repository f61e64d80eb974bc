"""`mailrider probe` as a command: tree, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import pytest

from cli.peer_thread import PeerThread
from mailrider.cli.main import main
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.zone import ZoneServer
from trust.policy_host import RECORD, PolicyHost, authority_file, root


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


class Site:
    """A domain with an MTA-STS policy: name server, policy host, and one exchanger for two names."""

    def __init__(self, folder: Path) -> None:
        records = (
            "dest.test MX 10 mx1.dest.test", "dest.test MX 20 evil.test", "mx1.dest.test A 127.0.0.1", "evil.test A 127.0.0.1",
            f'_mta-sts.dest.test TXT "{RECORD}"', "mta-sts.dest.test A 127.0.0.1",
        )  # fmt: skip
        self.peer = ScriptedServer(tls=root().issue("mx", ["mx1.dest.test"]).server_context(folder))
        self.zone = ZoneServer(records, secure=["mx1.dest.test"])
        self.host = PolicyHost()
        self.port = 0

    async def __aenter__(self) -> Self:
        for part in (self.peer, self.zone, self.host):
            await part.__aenter__()  # type: ignore[attr-defined]
        return self

    async def close(self) -> None:
        await self.host.__aexit__(None, None, None)
        await self.zone.__aexit__(None, None, None)
        await self.peer.close()

    @property
    def options(self) -> list[str]:
        settings = {
            "dns_nameservers": f"127.0.0.1:{self.zone.port}", "smtp_tcp_port": self.peer.port, "smtp_tls_mta_sts": "yes",
            "tls_mta_sts_CAfile": authority_file(), "smtp_tls_CAfile": authority_file(), "tls_mta_sts_port": self.host.port,
            "tls_mta_sts_cache_directory": "", "smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec",
            "dnssec_probe": "",
        }  # fmt: skip
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def test_from_the_address_to_the_rule_that_decides(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason="httpx is not installed: pip install mailrider[mta-sts]")
    site = Site(tmp_path)
    with PeerThread(site):  # type: ignore[arg-type]
        code, out, _ = probe(capsys, "--json", *site.options, "user@dest.test")
    facts = json.loads(out)
    assert code == 0
    assert facts["verdict"]["relay"].startswith("mx1.dest.test[127.0.0.1]:")
    validated = {asked["name"]: asked["validated"] for asked in facts["dns"]}
    assert validated["dest.test"] is False
    assert validated["mx1.dest.test"] is True
    good, evil = facts["destinations"][0]["servers"]
    assert good["policy"]["kind"] == "MTA-STS"
    assert good["policy"]["requested"] == "dane"
    assert good["policy"]["level"] == "secure"
    assert good["tls"]["standing"] == "Verified"
    assert good["ready"]
    assert evil["obstacle"] == "MX name 'evil.test' does not match STS MX pattern for 'dest.test'"
    assert not evil["connected"]
    assert [session.commands[-1] for session in site.peer.sessions] == ["QUIT"]
