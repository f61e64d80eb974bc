"""The words after `tls=`: what each way of ending up with a server, or without one, is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from delivery.scene import Scene, nobody, server_of
from mailrider.delivery.required_tls import Strictness
from mailrider.delivery.tls_status import Feature, TlsStatus, Verdict
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.observe.text import TextLog
from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.trust.dane import NONE_USABLE
from mailrider.trust.decision import NO_TLS
from virtual_time import run

ROOT = make_root()
NAME = "mx.dest.test"
PROMISES = (*DEFAULT_KEYWORDS, "REQUIRETLS")
OTHER = ROOT.issue("mx", ["other.test"])


def words(
    folder: Path,
    *rules: Rule,
    wish: bool = False,
    tls: bool = True,
    certificate: Certificate | None = None,
    keywords: tuple[str, ...] = PROMISES,
    times: int = 1,
    age_seconds: float = 0.0,
    route: Callable[[Any], Server] | None = None,
    **settings: object,
) -> list[str]:
    """What the outcome of each of `times` messages says."""

    async def main() -> list[str]:
        (folder / "ca.pem").write_bytes(ROOT.pem)
        context = (certificate or ROOT.issue("mx", [NAME])).server_context(folder) if tls else None
        options = {
            "smtp_log_tls_feature_status": True, "smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": "hostname",
            "smtp_tls_CAfile": folder / "ca.pem",
        } | settings  # fmt: skip
        async with ScriptedServer(*rules, tls=context, keywords=keywords) as peer:
            servers = [route(peer) if route is not None else server_of(peer, NAME)]
            async with Scene(routes={"dest.test": servers}, **options) as scene:
                said: list[str] = []
                for _ in range(times):
                    arrived = scene.clock.wall_seconds() - age_seconds
                    request = scene.request("dest.test", arrival_seconds=arrived)
                    envelope = request.envelope._replace(requiretls=wish)
                    report = await scene.agent.deliver(request._replace(envelope=envelope), scene.keeper)
                    said += [outcome.tls for outcome in report.outcomes if outcome is not None]
            await peer.wait_until_alone()
            return said

    return run(main())


@pytest.mark.parameter("smtp_log_tls_feature_status")
def test_the_status_line_says_how_much_tls_there_was(tmp_path: Path) -> None:
    def line(**settings: object) -> str:
        async def main() -> str:
            lines: list[str] = []
            log = TextLog(lines.append)
            async with ScriptedServer(tls=ROOT.issue("mx").server_context(tmp_path)) as peer:
                async with Scene(routes={"dest.test": [server_of(peer, NAME)]}, **settings) as scene:
                    await scene.deliver("dest.test")
                for event in scene.events:
                    log(event)
            (found,) = [each for each in lines if ", status=" in each]
            return found

        return run(main())

    assert ", tls=may, dsn=2.0.0, status=sent" in line(smtp_tls_security_level="may", smtp_log_tls_feature_status=True)
    assert "tls=" not in line(smtp_tls_security_level="may")
    assert "tls=" not in line(smtp_tls_security_level="may", smtp_log_tls_feature_status=False)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"smtp_tls_security_level": "none"}, "none"),
        ({"smtp_tls_security_level": "may"}, "may"),
        ({"smtp_tls_security_level": "may", "tls": False}, "may:none"),
        ({"smtp_tls_security_level": "encrypt"}, "encrypt"),
        ({"smtp_tls_security_level": "encrypt", "tls": False}, "!encrypt"),
        ({}, "secure"),
        ({"certificate": OTHER}, "!secure"),
        ({"route": lambda peer: nobody(NAME)}, "secure?"),
        ({"smtp_tls_security_level": "none", "route": lambda peer: nobody(NAME)}, "none?"),
        ({"smtp_tls_policy_maps": "inline:{dest.test=nonsense}"}, "unknown?"),
        ({"smtp_tls_policy_maps": "inline:{dest.test=verify}"}, "verify"),
        ({"smtp_tls_wrappermode": True, "smtp_tls_security_level": "may"}, "may?"),
    ],
)
def test_levels(tmp_path: Path, settings: dict[str, Any], wanted: str) -> None:
    assert words(tmp_path, **settings) == [wanted]


def test_a_handshake_that_failed_decides_nothing(tmp_path: Path) -> None:
    broken = Rule(match="^STARTTLS", raw=b"220 go\r\nno TLS at all\r\n")
    assert words(tmp_path, broken, smtp_tls_security_level="may", tls=False, keywords=("STARTTLS",)) == ["may?"]


def test_a_second_try_in_clear(tmp_path: Path) -> None:
    broken = Rule(match="^STARTTLS", raw=b"220 go\r\nno TLS at all\r\n")
    said = words(
        tmp_path, broken, smtp_tls_security_level="may", tls=False, keywords=("STARTTLS",), age_seconds=100_000.0,
    )  # fmt: skip
    assert said == ["may:none"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "secure/requiretls"),
        ({"smtp_requiretls_policy": "disable"}, "secure"),
        ({"keywords": DEFAULT_KEYWORDS}, "secure/!requiretls:none"),
        ({"keywords": DEFAULT_KEYWORDS, "smtp_requiretls_policy": "opportunistic"}, "secure/requiretls:none"),
        ({"certificate": OTHER}, "!secure/!requiretls:nocertmatch"),
        ({"certificate": OTHER, "smtp_requiretls_policy": "opportunistic"}, "!secure/requiretls:nocertmatch"),
        ({"tls": False}, "!secure/!requiretls:nostarttls"),
        ({"smtp_tls_security_level": "may"}, "may?/!requiretls:nocertmatch"),
        (
            {"smtp_tls_security_level": "may", "smtp_requiretls_policy": "opportunistic+starttls"},
            "may/requiretls:nocertmatch",
        ),
        (
            {"smtp_tls_security_level": "may", "smtp_requiretls_policy": "opportunistic+starttls", "tls": False},
            "may?/!requiretls:nostarttls",
        ),
        (
            {"smtp_tls_security_level": "none", "smtp_requiretls_policy": "opportunistic+starttls"},
            "none?/!requiretls:noencryption",
        ),
        (
            {"smtp_tls_security_level": "may", "smtp_requiretls_policy": "opportunistic", "tls": False},
            "may:none/requiretls:none",
        ),
        ({"route": lambda peer: nobody(NAME)}, "secure?/requiretls?"),
    ],
)
def test_a_wish_for_requiretls(tmp_path: Path, settings: dict[str, Any], wanted: str) -> None:
    assert words(tmp_path, wish=True, **settings) == [wanted]


def test_a_refusal_after_the_handshake_leaves_the_wish_undecided(tmp_path: Path) -> None:
    late = Rule(match="^EHLO", nth=2, reply="421 4.3.0 later")
    assert words(tmp_path, late, wish=True) == ["secure/requiretls?"]


@pytest.mark.parametrize("wish", [True, False])
def test_a_kept_connection_shows_what_it_was_opened_with(tmp_path: Path, wish: bool) -> None:
    common = {"smtp_connection_cache_destinations": "dest.test", "smtp_tls_connection_reuse": True}
    wanted = "secure/requiretls" if wish else "secure"
    assert words(tmp_path, wish=wish, times=2, **common) == [wanted, wanted]


def test_nothing_but_tls_over_a_socket_of_this_host_makes_sense(tmp_path: Path) -> None:
    said = words(
        tmp_path, smtp_tls_security_level="may", route=lambda peer: Server(NAME, str(tmp_path / "no"), 0, Family.UNIX),
    )  # fmt: skip
    assert said == ["may?"]


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (replace(NO_TLS, level=TlsLevel.HALF_DANE), "halfdane?"),
        (replace(NO_TLS, level=TlsLevel.ENCRYPT, requested=TlsLevel.DANE, reason=NONE_USABLE), "dane?"),
        (replace(NO_TLS, level=TlsLevel.ENCRYPT, requested=TlsLevel.DANE, reason="TLSA records unusable"), "encrypt?"),
        (replace(NO_TLS, level=TlsLevel.MAY, requested=TlsLevel.DANE, reason="no TLSA records found"), "may?"),
    ],
)
def test_dane(policy: Any, wanted: str) -> None:
    status = TlsStatus()
    status.choose(policy, Strictness.DISABLE, refused=False)
    assert status.text == wanted


def test_features() -> None:
    assert str(Feature("dane", "encrypt", Verdict.MET)) == "dane:encrypt"
    assert str(Feature("dane", "dane", Verdict.MET)) == "dane"
    assert str(Feature("secure", "", Verdict.VIOLATED)) == "!secure"
