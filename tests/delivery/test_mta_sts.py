"""Mail under MTA-STS policies: what a server must prove, which servers may be used, and who goes first."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from delivery.scene import Scene, server_of, statuses
from mailrider.delivery.security import make_security
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Record
from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.zone import ZoneResolver
from mailrider.trust.policy import NoPolicy, Policy, SourceKind
from parameters.scenes import settings_of
from trust.policy_host import DOMAIN, ENFORCE, PolicyHost, Scenery, authority_file, page, root
from virtual_time import VirtualClock, run

pytest.importorskip("httpx", reason="httpx is not installed: pip install mailrider[mta-sts]")

TESTING = ENFORCE.replace(b"enforce", b"testing")


def deliver(
    folder: Path,
    *hosts: str,
    policy: bytes = ENFORCE,
    certificate: Certificate | None = None,
    tls: bool = True,
    **settings: object,
) -> tuple[list[str], list[str], int]:
    """Send a message to servers of these names: statuses, warnings, and how many sessions had a message."""

    async def main() -> tuple[list[str], list[str], int]:
        shown = certificate or root().issue("mx", ["mx1.dest.test"])
        context: ssl.SSLContext | None = shown.server_context(folder) if tls else None
        async with PolicyHost(page(policy)) as host, ScriptedServer(tls=context) as peer:
            servers = [server_of(peer, name) for name in hosts or ("mx1.dest.test",)]
            options = {
                "smtp_tls_mta_sts": True, "tls_mta_sts_cache_directory": "", "tls_mta_sts_port": host.port,
                "tls_mta_sts_CAfile": authority_file(), "smtp_tls_CAfile": authority_file(),
                "smtp_tls_security_level": "may",
            } | settings  # fmt: skip
            async with Scene(routes={DOMAIN: servers}, **options) as scene:
                resolver = ZoneResolver(Scenery(host).zone)
                security = make_security(scene.profile.settings, resolver, scene.clock, scene.agent._means.security.trust._warn)
                scene.agent._means = scene.agent._means._replace(security=security)
                report = await scene.deliver(f"{DOMAIN}:{peer.port}")
                return statuses(report), scene.warnings, len(peer.messages)

    return run(main())


@pytest.mark.parameter("smtp_tls_mta_sts", "tls_mta_sts_CAfile", "tls_mta_sts_port")
def test_a_server_that_proves_itself_gets_the_mail(tmp_path: Path) -> None:
    said, warnings, messages = deliver(tmp_path)
    assert said == ["sent 2.0.0"]
    assert messages == 1
    assert warnings == []


def test_none_means_none_until_somebody_publishes_something(tmp_path: Path) -> None:
    said, _, messages = deliver(tmp_path, smtp_tls_security_level="none", tls=False)
    assert said == ["deferred 4.7.4"]
    assert messages == 0


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(lambda: root().issue("mx", ["mx2.dest.test"]), id="another name"),
        pytest.param(lambda: make_root("Stranger").issue("mx", ["mx1.dest.test"]), id="of a stranger"),
        pytest.param(lambda: root().issue("mx", ["mx1.dest.test"], begins_days=-9.0, ends_days=-1.0), id="expired"),
        pytest.param(lambda: root().issue("mx", [DOMAIN]), id="the domain"),
    ],
)
def test_a_server_that_does_not_gets_nothing(tmp_path: Path, certificate: object) -> None:
    shown = certificate()  # type: ignore[operator]
    assert deliver(tmp_path, certificate=shown)[0] == ["deferred 4.7.5"]
    assert deliver(tmp_path, certificate=shown, policy=TESTING)[0] == ["sent 2.0.0"]
    assert deliver(tmp_path, certificate=shown, smtp_tls_mta_sts=False)[0] == ["sent 2.0.0"]


def test_a_server_without_tls_gets_nothing(tmp_path: Path) -> None:
    assert deliver(tmp_path, tls=False)[0] == ["deferred 4.7.4"]
    assert deliver(tmp_path, tls=False, policy=TESTING)[0] == ["sent 2.0.0"]


def test_servers_that_the_policy_does_not_name_are_passed_over(tmp_path: Path) -> None:
    certificate = root().issue("mx", ["mx1.dest.test", "evil.test", "a.b.mail.test", "c.mail.test"])
    said, warnings, messages = deliver(tmp_path, "evil.test", "mx1.dest.test", certificate=certificate)
    assert said == ["sent 2.0.0"]
    assert messages == 1
    assert warnings == ["MX name 'evil.test' does not match STS MX pattern for 'dest.test'"]
    assert deliver(tmp_path, "a.b.mail.test", certificate=certificate)[0] == ["deferred 4.3.0"]
    assert deliver(tmp_path, "c.mail.test", certificate=certificate)[0] == ["sent 2.0.0"]
    assert deliver(tmp_path, "evil.test", certificate=certificate, policy=TESTING)[0] == ["sent 2.0.0"]


@pytest.mark.parameter("tls_mta_sts_timeout")
def test_a_policy_host_that_hangs_does_not_hold_the_mail_for_ever() -> None:
    policy, seconds = decide(answers=[None], tls_mta_sts_timeout=7)
    assert policy.level is TlsLevel.MAY
    assert seconds == pytest.approx(7.0, abs=0.5)
    assert policy.external is not None
    assert policy.external.failure == "sts-policy-fetch-error"
    assert policy.terms is not None
    assert not policy.terms.must_fail


@pytest.mark.parameter("tls_mta_sts_cache_directory", "tls_mta_sts_cache_limit")
def test_policies_are_kept_where_the_operator_says(tmp_path: Path) -> None:
    policy, _ = decide(tls_mta_sts_cache_directory=tmp_path, tls_mta_sts_cache_limit=1)
    assert policy.level is TlsLevel.SECURE
    policy, _ = decide(answers=[page(status=404)], tls_mta_sts_cache_directory=tmp_path)
    assert policy.level is TlsLevel.SECURE
    assert [path.name for path in tmp_path.iterdir()] == [f"{DOMAIN}.json"]


MX1 = Server("mx1.dest.test", "127.0.0.1", 25, Family.IPV4, 10, secure=True, asked_name="mx1.dest.test")


def decide(
    *records: str,
    answers: Sequence[bytes | None] = (page(),),
    secure_mx: bool = True,
    nexthop: str = DOMAIN,
    **settings: object,
) -> tuple[Policy, float]:
    """The policy for `MX1`, and how long it took to be found."""

    async def main() -> tuple[Policy | NoPolicy, float]:
        async with PolicyHost(*answers) as host:
            options = {
                "smtp_tls_mta_sts": True, "tls_mta_sts_cache_directory": "", "tls_mta_sts_port": host.port,
                "tls_mta_sts_CAfile": authority_file(), "smtp_tls_security_level": "may",
                "smtp_dns_support_level": "dnssec",
            } | settings  # fmt: skip
            scenery = Scenery(host)
            for record in records:
                scenery.zone.add(record)
            scenery.zone._secure = True
            clock = VirtualClock()
            security = make_security(settings_of(**options), ZoneResolver(scenery.zone), clock, lambda text: None)
            began = clock.monotonic_seconds()
            exchanger = Record("MX", DOMAIN, "mx1.dest.test", 10, secure=secure_mx)
            policy = await security.trust.decide(nexthop, DOMAIN, MX1, exchanger)
            seconds = clock.monotonic_seconds() - began
            await security.trust.close()
            return policy, seconds

    policy, seconds = run(main())
    assert isinstance(policy, Policy)
    return policy, seconds


TLSA = f"_25._tcp.mx1.dest.test TLSA 3 1 1 {'ab' * 32}"


def test_a_policy_knows_who_chose_it() -> None:
    policy, _ = decide()
    assert policy.level is TlsLevel.SECURE
    assert policy.source.kind is SourceKind.MTA_STS
    assert str(policy.source) == 'MTA-STS: "dest.test" = "enforce id=one mx=mx1.dest.test,*.mail.test"'
    assert policy.requested is TlsLevel.MAY
    assert policy.terms is not None
    assert policy.terms.names == ("mx1.dest.test",)
    assert policy.terms.server_name == "mx1.dest.test"
    assert policy.terms.authorities.append_default
    assert not policy.terms.multiple_labels
    assert policy.external is not None
    assert policy.external.strings[1] == "mode: enforce"


def test_dane_goes_first() -> None:
    policy, _ = decide(TLSA, smtp_tls_security_level="dane")
    assert policy.level is TlsLevel.DANE
    assert policy.mx_patterns == ()
    assert policy.source.kind is SourceKind.SETTING


def test_without_tlsa_records_the_policy_counts() -> None:
    assert decide(smtp_tls_security_level="dane")[0].level is TlsLevel.SECURE


def test_dane_behind_unsigned_exchangers_is_held_to_the_patterns_too() -> None:
    policy, _ = decide(TLSA, smtp_tls_security_level="dane", secure_mx=False)
    assert policy.level is TlsLevel.HALF_DANE
    assert policy.mx_patterns == ("mx1.dest.test", "*.mail.test")


@pytest.mark.parametrize("level", ["secure", "dane-only", "fingerprint"])
def test_stronger_levels_are_left_alone(level: str) -> None:
    policy, _ = decide(TLSA, smtp_tls_security_level=level, smtp_tls_fingerprint_cert_match="ab" * 32)
    assert policy.level.word == level
    assert policy.external is None


def test_a_policy_table_is_the_operators_last_word() -> None:
    policy, _ = decide(smtp_tls_policy_maps="inline:{dest.test=may}")
    assert policy.level is TlsLevel.MAY
    assert policy.source.kind is SourceKind.POLICY_TABLE


def test_a_server_that_the_operator_has_chosen_is_nobodys_exchanger() -> None:
    assert decide(nexthop=f"[{DOMAIN}]")[0].level is TlsLevel.MAY


def test_a_policy_in_testing_is_carried_along() -> None:
    policy, _ = decide(answers=[page(TESTING)])
    assert policy.level is TlsLevel.MAY
    assert policy.mx_patterns == ()
    assert policy.external is not None
    assert policy.external.mx_patterns == ("mx1.dest.test", "*.mail.test")
