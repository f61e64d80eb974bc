"""What a session says about TLS, in the words of RFC 8460."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.scene import Scene, nobody, server_of
from mailrider.delivery.security import make_security
from mailrider.delivery.tls_reporting import RECORD_LIMIT_CHARACTERS, Reporting, find_report_record
from mailrider.events import TlsJudged
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import Zone, ZoneResolver
from trust.policy_host import ENFORCE, PolicyHost, authority_file, page, root
from virtual_time import run

RECORD = "v=TLSRPTv1; rua=mailto:tls@dest.test"
ASKS = f'_smtp._tls.dest.test TXT "{RECORD}"'
STS = ('_mta-sts.dest.test TXT "v=STSv1; id=one;"', "mta-sts.dest.test A 127.0.0.1")
TESTING = ENFORCE.replace(b"enforce", b"testing")
NAME = "mx1.dest.test"


def judge(
    folder: Path,
    *records: str,
    rules: tuple[Rule, ...] = (),
    certificate: Certificate | None = None,
    tls: bool = True,
    policy: bytes = ENFORCE,
    name: str = NAME,
    there: bool = True,
    content: bytes = b"Subject: x\r\n\r\n",
    times: int = 1,
    **settings: object,
) -> list[TlsJudged]:
    """The events of deliveries to a server."""

    async def main() -> list[TlsJudged]:
        shown = certificate or root().issue("mx", [NAME])
        context = shown.server_context(folder) if tls else None
        async with PolicyHost(page(policy)) as host, ScriptedServer(*rules, tls=context) as peer:
            options = {
                "smtp_tls_security_level": "may", "tls_report_directory": folder, "smtp_tls_mta_sts": True,
                "tls_mta_sts_cache_directory": "", "tls_mta_sts_port": host.port, "tls_mta_sts_CAfile": authority_file(),
                "smtp_tls_CAfile": authority_file(),
            } | settings  # fmt: skip
            servers = [server_of(peer, name) if there else nobody()]
            async with Scene(routes={"dest.test": servers}, **options) as scene:
                resolver = ZoneResolver(Zone(records))
                security = make_security(scene.profile.settings, resolver, scene.clock, lambda text: None)
                means = scene.agent._means
                if means.reporting is not None:
                    skips = scene.profile.settings.smtp_tlsrpt_skip_reused_handshakes
                    means = means._replace(reporting=Reporting(resolver, skips_resumed=skips))
                scene.agent._means = means._replace(security=security)
                for _ in range(times):
                    await scene.deliver("dest.test", content=MemoryMessage(content))
                return scene.told(TlsJudged)

    return run(main())


def brief(found: list[TlsJudged]) -> list[tuple[str, str]]:
    return [(each.policy_type, each.result) for each in found]


@pytest.mark.parameter("tls_report_directory")
def test_only_those_who_want_reports_are_counted(tmp_path: Path) -> None:
    assert brief(judge(tmp_path, ASKS)) == [("no-policy-found", "")]
    assert judge(tmp_path) == []
    assert judge(tmp_path, ASKS, tls_report_directory="") == []


def test_the_level_none_is_no_business_of_the_destination(tmp_path: Path) -> None:
    assert judge(tmp_path, ASKS, smtp_tls_security_level="none", smtp_tls_mta_sts=False) == []


def test_a_server_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert judge(tmp_path, ASKS, there=False) == []


def test_a_policy_is_told_with_its_text(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, ASKS, *STS)
    assert brief([found]) == [("sts", "")]
    assert found.domain == found.policy_domain == "dest.test"
    assert found.record == RECORD
    assert found.policy_strings[:2] == ("version: STSv1", "mode: enforce")
    assert found.mx_patterns == ("mx1.dest.test", "*.mail.test")


@pytest.mark.parametrize("policy", [ENFORCE, TESTING])
def test_what_goes_wrong_in_modes_enforce_and_testing(tmp_path: Path, policy: bytes) -> None:
    def say(**options: object) -> list[tuple[str, str]]:
        return brief(judge(tmp_path, ASKS, *STS, policy=policy, smtp_tls_CAfile="", **options))  # type: ignore[arg-type]

    own = {"smtp_tls_CAfile": authority_file()}
    stranger = make_root("Stranger").issue("mx", [NAME])
    assert say(certificate=stranger) == [("sts", "certificate-not-trusted")]
    assert brief(judge(tmp_path, ASKS, *STS, policy=policy, certificate=root().issue("mx", ["other.test"]), **own)) == [
        ("sts", "certificate-host-mismatch")
    ]
    expired = root().issue("mx", [NAME], begins_days=-9.0, ends_days=-1.0)
    assert brief(judge(tmp_path, ASKS, *STS, policy=policy, certificate=expired, **own)) == [("sts", "certificate-expired")]
    assert say(tls=False) == [("sts", "starttls-not-supported")]
    assert say(rules=(Rule(match="^STARTTLS", reply="454 no"),)) == [("sts", "starttls-not-supported")]


def test_a_server_that_a_policy_in_testing_does_not_name(tmp_path: Path) -> None:
    certificate = root().issue("mx", ["evil.test"])
    found = judge(tmp_path, ASKS, *STS, policy=TESTING, name="evil.test", certificate=certificate)
    assert brief(found) == [("sts", "certificate-host-mismatch")]


def test_a_policy_that_cannot_be_had(tmp_path: Path) -> None:
    assert brief(judge(tmp_path, ASKS, *STS, policy=b"<html>")) == [("sts", "sts-policy-invalid")]


def test_mail_that_does_not_require_tls_is_not_counted(tmp_path: Path) -> None:
    content = b"TLS-Required: no\r\n\r\n"
    assert judge(tmp_path, ASKS, content=content, tls_required_enable=True) == []


@pytest.mark.parameter("smtp_tlsrpt_skip_reused_handshakes")
def test_resumed_sessions(tmp_path: Path) -> None:
    cache = {"smtp_tls_session_cache_database": "btree:x", "times": 2}
    assert len(judge(tmp_path, ASKS, **cache)) == 2  # type: ignore[arg-type]
    assert len(judge(tmp_path, ASKS, smtp_tlsrpt_skip_reused_handshakes=True, **cache)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        (['d.test TXT "v=TLSRPTv1; rua=mailto:a@b"'], ""),
        (['_smtp._tls.d.test TXT "v=TLSRPTv1; rua=mailto:a@b"'], "v=TLSRPTv1; rua=mailto:a@b"),
        (['_smtp._tls.d.test TXT "v=TLSRPTv1 ;rua=x"', '_smtp._tls.d.test TXT "v=spf1"'], "v=TLSRPTv1 ;rua=x"),
        (['_smtp._tls.d.test TXT "v=TLSRPTv1;rua=x"', '_smtp._tls.d.test TXT "v=TLSRPTv1;rua=y"'], ""),
        (['_smtp._tls.d.test TXT "v=TLSRPTv1"'], ""),
        (["_smtp._tls.d.test TXT " + " ".join(['"' + "v=TLSRPTv1;" * 20 + '"'] * 10)], ""),
    ],
)
def test_records(records: list[str], wanted: str) -> None:
    import asyncio

    assert len(wanted) <= RECORD_LIMIT_CHARACTERS
    assert asyncio.run(find_report_record(ZoneResolver(Zone(records)), "d.test")) == wanted




def test_where_we_came_from_is_told(tmp_path: Path) -> None:
    (found,) = judge(tmp_path, ASKS)
    assert found.sending_address == "127.0.0.1"
    (found,) = judge(tmp_path, ASKS, tls=False)
    assert (found.result, found.sending_address) == ("starttls-not-supported", "127.0.0.1")
